//! What our client keeps: its identity, the keys that it has seen, what was shown.

use super::sealed::{alice, next_from, sealed_for_bob, shows};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use testkit::{Case, Program, checks, require, shown};
use testkit_chat::chat::Chat;
use testkit_chat::hpke::Identity;
use testkit_chat::mock_server::MockServer;

const SOON: Duration = Duration::from_secs(5);

checks! {
/// Files and words of our client.
pub identities:

/// The key pair is made at the first use, for its owner only, and is the same the
/// next time; `--identity FILE` names another.
ours(client) fn an_identity_is_made_once(case) {
    let server = MockServer::open(case);
    let (mut client, us, key) = alice(&server);
    client.end_input();
    us.lines_to_the_end();
    us.peer.close();
    client.exits(0);
    let path = case.folder().join("alice.identity");
    let mode = fs::metadata(&path).map_or(0, |data| data.permissions().mode() & 0o777);
    require(mode == 0o600, "alice.identity with mode 600", format!("{mode:o}"));
    let (client, us, again) = alice(&server);
    require(key == again, "the same key the next time", again);
    drop((client, us));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let mut client = server.client();
    client.try_type(b"LOGIN\nalice\ncorrect horse\n");
    let us = server.asks();
    us.receives_login();
    // Nothing behind it: the client may have ended by then.
    us.send("AUTH_SUCCESS alice token-1");
    client.exits(1);
    let said = client.errors();
    require(said.lines().any(|l| l.starts_with("error: ") && l.contains("alice.identity")), "error: … alice.identity", said);
}

/// Which keys one has seen is remembered from one run to the next: a key that has
/// changed meanwhile gets a loud word, and nothing is sent.
ours(client) fn a_key_that_changed_between_two_runs_is_noticed(case) {
    let server = MockServer::open(case);
    let (mut client, us, key) = alice(&server);
    let (bob, mallory) = (Identity::new("bob"), Identity::new("bob"));
    sealed_for_bob(&mut client, &us, &bob, &key, "the first time");
    drop((client, us));
    require(case.folder().join("known_keys").exists(), "a file known_keys", "none");
    let (mut client, us, _) = alice(&server);
    client.type_line("/msg bob the second time");
    client.type_line("hello, all");
    let line = next_from(&us, &mallory);
    require(line == "hello, all", "nothing for bob", shown(line));
    let loud = |l: &str| l.to_lowercase().contains("changed") && l.contains("bob");
    client.says("a warning that the key of bob has changed", loud);
    us.send(&format!("[DM] bob {}", mallory.seal("alice", &key, "I am bob, trust me")));
    us.send("carol: the fence");
    client.prints_some("the fence", |l| l == "carol: the fence");
    require(!client.output().contains("trust me"), "nothing under the new key", shown(client.output()));
}

/// What was shown once is not shown again by the next run either.
ours(client) fn a_message_replayed_to_the_next_run_is_not_shown(case) {
    let server = MockServer::open(case);
    let (mut client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    let first = format!("[DM] bob {}", bob.seal("alice", &key, "pay him once"));
    us.send(&first);
    shows(&client, &us, &bob, "pay him once");
    client.end_input();
    us.lines_to_the_end();
    us.peer.close();
    client.exits(0);
    let (client, us, _) = alice(&server);
    us.send(&first);
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "something new")));
    shows(&client, &us, &bob, "something new");
    require(!client.output().contains("pay him once"), "what was shown before not again", shown(client.output()));
}

/// A private message that came in the clear, from a client without sealing, is
/// marked.
ours(client) fn a_private_message_in_the_clear_is_marked(case) {
    let server = MockServer::open(case);
    let (client, us, _) = alice(&server);
    us.send("[private] carol: psst");
    let line = client.prints_some("psst", |l| l.contains("psst"));
    let marked = line != "[private] carol: psst" && (line.contains("clear") || line.contains("server"));
    require(marked, "a word that the server could read it", line);
}
}

checks! {
/// Our two programs together.
pub both:

/// Two clients send private messages: neither the server's database nor its log,
/// nor any connection, has the text.
ours(both) fn no_private_text_is_anywhere_but_with_the_two(case) {
    let chat = Chat::start_with(case, &["--log-level", "debug"]);
    let carol = chat.register("carol");
    let mut clients = ["alice", "bob"].map(|who| {
        let mut client = case.client(chat.server.address());
        client.try_type(format!("REGISTER {} correct horse\n", chat.name(who)).as_bytes());
        carol.hears_some("an arrival", |l| l.starts_with(&format!("[SERVER] {} joined", chat.name(who))));
        // A client publishes its key a moment after it has come in.
        let deadline = Instant::now() + testkit::patience();
        loop {
            carol.send(&format!("/key {}", chat.name(who)));
            if carol.hears_some("an answer", |l| l.starts_with("[KEY]") || l.contains("error")).starts_with("[KEY]") {
                break client;
            }
            require(Instant::now() < deadline, "a published key", "none");
        }
    });
    for (from, who, to) in [(0, "alice", "bob"), (1, "bob", "alice"), (0, "alice", "bob")] {
        let text = format!("a secret of {who}s");
        clients[from].type_line(&format!("/msg {} {text}", chat.name(to)));
        clients[1 - from].prints_some(&text, |l| l.contains(&text) && l.contains(&chat.name(who)));
    }
    fingerprints_agree(&mut clients, [&chat.name("alice"), &chat.name("bob")]);
    for client in &mut clients {
        client.end_input();
        client.ends(SOON);
    }
    chat.server.terminate();
    chat.server.program.exits(0);
    let log = chat.server.program.errors() + &chat.server.program.output();
    require(!log.contains("secret of"), "no private text in the log", shown(log));
    for path in files(case) {
        let holds = fs::read(&path).unwrap_or_default().windows(9).any(|w| w == b"secret of");
        require(!holds, format!("no private text in {}", path.display()), "there is one");
    }
}
}

/// Both see the same digits for the pair of them.
#[track_caller]
fn fingerprints_agree(clients: &mut [Program; 2], names: [&str; 2]) {
    let seen: Vec<_> = (0..2)
        .map(|n| {
            clients[n].type_line(&format!("/fingerprint {}", names[1 - n]));
            let digits = |l: &str| l.chars().filter(char::is_ascii_digit).collect::<String>();
            // Sixty digits in groups of five, however many lines they stand on.
            let groups = |text: &str| -> Vec<String> {
                let words = text.split_whitespace().filter(|w| w.len() == 5 && digits(w).len() == 5);
                words.map(str::to_owned).collect()
            };
            let deadline = Instant::now() + testkit::patience();
            loop {
                let found = groups(&(clients[n].output() + &clients[n].errors()));
                if found.len() >= 12 {
                    break found[found.len() - 12..].to_vec();
                }
                require(Instant::now() < deadline, "60 digits in groups of five", shown(clients[n].output()));
                std::thread::sleep(Duration::from_millis(10));
            }
        })
        .collect();
    require(seen[0] == seen[1], format!("{:?} on both screens", seen[0]), format!("{:?}", seen[1]));
}

/// All files that are the server's.
fn files(case: &Case) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(case.folder()).expect("it is ours").flatten().map(|entry| entry.path());
    all.filter(|path| path.is_file()).collect()
}
