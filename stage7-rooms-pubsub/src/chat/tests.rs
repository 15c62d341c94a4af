use super::*;
use crate::message_store::{Database, SCHEMA};
use crate::said::PRIVATE;
use common::log::{Level, LogGuard};
use proptest::prelude::*;
use stage4_multichat::paper::Paper;
use stage4_multichat::wire::Plain;
use stage6_auth::sessions::Token;
use stage6_auth::store::{DbUrl, name_key};
use std::collections::HashSet;
use std::thread;

const LONG: Duration = Duration::from_secs(20);

struct Fixture {
    chat: Chat<Paper>,
    _folder: tempfile::TempDir,
    _log: LogGuard,
}

type Person = Arc<Speaker<Paper>>;

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let database = Database::open(&DbUrl::Sqlite(folder.path().join("chat.db")), &SCHEMA).unwrap();
        let form: Arc<dyn Form> = Arc::new(Plain);
        let chat = Chat::open(&database.messages, &form, 5, &log).unwrap();
        Fixture { chat, _folder: folder, _log: guard }
    }

    fn enter(&self, name: &str) -> Person {
        let token = Token::parse(&"A".repeat(43)).unwrap();
        let outbox = Paper::outbox(1 << 20).unwrap();
        let speaker = Speaker::new(name, ([127, 0, 0, 1], 1).into(), &outbox, token);
        self.chat.enter(&speaker).unwrap();
        speaker
    }

    fn say(&self, by: &Person, room: &str, text: impl ToString) {
        self.chat.say(by, To::Room(name_key(room).into()), text.to_string()).unwrap();
    }
}

/// What was said, without notices, lists and history.
fn heard(person: &Person) -> Vec<String> {
    let said =
        |line: &String| !["[SERVER] ", "[USERS_LIST] ", "[HISTORY] "].iter().any(|n| line.starts_with(n));
    person.outbox.wire().lines().into_iter().filter(said).collect()
}

#[derive(Clone, Debug)]
enum Act {
    Say,
    Publish,
    Tell(usize),
    Move(usize),
    Subscribe(usize, bool),
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        4 => Just(Act::Say),
        2 => Just(Act::Publish),
        1 => (0..4usize).prop_map(Act::Tell),
        2 => (0..3usize).prop_map(Act::Move),
        2 => (0..4usize, any::<bool>()).prop_map(|(whom, begins)| Act::Subscribe(whom, begins)),
    ];
    prop::collection::vec((0..4usize, act), 1..80)
}

const NAMES: [&str; 4] = ["Alice", "bob", "carol", "dave"];
const ROOMS: [&str; 3] = ["lobby", "Rust", "c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against the definition: who is in the room hears it, who has subscribed and
    /// is elsewhere hears it with the room, nobody hears anything twice, and all of
    /// it comes in the order in which it happened, whatever way it came.
    #[test]
    fn everybody_hears_what_is_for_it_once_and_in_order(acts in acts()) {
        let f = Fixture::new();
        let people = NAMES.map(|name| f.enter(name));
        let mut at = [0; 4];
        let mut subscribed = HashSet::new();
        let mut expected: [Vec<String>; 4] = Default::default();
        for (n, (who, act)) in acts.into_iter().enumerate() {
            let (person, name) = (&people[who], NAMES[who]);
            match act {
                Act::Say => {
                    f.say(person, ROOMS[at[who]], n);
                    for other in (0..4).filter(|&other| other != who) {
                        if at[other] == at[who] {
                            expected[other].push(format!("{name}: {n}"));
                        } else if subscribed.contains(&(other, who)) {
                            expected[other].push(format!("[#{}] {name}: {n}", ROOMS[at[who]]));
                        }
                    }
                }
                Act::Publish => {
                    f.chat.say(person, To::Subscribers, n.to_string()).unwrap();
                    for other in (0..4).filter(|&other| subscribed.contains(&(other, who))) {
                        expected[other].push(format!("[pub] {name}: {n}"));
                    }
                }
                Act::Tell(whom) if whom != who => {
                    let to = To::Person(name_key(NAMES[whom]).into(), &PRIVATE);
                    f.chat.say(person, to, n.to_string()).unwrap();
                    expected[whom].push(format!("[private] {name}: {n}"));
                }
                Act::Move(room) if room != at[who] => {
                    f.chat.go_to(person, ROOMS[room]).unwrap();
                    at[who] = room;
                }
                Act::Subscribe(whom, begins) if whom != who => {
                    f.chat.subscribe(person, NAMES[whom], begins).unwrap();
                    if begins { subscribed.insert((who, whom)); } else { subscribed.remove(&(who, whom)); }
                }
                _ => {}
            }
        }
        for person in &people {
            f.chat.ask(person, Question::Rooms).unwrap();
        }
        people.iter().for_each(|person| person.settle(LONG));
        for (who, person) in people.iter().enumerate() {
            let mut heard = heard(person);
            prop_assert!(heard.pop().unwrap_or_default().starts_with("[ROOMS] "));
            prop_assert_eq!(&heard, &expected[who], "{}", NAMES[who]);
        }
    }
}

/// Several speak, move and publish at once; whoever listens to them all must
/// hear everything of each of them exactly once, in its order.
#[test]
fn nothing_is_lost_doubled_or_overtaken_while_all_move() {
    let f = Fixture::new();
    let listener = f.enter("listener");
    let speakers = ["a", "b", "c"].map(|name| f.enter(name));
    for speaker in &speakers {
        f.chat.subscribe(&listener, &speaker.name, true).unwrap();
    }
    listener.settle(LONG);
    thread::scope(|scope| {
        for speaker in &speakers {
            let f = &f;
            scope.spawn(move || {
                let mut room = "lobby";
                for n in 0..600 {
                    if n % 7 == 3 {
                        room = ROOMS[n % 3];
                        f.chat.go_to(speaker, room).unwrap();
                    }
                    match n % 3 {
                        0 => f.chat.say(speaker, To::Subscribers, n.to_string()).unwrap(),
                        _ => f.say(speaker, room, n),
                    }
                }
                speaker.settle(LONG);
            });
        }
        for n in 0..300 {
            f.chat.go_to(&listener, ROOMS[n % 3]).unwrap();
        }
    });
    listener.settle(LONG);
    let lines = heard(&listener);
    for speaker in &speakers {
        let head = format!("{}: ", speaker.name);
        let numbers: Vec<usize> =
            lines.iter().filter_map(|line| line.split_once(&head)?.1.parse().ok()).collect();
        assert_eq!(numbers, (0..600).collect::<Vec<_>>(), "{}", speaker.name);
    }
}

#[test]
fn who_comes_after_the_farewell_hears_that_alone_and_nothing_is_said_after_it() {
    let f = Fixture::new();
    let alice = f.enter("alice");
    thread::scope(|scope| {
        scope.spawn(|| f.chat.await_farewell());
        f.chat.say_farewell("goodbye", LONG);
    });
    assert_eq!(alice.outbox.wire().lines().last().map(String::as_str), Some("goodbye"));
    let bob = f.enter("bob");
    f.say(&alice, LOBBY, "too late");
    f.chat.leave(&alice).unwrap();
    alice.settle(LONG);
    assert_eq!(bob.outbox.wire().lines(), ["goodbye"]);
}

#[test]
fn the_farewell_waits_for_nobody_who_does_not_come_to_an_end() {
    let f = Fixture::new();
    let alice = f.enter("alice");
    f.chat.say_farewell("goodbye", Duration::from_millis(20));
    assert_eq!(alice.outbox.wire().lines().last().map(String::as_str), Some("goodbye"));
}
