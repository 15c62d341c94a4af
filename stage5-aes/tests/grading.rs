//! The checks, checked: a right client in another language passes all that it
//! owes, and each of the wrong ones fails where its fault is.

#[path = "checks.rs"]
mod checks;

use libtest_mimic::{Arguments, Failed};
use stage5_aes::keyfile::KeyFile;
use std::process::{Command, ExitCode, Output};
use testkit::self_test;
use testkit::sessions::not_in_the_contract;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/clients/stage5.py");

/// The check that plays sessions at random.
const AT_RANDOM: &str = "random_sessions_of_a_client_keep_to_the_contract";

/// A fault of that client, and a check that it must fail; or a rule that sessions at random name.
const FAULTS: [(&str, &str); 34] = [
    ("sends-in-the-clear", "what_is_typed_is_sent_encrypted"),
    ("fixes-its-iv", "every_message_has_an_iv_of_its_own"),
    ("makes-one-iv", "every_message_has_an_iv_of_its_own"),
    ("counts-ivs", "every_message_has_an_iv_of_its_own"),
    ("leaves-out-the-iv", "what_is_typed_is_sent_encrypted"),
    ("sends-hexadecimal", "what_is_typed_is_sent_encrypted"),
    ("cuts-base64-padding", "what_is_typed_is_sent_encrypted"),
    ("sends-url-safe-base64", "what_is_typed_is_sent_encrypted"),
    ("pads-with-zeros", "what_is_typed_is_sent_encrypted"),
    ("takes-digits-for-bytes", "what_is_typed_is_sent_encrypted"),
    ("shows-what-it-cannot-decrypt", "a_line_that_does_not_decrypt_is_shown_as_such"),
    ("hides-what-it-cannot-decrypt", "a_line_that_does_not_decrypt_is_shown_as_such"),
    ("dies-of-what-it-cannot-decrypt", "what_another_key_encrypted_is_shown_as_such"),
    ("tells-why", "a_line_that_does_not_decrypt_is_shown_as_such"),
    ("decrypts-notices", "notices_of_the_server_are_shown_as_they_are"),
    ("splits-at-the-first-bracket", "the_sender_may_have_an_ipv6_address"),
    ("escapes-control-characters-only", "a_decrypted_text_cannot_drive_the_terminal"),
    ("keeps-cr", "what_comes_in_is_shown_decrypted"),
    ("skips-what-is-no-base64", "a_line_that_does_not_decrypt_is_shown_as_such"),
    ("says-quit-as-typed", "disconnect_is_sent_in_the_clear"),
    ("encrypts-empty-lines", "what_is_typed_is_sent_encrypted"),
    ("cuts-long-texts", "what_is_typed_is_sent_encrypted"),
    ("escapes-before-decrypting", "a_decrypted_text_cannot_drive_the_terminal"),
    ("encrypts-disconnect", "disconnect_is_sent_in_the_clear"),
    ("ends-hastily", "what_comes_after_the_end_of_input_is_shown_decrypted"),
    ("measures-characters", "rule longest-text"),
    ("believes-the-last-byte", "rule cannot-decrypt"),
    ("pads-by-any-number", "rule cannot-decrypt"),
    ("strips-blanks", "rule encrypted"),
    ("replaces-what-is-no-utf8", "rule cannot-decrypt"),
    ("forgets-what-is-left", "rule encrypted"),
    ("takes-users-for-the-server", "rule cannot-decrypt"),
    ("drops-every-cr", "rule cannot-decrypt"),
    ("decrypts-lines-of-lines", "rule decrypted"),
];

fn main() -> ExitCode {
    // Started by one of the trials below, this program is the checks.
    if std::env::var_os("STAGE5_CLIENT").is_some() {
        return checks::main();
    }
    let arguments = Arguments::from_args();
    let missing =
        ["python3", "openssl"].into_iter().find(|p| Command::new(p).arg("--version").output().is_err());
    let mut trials = vec![
        self_test("a_right_client_in_python_passes", missing, a_right_client_passes),
        self_test("every_fault_has_its_check", missing, every_fault_has_its_check),
        self_test("every_rule_is_in_the_contract_and_has_a_fault", missing, every_rule_is_proven),
    ];
    trials.extend(FAULTS.map(|(fault, check)| {
        let name = fault.replace('-', "_");
        self_test(format!("a_client_that_{name}_fails_its_check"), missing, move || fails(fault, check))
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn a_right_client_passes() -> Result<(), Failed> {
    let output = graded("", &[])?;
    if output.status.success() { Ok(()) } else { Err(text(&output).into()) }
}

fn every_fault_has_its_check() -> Result<(), Failed> {
    let output = Command::new("python3").args([CLIENT, "--list-faults"]).output()?;
    let known: Vec<_> = FAULTS.iter().map(|(fault, _)| *fault).collect();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    if listed.lines().eq(known) { Ok(()) } else { Err(listed.into()) }
}

fn every_rule_is_proven() -> Result<(), Failed> {
    let rules = checks::client_sessions::rules::ALL;
    let mut wrong = not_in_the_contract(rules);
    let proven = |name: &str| FAULTS.iter().any(|(_, check)| check.strip_prefix("rule ") == Some(name));
    wrong.extend(rules.iter().map(|rule| rule.name).filter(|name| !proven(name)));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:?}").into()) }
}

fn fails(fault: &str, check: &str) -> Result<(), Failed> {
    let rule = check.strip_prefix("rule ");
    let arguments = match rule {
        Some(_) => &["--exact", AT_RANDOM, "--whole", "--sessions", "40"][..],
        None => &["--exact", check],
    };
    let report = text(&graded(&format!("--fault {fault}"), arguments)?);
    // Not for any other reason, such as a name that no check has.
    let failed = report.contains("0 passed; 1 failed");
    let names_it = rule.is_none_or(|rule| report.contains(&format!("  rule:     {rule}: ")));
    if failed && names_it { Ok(()) } else { Err(report.into()) }
}

/// Runs the checks on the client with `options`, in a folder with a key file.
fn graded(options: &str, arguments: &[&str]) -> Result<Output, Failed> {
    let folder = tempfile::tempdir()?;
    KeyFile::random().save(&folder.path().join("chat.key"), false)?;
    let client = format!("python3 '{CLIENT}' --host {{host}} --port {{port}} {options}");
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        .env("STAGE5_CLIENT", client)
        .env_remove("STAGE5_SERVER")
        .env("PWD", folder.path())
        .output()?;
    Ok(output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
