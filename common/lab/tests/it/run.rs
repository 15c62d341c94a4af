//! `lab run N` without a terminal: every stage's scripted session.

use assert_cmd::Command;
use lab::registry::Registry;
use std::time::Duration;

#[test]
#[ignore = "self-test of the course: make test-course"]
fn every_stage_plays_its_session_without_a_terminal() {
    for stage in Registry::load().stages {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        // The limit is for the build, should it be the first one.
        lab.args(["run", &stage.number.to_string()]).timeout(Duration::from_secs(300));
        let assert = lab.assert().success();
        let transcript = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(transcript.contains("server  | Listening on 127.0.0.1:"), "{transcript}");
        assert!(transcript.contains("alice   | "), "{transcript}");
        assert!(transcript.ends_with("did all that it should\n"), "{transcript}");
    }
}
