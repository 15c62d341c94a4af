//! Two servers with TLS as one chat, and real clients: stage 7's tests try many faults,
//! this one that nothing of it depends on how a connection is encrypted.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use libtest_mimic::{Arguments, Trial};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use testkit::mariadb::MariaDb;
use testkit::redis::Redis;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let missing = MariaDb::missing().or_else(Redis::missing);
    if let Some(why) = &missing {
        eprintln!("ignored: {why}");
    }
    let trial = Trial::test("two_servers_with_tls_are_one_chat_and_one_is_killed", || {
        one_is_killed();
        Ok(())
    });
    libtest_mimic::run(&args, vec![trial.with_ignored_flag(missing.is_some())]).exit_code()
}

fn one_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mariadb, redis) = (MariaDb::start(), Redis::start());
    let mut init = Command::new(env!("CARGO_BIN_EXE_stage8-admin"));
    let output = init.arg("init").env("CHAT_DB", mariadb.admin_url("chat")).output().unwrap();
    let database = String::from_utf8(output.stdout).unwrap();
    let server = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stage8-server"));
        command.args(["--listen", "127.0.0.1:0", "--bcrypt-cost", "4", "--no-log-file"]);
        command.env("CHAT_DB", database.trim()).env("CHAT_BACKPLANE", redis.url());
        let server = Program::start(&mut command, folder.path());
        let listening = server.shows("Listening on ");
        (server, listening["Listening on ".len()..].to_owned())
    };
    // The second finds the certificates that the first has made.
    let ((_first, at_first), (second, at_second)) = (server(), server());
    let client = |address: &str, name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stage8-client"));
        let mut client = Program::start(command.args(["--connect", address]), folder.path());
        client.types(&format!("REGISTER {name} a good password"));
        client.shows("[USERS_LIST] ");
        client
    };
    let mut alice = client(&at_first, "alice");
    let mut bob = client(&at_second, "bob");
    alice.shows("[SERVER] bob joined (2 online)");
    alice.types("hello, other server");
    bob.shows("alice: hello, other server");
    // A client gives its key to its server before it says the first line.
    bob.types("hello from here");
    alice.shows("bob: hello from here");
    // Sealed for a key that bob's client has given to another server.
    alice.types("/msg bob for you alone");
    bob.shows("[private] alice: for you alone");
    bob.types("/msg alice and for you");
    alice.shows("[private] bob: and for you");
    drop(second);
    alice.shows("[SERVER] bob left (1 online)");
    // Only this server is left, and bob's name is free there.
    let mut again = Command::new(env!("CARGO_BIN_EXE_stage8-client"));
    let mut again = Program::start(again.args(["--connect", &at_first]), folder.path());
    again.types("LOGIN bob a good password");
    again.shows("[HISTORY] ");
    alice.shows("[SERVER] bob joined (2 online)");
    again.types("here I am");
    alice.shows("bob: here I am");
}

#[derive(Default)]
struct Output {
    /// What came and was not asked for yet.
    lines: Vec<String>,
    all: Vec<String>,
}

/// A program on pipes, killed when it is dropped.
struct Program {
    child: Child,
    input: ChildStdin,
    output: Arc<(Mutex<Output>, Condvar)>,
}

impl Program {
    fn start(command: &mut Command, folder: &Path) -> Program {
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::default();
        read(child.stdout.take().unwrap(), &output);
        read(child.stderr.take().unwrap(), &output);
        Program { input: child.stdin.take().unwrap(), child, output }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits for the next line that begins like this.
    fn shows(&self, start: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut output = self.output.0.lock().unwrap();
        loop {
            if let Some(at) = output.lines.iter().position(|line| line.starts_with(start)) {
                return output.lines.drain(..=at).next_back().unwrap();
            }
            assert!(Instant::now() < deadline, "waited in vain for {start:?}: {:#?}", output.all);
            output = self.output.1.wait_timeout(output, Duration::from_millis(200)).unwrap().0;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends with the program.
fn read(from: impl Read + Send + 'static, to: &Arc<(Mutex<Output>, Condvar)>) {
    let to = to.clone();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut output = to.0.lock().unwrap();
            output.lines.push(line.clone());
            output.all.push(line);
            to.1.notify_all();
        }
    });
}
