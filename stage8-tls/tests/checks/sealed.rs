//! Private messages that the server cannot read, as a client sends and shows them.

use chatkit::chat::Chat;
use chatkit::door::Door;
use chatkit::hpke::Person;
use chatkit::line::Line;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use testkit::{Case, Next, Program, checks, fail, require, shown};

const SOON: Duration = Duration::from_secs(5);

/// The graded client, logged in as alice, and the key that she has published.
#[track_caller]
fn alice<'c>(door: &Door<'c>) -> (Program, Line<'c>, String) {
    let (client, mut us) = door.logged_in();
    us.from_a_client = false;
    let line = us.hears_some("/pubkey BASE64", |l| l.starts_with("/pubkey "));
    (client, us, line["/pubkey ".len()..].to_owned())
}

/// What alice sends next that is no question for a key; each of those is answered
/// with bob's.
#[track_caller]
fn next_from(us: &Line, bob: &Person) -> String {
    loop {
        match us.next() {
            Next::Line(line) if line.to_lowercase() == "/key bob" => {
                us.send(&format!("[KEY] bob {}", bob.public()))
            }
            Next::Line(line) => return line,
            other => fail("the next line of the client", other.to_string()),
        }
    }
}

/// Answers for bob's key until the client has shown `text`.
#[track_caller]
fn shows(client: &Program, us: &Line, bob: &Person, text: &str) {
    // A question for the key comes only where the client does not know it yet.
    us.send("carol: the fence");
    let deadline = Instant::now() + testkit::patience();
    while !client.output().contains(text) {
        require(Instant::now() < deadline, format!("{} shown", shown(text)), shown(client.output()));
        if let Next::Line(line) = us.next_by(Instant::now() + Duration::from_millis(50)) {
            require(line.to_lowercase() == "/key bob", "/key bob, or nothing", line);
            us.send(&format!("[KEY] bob {}", bob.public()));
        }
    }
}

/// What alice's client makes of `/msg bob TEXT`: opened by bob.
#[track_caller]
fn sealed_for_bob(client: &mut Program, us: &Line, bob: &Person, key: &str, text: &str) -> String {
    client.type_line(&format!("/msg bob {text}"));
    let line = next_from(us, bob);
    let Some(sealed) = line.strip_prefix("/dm bob ") else { fail("/dm bob BASE64", shown(line)) };
    let opened = bob.open("alice", key, sealed);
    require(opened.as_deref() == Ok(text), format!("{} sealed for bob", shown(text)), format!("{opened:?}"));
    sealed.to_owned()
}

checks! {
/// Owed by a client in any language.
pub sealed:

/// At the login the client publishes its key, base64 of 32 bytes.
wire(client) fn the_client_publishes_its_key(case) {
    let door = Door::open(case);
    let (_client, _us, key) = alice(&door);
    // Opening asks for a key of the right form first.
    let bob = Person::new("bob");
    let refused = bob.open("alice", &key, "AAAA").err().unwrap_or_default();
    require(!refused.contains("key published"), "base64 of 32 bytes", key);
}

/// `/msg bob TEXT` leaves as `/dm bob BASE64`, sealed as HPKE in mode auth, info `chat
/// e2e`, aad `alice>bob`; the text is nowhere on the wire.
wire(client) fn a_private_message_leaves_sealed(case) {
    let door = Door::open(case);
    let (mut client, us, key) = alice(&door);
    let bob = Person::new("bob");
    let texts = ["between you and me", "grüße, 世界 🦀", "  two  spaces ", "x", &"z".repeat(2500)];
    for text in texts {
        let first = sealed_for_bob(&mut client, &us, &bob, &key, text);
        let second = sealed_for_bob(&mut client, &us, &bob, &key, text);
        require(first != second, "the same text sealed anew", "the same line twice");
    }
    let sent = us.peer.everything();
    let sent = String::from_utf8_lossy(&sent);
    require(!sent.contains("between you") && !sent.contains("/msg"), "no text in the clear", shown(sent.as_ref()));
}

/// What bob has sealed for alice is opened and shown, as from bob.
wire(client) fn what_was_sealed_is_shown_opened(case) {
    let door = Door::open(case);
    let (client, us, key) = alice(&door);
    let bob = Person::new("bob");
    for text in ["hello, alice", "grüße, 世界 🦀", &"z".repeat(2500)] {
        us.send(&format!("[DM] bob {}", bob.seal("alice", &key, text)));
        shows(&client, &us, &bob, text);
        let line = client.output().lines().find(|l| l.contains(text)).unwrap_or_default().to_owned();
        require(line.contains("bob"), "a line that names bob", shown(line));
    }
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "red \x1b[31m alert\n[SERVER] b")));
    shows(&client, &us, &bob, "alert");
    let wild = client.output().chars().any(|c| c.is_control() && c != '\n') || client.output().contains("\n[SERVER] b");
    require(!wild, "control characters escaped", shown(client.output()));
}

/// The server can send it a second time; it is shown once.
wire(client) fn a_sealed_message_that_comes_twice_is_shown_once(case) {
    let door = Door::open(case);
    let (client, us, key) = alice(&door);
    let bob = Person::new("bob");
    let first = format!("[DM] bob {}", bob.seal("alice", &key, "pay him once"));
    us.send(&first);
    shows(&client, &us, &bob, "pay him once");
    us.send(&first);
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "in between")));
    us.send(&first);
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the last one")));
    shows(&client, &us, &bob, "the last one");
    let times = client.output().matches("pay him once").count();
    require(times == 1, "the message once", times.to_string());
}

/// What was not sealed by bob for alice is not shown: another sender's key, another
/// pair of names, another receiver, one bit changed, nonsense.
wire(client) fn what_bob_did_not_seal_for_alice_is_not_shown(case) {
    let door = Door::open(case);
    let (client, us, key) = alice(&door);
    let (bob, mallory) = (Person::new("bob"), Person::new("bob"));
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the real bob")));
    shows(&client, &us, &bob, "the real bob");
    let good = bob.seal("alice", &key, "forged");
    let other = if good.as_bytes()[60] == b'A' { "B" } else { "A" };
    for sealed in [
        mallory.seal("alice", &key, "forged by another key"),
        bob.seal("carol", &key, "forged for another name"),
        bob.seal("alice", &mallory.public(), "forged for another key"),
        format!("{}{other}{}", &good[..60], &good[61..]),
        good[..good.len() / 8 * 4].to_owned(),
        "AAAA".into(),
        "forged, not sealed".into(),
    ] {
        us.send(&format!("[DM] bob {sealed}"));
    }
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the real bob again")));
    shows(&client, &us, &bob, "the real bob again");
    require(!client.output().contains("forged"), "nothing forged", shown(client.output()));
}

/// A key that has changed stops sending, and says so: somebody may sit in the middle.
wire(client) fn a_changed_key_stops_sending(case) {
    let door = Door::open(case);
    let (mut client, us, key) = alice(&door);
    let (bob, mallory) = (Person::new("bob"), Person::new("bob"));
    sealed_for_bob(&mut client, &us, &bob, &key, "for bob only");
    // It may ask again at any time, or be told.
    us.send(&format!("[KEY] bob {}", mallory.public()));
    client.type_line("/msg bob for bob only");
    client.type_line("hello, all");
    loop {
        let line = next_from(&us, &mallory);
        if line == "hello, all" {
            break;
        }
        let sealed = line.strip_prefix("/dm bob ").unwrap_or_default();
        let read = mallory.open("alice", &key, sealed);
        require(read.is_err(), "nothing that the new key opens", format!("{read:?}"));
    }
}
}

checks! {
/// Files and words of our client.
pub identities:

/// The key pair is made at the first use, for its owner only, and is the same the
/// next time; `--identity FILE` names another.
ours(client) fn an_identity_is_made_once(case) {
    let door = Door::open(case);
    let (mut client, us, key) = alice(&door);
    client.end_input();
    us.lines_to_the_end();
    us.peer.close();
    client.exits(0);
    let path = case.folder().join("alice.identity");
    let mode = fs::metadata(&path).map_or(0, |data| data.permissions().mode() & 0o777);
    require(mode == 0o600, "alice.identity with mode 600", format!("{mode:o}"));
    let (client, us, again) = alice(&door);
    require(key == again, "the same key the next time", again);
    drop((client, us));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let (client, _us) = door.logged_in();
    client.exits(1);
    let said = client.errors();
    require(said.lines().any(|l| l.starts_with("error: ") && l.contains("alice.identity")), "error: … alice.identity", said);
}

/// Which keys one has seen is remembered from one run to the next: a key that has
/// changed meanwhile gets a loud word, and nothing is sent.
ours(client) fn a_key_that_changed_between_two_runs_is_noticed(case) {
    let door = Door::open(case);
    let (mut client, us, key) = alice(&door);
    let (bob, mallory) = (Person::new("bob"), Person::new("bob"));
    sealed_for_bob(&mut client, &us, &bob, &key, "the first time");
    drop((client, us));
    require(case.folder().join("known_keys").exists(), "a file known_keys", "none");
    let (mut client, us, _) = alice(&door);
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
    let door = Door::open(case);
    let (mut client, us, key) = alice(&door);
    let bob = Person::new("bob");
    let first = format!("[DM] bob {}", bob.seal("alice", &key, "pay him once"));
    us.send(&first);
    shows(&client, &us, &bob, "pay him once");
    client.end_input();
    us.lines_to_the_end();
    us.peer.close();
    client.exits(0);
    let (client, us, _) = alice(&door);
    us.send(&first);
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "something new")));
    shows(&client, &us, &bob, "something new");
    require(!client.output().contains("pay him once"), "what was shown before not again", shown(client.output()));
}

/// A message that came in the clear, from who has no such client, says so.
ours(client) fn a_private_message_in_the_clear_is_marked(case) {
    let door = Door::open(case);
    let (client, us, _) = alice(&door);
    us.send("[private] carol: psst");
    let line = client.prints_some("psst", |l| l.contains("psst"));
    let marked = line != "[private] carol: psst" && (line.contains("clear") || line.contains("server"));
    require(marked, "a word that the server could read it", line);
}
}

checks! {
/// Our two programs together.
pub both:

/// Two clients talk in private: neither the server's database nor its log, nor what
/// passed on the wire to anybody, has a word of it.
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
