use super::*;
use stage4_multichat::transport::Transport;
use stage6_auth::client::send_queue::{ClientSession, Encode, Encoded, SendQueue};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// What was said to the user.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl UserOutput for Told {
    fn hint(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn alarm(&self, line: &str) {
        self.0.lock().unwrap().push(format!("! {line}"));
    }
}

/// A connection whose other end is the test, until it is finished.
struct Wire(Mutex<Option<Sender<String>>>);

impl Transport for Wire {
    fn read(&self, _: &mut [u8], _: Option<std::time::Instant>) -> io::Result<usize> {
        unreachable!("the test is the receiver")
    }

    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(to) = &*self.0.lock().unwrap() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let bytes: Vec<u8> = bytes.iter().flat_map(|piece| piece.to_vec()).collect();
        for line in str::from_utf8(&bytes).unwrap().lines() {
            let _ = to.send(line.to_owned());
        }
        Ok(bytes.len())
    }

    fn shutdown_write(&self) {
        self.0.lock().unwrap().take();
    }

    fn abort(&self) {}

    fn shutdown_read(&self) {}

    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("it is never full")
    }
}

/// One user's program, its sending thread running.
struct Side {
    folder: TempDir,
    e2e: Arc<EndToEnd>,
    queue: Arc<SendQueue>,
    told: Told,
    sent: Receiver<String>,
    key: String,
}

impl Side {
    fn new(name: &str) -> Side {
        let (folder, told) = (tempfile::tempdir().unwrap(), Told::default());
        let file = folder.path().join("identity");
        let e2e = EndToEnd::new(Some(file), "localhost:9008", told.clone());
        let queue = SendQueue::new(e2e.clone());
        thread::spawn({
            let queue = queue.clone();
            move || queue.send_all()
        });
        let mut side = Side { folder, e2e, queue, told, sent: mpsc::channel().1, key: String::new() };
        side.connect(name);
        side
    }

    /// A connection, on which we are let in.
    fn connect(&mut self, name: &str) {
        let (sender, sent) = mpsc::channel();
        self.sent = sent;
        let wire: Arc<dyn Transport> = Arc::new(Wire(Mutex::new(Some(sender))));
        self.queue.connected(&wire);
        self.e2e.logged_in(name, &self.queue).unwrap();
        let token = Zeroizing::new("token".to_owned());
        self.queue.logged_in(ClientSession { name: name.to_owned(), token });
        let key = self.sends();
        self.key = key.strip_prefix("/pubkey ").expect("the key first of all").to_owned();
    }

    fn disconnect(&self) {
        self.queue.disconnected();
        self.e2e.disconnected();
    }

    fn types(&self, line: &str) {
        assert!(self.queue.push(Zeroizing::new(line.to_owned()), false));
    }

    #[track_caller]
    fn sends(&self) -> String {
        self.sent.recv_timeout(Duration::from_secs(5)).expect("a line to be sent")
    }

    #[track_caller]
    fn sends_nothing_before(&self, fence: &str) {
        self.types(fence);
        assert_eq!(self.sends(), fence);
    }

    fn hears(&self, line: &str) -> Vec<String> {
        self.e2e.on_line(line, &self.queue)
    }

    /// Answers the question about bob's key, which comes next.
    #[track_caller]
    fn learns(&self, name: &str, key: &str) -> Vec<String> {
        assert_eq!(self.sends(), format!("/key {name}"));
        self.hears(&format!("[KEY] {name} {key}"))
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }

    #[track_caller]
    fn was_told(&self, what: &str) {
        let told = self.told();
        assert!(told.iter().any(|line| line.contains(what)), "{what}: {told:?}");
    }
}

fn alice_and_bob() -> (Side, Side) {
    (Side::new("alice"), Side::new("bob"))
}

/// What `from` has sent to `to`, as it arrives.
#[track_caller]
fn passes_on(from: (&str, &Side), to: &str) -> String {
    let sent = from.1.sends();
    let sealed = sent.strip_prefix(&format!("/dm {to} ")).unwrap_or_else(|| panic!("no /dm {to}: {sent}"));
    format!("[DM] {} {sealed}", from.0)
}

#[test]
fn what_is_typed_arrives_and_only_the_two_can_read_it() {
    let (alice, bob) = alice_and_bob();
    // The name as it was registered is what counts.
    alice.types("/msg BOB hello  there ");
    assert_eq!(alice.sends(), "/key BOB");
    assert_eq!(alice.hears(&format!("[KEY] bob {}", bob.key)), [""; 0]);
    alice.was_told("/fingerprint bob");
    let message = passes_on(("alice", &alice), "bob");
    assert!(!message.contains("hello"));
    // Bob does not know alice yet.
    assert_eq!(bob.hears(&message), [""; 0]);
    // Only private messages wait for that.
    for line in ["carol: meanwhile", "alice: later", "[pub] alice: later"] {
        assert_eq!(bob.hears(line), [line]);
    }
    assert!(bob.hears("[private] alice: not from her")[0].contains("in the clear"));
    let shown = bob.learns("alice", &alice.key);
    assert_eq!(shown, ["[private] alice: hello  there "]);
    // And now he does.
    alice.types("/msg bob again");
    assert_eq!(alice.learns("bob", &bob.key), [""; 0]);
    assert_eq!(bob.hears(&passes_on(("alice", &alice), "bob")), ["[private] alice: again"]);
    bob.sends_nothing_before("no question");
}

#[test]
fn what_is_typed_meanwhile_keeps_its_order() {
    let (alice, bob) = alice_and_bob();
    for line in ["one", "/msg bob two", "three", "/msg bob four", "five"] {
        alice.types(line);
    }
    assert_eq!(alice.sends(), "one");
    assert_eq!(alice.sends(), "/key bob");
    // Whatever else comes in is no answer.
    for line in ["carol: hello", "[SERVER] error: no user dave", "[KEY] dave nonsense"] {
        assert_eq!(alice.hears(line), [line]);
    }
    assert!(alice.sent.try_recv().is_err());
    alice.hears(&format!("[KEY] bob {}", bob.key));
    assert!(alice.sends().starts_with("/dm bob "));
    assert_eq!(alice.sends(), "three");
    alice.learns("bob", &bob.key);
    assert!(alice.sends().starts_with("/dm bob "));
    assert_eq!(alice.sends(), "five");
}

#[test]
fn a_changed_key_is_noticed_before_anything_is_sent() {
    let (alice, bob) = alice_and_bob();
    let mallory = Side::new("bob");
    alice.types("/msg bob one");
    alice.learns("bob", &bob.key);
    passes_on(("alice", &alice), "bob");
    alice.told();
    for attempt in 0..2 {
        alice.types("/msg bob secret");
        assert_eq!(alice.learns("bob", &mallory.key), [""; 0]);
        alice.sends_nothing_before("go on");
        let told = alice.told();
        let alarms = told.iter().filter(|line| line.starts_with("! ")).count();
        assert!(alarms >= 3 && alarms == told.len(), "{attempt}: {told:?}");
        assert!(told.iter().any(|line| line.contains("/trust bob")), "{told:?}");
    }
    // The old one is still the one that counts, until the user says otherwise.
    alice.types("/msg bob two");
    alice.learns("bob", &bob.key);
    passes_on(("alice", &alice), "bob");
    alice.types("/trust bob");
    alice.types("/msg bob three");
    alice.learns("bob", &mallory.key);
    assert_eq!(mallory.hears(&passes_on(("alice", &alice), "bob")), [""; 0]);
    assert_eq!(mallory.learns("alice", &alice.key), ["[private] alice: three"]);
    alice.told();
    for (line, told) in
        [("/trust carol", "no changed key of carol"), ("/trust", "/trust USER"), ("/trust ", "/trust USER")]
    {
        alice.types(line);
        alice.sends_nothing_before("nobody");
        alice.was_told(told);
    }
}

#[test]
fn an_error_is_about_the_key_of_the_user_that_it_names() {
    for error in ["no user Bob", "bob has published no key"] {
        assert!(incoming::is_about_key(error, "bob") && incoming::is_about_key(error, "BOB"), "{error}");
        assert!(!incoming::is_about_key(error, "bo") && !incoming::is_about_key(error, "alice"), "{error}");
    }
    for error in ["unknown command /key; there are /join", "/key needs a user: /key USER"] {
        assert!(incoming::is_about_key(error, "bob") && incoming::is_about_key(error, "alice"), "{error}");
    }
    for error in ["no user bob today", "bob is not online", "too fast, 3 lines per second allowed"] {
        assert!(!incoming::is_about_key(error, "bob"), "{error}");
    }
}

#[test]
fn a_message_that_cannot_be_sent_says_so_and_holds_nothing_up() {
    let (alice, _) = alice_and_bob();
    for refusal in ["no user Bob", "bob has published no key", "unknown command /key; there are /join"] {
        alice.types("/msg bob secret");
        assert_eq!(alice.sends(), "/key bob");
        let line = format!("[SERVER] error: {refusal}");
        assert_eq!(alice.hears(&line), [line]);
        alice.sends_nothing_before("go on");
    }
    for (key, told) in
        [("rubbish", "no usable key"), ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "no usable key")]
    {
        alice.types("/msg bob secret");
        alice.learns("bob", key);
        alice.sends_nothing_before("go on");
        alice.was_told(told);
    }
    for (line, told) in [
        ("/msg", "/msg needs a user and a text"),
        ("/msg bob", "/msg needs a user and a text"),
        ("/msg  text", "/msg needs a user and a text"),
        ("/msg ALICE hello", "to yourself"),
    ] {
        alice.types(line);
        alice.sends_nothing_before("go on");
        alice.was_told(told);
    }
}

/// Mistyped or too early: it is not sent, not even to a server that asks for it.
#[test]
fn a_private_message_never_leaves_in_the_clear() {
    let (alice, _) = alice_and_bob();
    for line in ["/msgbob secret", "/MSG", "/msg\tbob secret"] {
        alice.types(line);
        alice.sends_nothing_before("go on");
    }
    let e2e = EndToEnd::new(None, "localhost:9008", Told::default());
    let queue = SendQueue::new(e2e.clone());
    for line in ["/msg bob secret", "/MSG bob secret"] {
        assert!(matches!(e2e.encode(line, &queue), Encoded::Nothing), "{line}");
    }
}

#[test]
fn a_server_that_does_not_answer_stops_nobody_for_long() {
    let (alice, _) = alice_and_bob();
    alice.types("/msg bob secret");
    alice.types("go on");
    assert_eq!(alice.sends(), "/key bob");
    assert_eq!(alice.sent.recv_timeout(KEY_TIMEOUT * 2).unwrap(), "go on");
    alice.was_told("nothing is sent");
}

#[test]
fn a_lost_connection_has_the_question_asked_again() {
    let (mut alice, bob) = alice_and_bob();
    alice.types("/msg bob hello");
    assert_eq!(alice.sends(), "/key bob");
    alice.types("after it");
    alice.disconnect();
    alice.connect("alice");
    alice.learns("bob", &bob.key);
    passes_on(("alice", &alice), "bob");
    assert_eq!(alice.sends(), "after it");
    // The receiving side, too.
    let (carol, mut bob) = (Side::new("carol"), bob);
    carol.types("/msg bob hello");
    carol.learns("bob", &bob.key);
    assert_eq!(bob.hears(&passes_on(("carol", &carol), "bob")), [""; 0]);
    assert_eq!(bob.sends(), "/key carol");
    bob.disconnect();
    bob.connect("bob");
    assert_eq!(bob.learns("carol", &carol.key), ["[private] carol: hello"]);
}

#[test]
fn a_message_that_comes_twice_is_shown_once() {
    let (alice, bob) = alice_and_bob();
    alice.types("/msg bob hello");
    alice.learns("bob", &bob.key);
    let message = passes_on(("alice", &alice), "bob");
    assert_eq!(bob.hears(&message), [""; 0]);
    assert_eq!(bob.hears(&message), [""; 0]);
    assert_eq!(bob.learns("alice", &alice.key), ["[private] alice: hello"]);
    assert_eq!(bob.hears(&message), [""; 0]);
    bob.was_told("once more");
    // After the program was started again, too.
    let again = EndToEnd::new(Some(bob.folder.path().join("identity")), "localhost:9008", Told::default());
    again.logged_in("bob", &bob.queue).unwrap();
    assert_eq!(again.on_line(&message, &bob.queue), [""; 0]);
}

#[test]
fn what_cannot_be_opened_is_shown_as_that() {
    let (alice, bob) = alice_and_bob();
    alice.types("/msg bob hello");
    alice.learns("bob", &bob.key);
    let message = passes_on(("alice", &alice), "bob");
    let why = |line: Vec<String>| {
        assert!(line.len() == 1 && line[0].contains(" (cannot be opened: "), "{line:?}");
        line[0].clone()
    };
    // By mallory, who says that it is his; nobody of that name has a key.
    let stolen = message.replace("alice", "mallory");
    assert_eq!(bob.hears(&stolen), [""; 0]);
    assert_eq!(bob.sends(), "/key mallory");
    assert!(
        why(bob.hears("[SERVER] error: mallory has published no key")).starts_with("[private] mallory: ")
    );
    // With a key of his, which did not seal it.
    let mallory = Side::new("mallory");
    assert_eq!(bob.hears(&stolen), [""; 0]);
    why(bob.learns("mallory", &mallory.key));
    for rubbish in ["[DM] mallory rubbish", "[DM] mallory "] {
        assert_eq!(bob.hears(rubbish), [""; 0]);
        why(bob.learns("mallory", &mallory.key));
    }
    why(bob.hears("[DM] "));
    why(bob.hears("[DM] mallory"));
    // It was no waste: the one that it was made from is new.
    assert_eq!(bob.hears(&message), [""; 0]);
    assert_eq!(bob.learns("alice", &alice.key), ["[private] alice: hello"]);
    // By somebody who has taken alice's place.
    let other = Side::new("alice");
    other.types("/msg bob pay me");
    other.learns("bob", &bob.key);
    let message = passes_on(("alice", &other), "bob");
    assert_eq!(bob.hears(&message), [""; 0]);
    bob.told();
    why(bob.learns("alice", &other.key));
    bob.was_told("! WARNING: THE KEY OF alice HAS CHANGED");
}

#[test]
fn what_waits_for_a_key_at_the_end_is_not_lost_silently() {
    let (alice, bob) = alice_and_bob();
    alice.types("/msg bob hello");
    alice.learns("bob", &bob.key);
    let message = passes_on(("alice", &alice), "bob");
    assert_eq!(bob.hears(&message), [""; 0]);
    bob.sends();
    assert_eq!(bob.e2e.end(), ["[private] alice: (cannot be opened: the key is not known)"]);
    // With nothing to be sent any more there is nobody to ask.
    bob.queue.end_input();
    while bob.queue.send_now("/key nobody") {
        thread::yield_now();
    }
    assert_eq!(
        bob.hears(&message),
        ["[private] alice: (cannot be opened: the key is not known, and it is too late to ask)"]
    );
    assert!(bob.queue.require_all_sent().is_ok());
}

#[test]
fn what_the_server_can_read_is_marked() {
    let (alice, _) = alice_and_bob();
    assert_eq!(
        alice.hears("[private] bob: hello"),
        ["[private, in the clear, readable by the server] bob: hello"]
    );
    let forged = alice.hears("[private]\u{a0}bob: hello");
    assert!(forged[0].starts_with("[private, in the clear, readable by the server]"), "{forged:?}");
}

#[test]
fn both_sides_compare_the_same_number() {
    let (alice, bob) = alice_and_bob();
    let number = |side: &Side| {
        side.sends_nothing_before("go on");
        let told = side.told();
        told.iter()
            .find(|line| line.chars().all(|c| c.is_ascii_digit() || c == ' '))
            .cloned()
            .expect("digits")
    };
    alice.told();
    bob.told();
    alice.types("/fingerprint bob");
    alice.learns("bob", &bob.key);
    bob.types("/fingerprint ALICE");
    assert_eq!(bob.sends(), "/key ALICE");
    bob.hears(&format!("[KEY] alice {}", alice.key));
    assert_eq!(number(&alice), number(&bob));
    alice.types("/fingerprint");
    alice.sends_nothing_before("go on");
    let own = alice.told().concat();
    let number = own.rsplit_once(": ").unwrap().1;
    // What one has printed on a card is a part of what two compare.
    alice.types("/fingerprint bob");
    alice.learns("bob", &bob.key);
    alice.sends_nothing_before("go on");
    alice.was_told(number);
}

#[test]
fn what_the_user_asks_for_is_shown() {
    let (alice, bob) = alice_and_bob();
    alice.types("/key bob");
    assert_eq!(alice.sends(), "/key bob");
    let answer = format!("[KEY] bob {}", bob.key);
    assert_eq!(alice.hears(&answer), [answer]);
    alice.sends_nothing_before("/message bob hello");
}

#[test]
fn a_line_that_is_too_long_is_known_before() {
    let (alice, bob) = alice_and_bob();
    let fits = |line: &str| alice.e2e.fits(line);
    assert!(fits(&"x".repeat(4096)).is_ok() && fits(&"x".repeat(4097)).is_err());
    let longest = crate::identity::MAX_TEXT;
    let name = "n".repeat(32);
    assert!(fits(&format!("/msg {name} {}", "x".repeat(longest))).is_ok());
    assert!(fits(&format!("/msg b {}", "x".repeat(longest + 1))).unwrap_err().contains(&longest.to_string()));
    alice.types(&format!("/msg {name} {}", "x".repeat(longest)));
    alice.learns(&name, &bob.key);
    assert!(alice.sends().len() <= 4096);
}

#[test]
fn a_name_that_leads_elsewhere_makes_no_file() {
    let e2e = EndToEnd::new(None, "localhost:9008", Told::default());
    let queue = SendQueue::new(e2e.clone());
    assert!(e2e.logged_in("../alice", &queue).is_err());
}
