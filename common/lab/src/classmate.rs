//! A second user for a student who is alone: the stage's own client on pipes,
//! which follows a small script.

use crate::process::{Program, wait_for};
use crate::registry::{Classmate, matches};
use crate::run_context::RunContext;
use anyhow::Context;
use common::poison::IgnorePoison;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a client may take until the server serves it.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Starts the classmate and waits until it is served, so that it sees whoever
/// comes next. It ends when the returned program is dropped.
///
/// # Errors
/// When it cannot be started or is not served.
pub fn join(role: &Classmate, context: &RunContext<'_>, address: &str) -> anyhow::Result<Program> {
    let mut program = context.client_on_pipes(address, &[], Stdio::null())?;
    let output = program.child().stdout.take().context("no standard output")?;
    // The thread that reads writes the answers; the one with the timer closes.
    let input = Arc::new(Mutex::new(program.child().stdin.take()));
    let served = Arc::new(AtomicBool::new(false));

    for line in &role.first_lines {
        put(&input, line);
    }
    thread::spawn({
        let (role, input, served) = (role.clone(), input.clone(), served.clone());
        move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if role.ready.as_deref().is_some_and(|ready| matches(ready, &line)) {
                    served.store(true, Ordering::Release);
                }
                if let Some(answer) = role.chats.then(|| answer(&role, &line)).flatten() {
                    put(&input, &answer);
                }
            }
        }
    });
    wait_for(ARRIVAL, &format!("{} to be served", role.name), || match &role.logged {
        Some(pattern) => context.log_has(pattern),
        None => served.load(Ordering::Acquire),
    })?;
    if let Some(seconds) = role.leaves_after_seconds {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let patience = Duration::from_secs(seconds);
        // Ends with the program, if no line ever comes.
        thread::spawn(move || {
            let mut line_since: Option<Instant> = None;
            while line_since.is_none_or(|since| since.elapsed() < patience) {
                match port.map_or(Waiting::Line, waiting_at) {
                    Waiting::Nothing => {}
                    Waiting::Line => drop(line_since.get_or_insert_with(Instant::now)),
                    // A user who wants to leave is not to be kept.
                    Waiting::End => break,
                }
                thread::sleep(Duration::from_millis(100));
            }
            // The end of its input is the client's sign to go.
            input.lock().ignore_poison().take();
        });
    }
    Ok(program)
}

/// What waits for a server that is busy with another client.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    Nothing,
    /// Bytes that the server has not read.
    Line,
    /// The end of a client that sends nothing more.
    End,
}

/// What waits at `port`. On a system that does not say, a line may.
fn waiting_at(port: u16) -> Waiting {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).ok());
    let waiting = tables.iter().flatten().map(|table| waiting_in(table, port));
    waiting.max().unwrap_or(Waiting::Line)
}

/// What waits according to a table of the kernel (proc(5), `/proc/net/tcp`): the
/// fields are number, local address, other address, state (01 is an open
/// connection, 08 one whose other side has closed), queues to send and to receive.
fn waiting_in(table: &str, port: u16) -> Waiting {
    let of_a_line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, state, queues, ..] = fields[..] else { return Waiting::Nothing };
        match state {
            _ if !local.ends_with(&format!(":{port:04X}")) => Waiting::Nothing,
            "08" => Waiting::End,
            "01" if !queues.ends_with(":00000000") => Waiting::Line,
            _ => Waiting::Nothing,
        }
    };
    table.lines().map(of_a_line).max().unwrap_or(Waiting::Nothing)
}

/// Says a line. The client may be gone, as when the server has ended; then
/// there is no client to send it to, and nothing to do about it.
fn put(input: &Mutex<Option<ChildStdin>>, line: &str) {
    let mut input = input.lock().ignore_poison();
    if let Some(pipe) = input.as_mut() {
        let _ = pipe.write_all(format!("{line}\n").as_bytes());
    }
}

/// What to say to a line that came in; `None` for what needs no answer.
fn answer(role: &Classmate, line: &str) -> Option<String> {
    let is_user = |who: &str| !role.ignores.iter().any(|name| name == who);
    if let Some(notice) = line.strip_prefix("[SERVER] ") {
        let (who, _) = notice.split_once(" joined (")?;
        return is_user(who).then(|| format!("hello {who}, I am {}. Say something!", role.name));
    }
    // What comes in private is answered in private.
    if let Some((who, text)) = line.strip_prefix("[private] ").and_then(|said| said.split_once(": ")) {
        return (!text.starts_with("(cannot be opened")).then(|| format!("/msg {who} {}", reply(who, text)));
    }
    // `[IP:PORT] TEXT` in stages 4 and 5, `name: TEXT` from stage 6 on. What
    // else the server sends (a list, history) starts with a word in brackets.
    let (who, text) = match line.strip_prefix('[') {
        Some(rest) => rest.split_once("] ").filter(|(who, _)| who.contains(':'))?,
        None => line.split_once(": ")?,
    };
    (text != "(cannot decrypt)" && is_user(who)).then(|| reply(who, text))
}

fn reply(who: &str, text: &str) -> String {
    // Cut, since the answer is longer than what it quotes, and a line must not
    // be longer than 4096 bytes.
    let quoted: String = text.chars().take(60).collect();
    match text.to_lowercase().trim() {
        t if t.ends_with('?') => format!("good question, {who}. What does the server's log say?"),
        t if ["hello", "hi", "hey"].iter().any(|h| t.starts_with(h)) => format!("nice to meet you, {who}"),
        t if t.contains("bye") => format!("goodbye, {who}. /quit takes you out"),
        _ => {
            format!("you said \"{quoted}\", and every one of its {} characters arrived", text.chars().count())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Waiting, waiting_in};
    use crate::registry::Classmate;

    fn answer(line: &str) -> Option<String> {
        super::answer(&bob(), line)
    }

    fn bob() -> Classmate {
        let role = "name = 'bob'\nchats = true\nignores = ['carol']";
        toml::from_str(role).unwrap()
    }

    #[test]
    fn greets_who_joins_and_answers_what_is_said() {
        let greeting = answer("[SERVER] 127.0.0.1:5 joined (2 online)").unwrap();
        assert!(greeting.starts_with("hello 127.0.0.1:5,"), "{greeting}");
        assert!(answer("[[::1]:5] where am I?").unwrap().contains("good question"));
        assert!(answer("[127.0.0.1:5] abc").unwrap().contains("\"abc\", and every one of its 3"));
        assert!(answer(&format!("alice: {}", "ü".repeat(2000))).unwrap().len() < 400);
        assert!(answer("alice: hello all").unwrap().contains("alice"));
        assert_eq!(answer("[private] alice: hello").as_deref(), Some("/msg alice nice to meet you, alice"));
    }

    #[test]
    fn what_waits_at_the_server_is_seen() {
        let line = |state: &str, queues: &str| {
            format!("   1: 0100007F:232A 0100007F:D2F0 {state} {queues} 00:00000000 00000000  0  0 1 1 0\n")
        };
        for (state, queues, port, expected) in [
            ("01", "00000000:00000006", 9002, Waiting::Line),
            // Another server's; read already; connections that wait, and no bytes.
            ("01", "00000000:00000006", 9003, Waiting::Nothing),
            ("01", "00000006:00000000", 9002, Waiting::Nothing),
            ("0A", "00000000:00000001", 9002, Waiting::Nothing),
            // Ctrl-D, behind a line or not.
            ("08", "00000000:00000007", 9002, Waiting::End),
        ] {
            assert_eq!(waiting_in(&line(state, queues), port), expected, "{state} {queues} {port}");
        }
    }

    #[test]
    fn says_nothing_to_the_rest() {
        for line in [
            "[SERVER] 127.0.0.1:5 left (1 online)",
            "[SERVER] error: too fast, 5 lines per second allowed",
            "[HISTORY] 2026-01-01T00:00:00Z alice: hello",
            "[USERS_LIST] alice,bob",
            "[127.0.0.1:5] (cannot decrypt)",
            "[private] alice: (cannot be opened: the key has changed)",
            "AUTH_SUCCESS bob 0123",
            // Another classmate, or the two would never end.
            "carol: you said \"hello\"",
            "[SERVER] carol joined (3 online)",
            "",
        ] {
            assert_eq!(answer(line), None, "{line}");
        }
    }
}
