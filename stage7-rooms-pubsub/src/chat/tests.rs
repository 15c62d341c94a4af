#[path = "../../../stage6-auth/src/room/tests/memory.rs"]
mod memory;

use super::*;
use crate::addressed_message::PRIVATE;
use crate::message_store::SCHEMA;
use crate::room_event::Question;
use common::log::{Level, LogGuard};
use memory::{MemoryTransport, config, slot};
use proptest::prelude::*;
use stage3_threads::workers::WaitGroup;
use stage6_auth::room::MAX_LISTED;
use stage6_auth::sessions::Token;
use stage6_auth::store::{self, DbUrl, PasswordHash, Role, User, name_key, now};
use std::collections::HashSet;
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

struct Fixture {
    chat: Arc<Chat>,
    _folder: tempfile::TempDir,
    _log: LogGuard,
}

/// A session, and what its client has been sent.
struct Online {
    session: Arc<Session>,
    client: Arc<MemoryTransport>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let store = store::open(&DbUrl::Sqlite(folder.path().join("chat.db")), &SCHEMA).unwrap();
        let outboxes = config(1 << 20);
        let chat = Chat::open(&store, None, &outboxes, OnDuplicate::Replace, 5, &log).unwrap();
        Fixture { chat, _folder: folder, _log: guard }
    }

    fn enter(&self, name: &str) -> Online {
        let token = Token::parse(&"A".repeat(43)).unwrap();
        let (client, outbox) = MemoryTransport::with_outbox(1 << 20);
        let password = PasswordHash(String::new());
        let user = User { id: 1, name: name.to_owned(), password, role: Role::Member, created: now() };
        let session = Arc::new(Session::new(user, token, ([127, 0, 0, 1], 1).into(), &outbox));
        self.chat.enter(&session, slot(), "[SERVER] welcome").unwrap();
        Online { session, client }
    }

    fn room_name(&self, online: &Online) -> Arc<str> {
        let (answer, answered) = sync_channel(1);
        self.chat.submit(RoomEvent::RoomName(online.session.clone(), answer)).unwrap();
        answered.recv_timeout(LONG).unwrap()
    }

    /// Waits until all is delivered that was submitted so far.
    fn wait_idle(&self, online: &Online) {
        // The second answer is of a later batch than the first.
        (0..2).for_each(|_| drop(self.room_name(online)));
    }

    fn leave(&self, online: &Online) {
        let left = WaitGroup::default();
        self.chat.leave(&online.session, left.add()).unwrap();
        assert_eq!(left.wait(LONG), 0, "{} does not leave", online.session.name);
    }

    fn move_to(&self, online: &Online, room: &str) {
        self.chat.submit(RoomEvent::Move(online.session.clone(), room.into())).unwrap();
    }

    fn subscribe(&self, online: &Online, publisher: &str) {
        self.chat.submit(RoomEvent::Subscribe(online.session.clone(), publisher.into())).unwrap();
    }

    fn unsubscribe(&self, online: &Online, publisher: &str) {
        self.chat.submit(RoomEvent::Unsubscribe(online.session.clone(), publisher.into())).unwrap();
    }

    fn ask(&self, online: &Online, question: Question) {
        self.chat.submit(RoomEvent::Ask(online.session.clone(), question)).unwrap();
    }

    fn say(&self, by: &Online, room: &str, text: impl ToString) {
        self.chat.say(&by.session, Recipient::Room(name_key(room).into()), text.to_string()).unwrap();
    }
}

/// What was said, without notices, lists and history.
fn heard(user: &Online) -> Vec<String> {
    let said =
        |line: &String| !["[SERVER] ", "[USERS_LIST] ", "[HISTORY] "].iter().any(|n| line.starts_with(n));
    user.client.lines().into_iter().filter(said).collect()
}

#[derive(Clone, Debug)]
enum Act {
    Say,
    Publish,
    Msg(usize),
    Move(usize),
    Subscribe(usize),
    Unsubscribe(usize),
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        4 => Just(Act::Say),
        2 => Just(Act::Publish),
        1 => (0..4usize).prop_map(Act::Msg),
        2 => (0..3usize).prop_map(Act::Move),
        1 => (0..4usize).prop_map(Act::Subscribe),
        1 => (0..4usize).prop_map(Act::Unsubscribe),
    ];
    prop::collection::vec((0..4usize, act), 1..80)
}

const NAMES: [&str; 4] = ["Alice", "bob", "carol", "dave"];
const ROOMS: [&str; 3] = ["lobby", "Rust", "c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against the definition: who is in the room hears it, who has subscribed and
    /// is elsewhere hears it with the room, no user hears anything twice, and all of
    /// it comes in the order in which it happened, whatever way it came.
    #[test]
    fn each_user_gets_what_is_for_it_once_and_in_order(acts in acts()) {
        let f = Fixture::new();
        let users = NAMES.map(|name| f.enter(name));
        let mut at = [0; 4];
        let mut subscribed = HashSet::new();
        let mut expected: [Vec<String>; 4] = Default::default();
        for (n, (who, act)) in acts.into_iter().enumerate() {
            let (user, name) = (&users[who], NAMES[who]);
            match act {
                Act::Say => {
                    f.say(user, ROOMS[at[who]], n);
                    for other in (0..4).filter(|&other| other != who) {
                        if at[other] == at[who] {
                            expected[other].push(format!("{name}: {n}"));
                        } else if subscribed.contains(&(other, who)) {
                            expected[other].push(format!("[#{}] {name}: {n}", ROOMS[at[who]]));
                        }
                    }
                }
                Act::Publish => {
                    f.chat.say(&user.session, Recipient::Subscribers, n.to_string()).unwrap();
                    for other in (0..4).filter(|&other| subscribed.contains(&(other, who))) {
                        expected[other].push(format!("[pub] {name}: {n}"));
                    }
                }
                Act::Msg(whom) if whom != who => {
                    let to = Recipient::User(NAMES[whom].into(), &PRIVATE);
                    f.chat.say(&user.session, to, n.to_string()).unwrap();
                    expected[whom].push(format!("[private] {name}: {n}"));
                }
                Act::Move(room) if room != at[who] => {
                    f.move_to(user, ROOMS[room]);
                    at[who] = room;
                }
                Act::Subscribe(whom) if whom != who => {
                    f.subscribe(user, NAMES[whom]);
                    subscribed.insert((who, whom));
                }
                Act::Unsubscribe(whom) => {
                    f.unsubscribe(user, NAMES[whom]);
                    subscribed.remove(&(who, whom));
                }
                _ => {}
            }
        }
        for user in &users {
            f.ask(user, Question::Rooms);
        }
        f.wait_idle(&users[0]);
        for (who, user) in users.iter().enumerate() {
            let mut heard = heard(user);
            prop_assert!(heard.pop().unwrap_or_default().starts_with("[ROOMS] "));
            prop_assert_eq!(&heard, &expected[who], "{}", NAMES[who]);
        }
    }
}

/// Several users speak, move and publish at once; a user who listens to them all must
/// hear everything of each of them exactly once, in its order.
#[test]
fn nothing_is_lost_doubled_or_overtaken_while_all_move() {
    let f = Fixture::new();
    let listener = f.enter("listener");
    let senders = ["a", "b", "c"].map(|name| f.enter(name));
    for sender in &senders {
        f.subscribe(&listener, &sender.session.name);
    }
    f.wait_idle(&listener);
    thread::scope(|scope| {
        for sender in &senders {
            let f = &f;
            scope.spawn(move || {
                let mut room = "lobby";
                for n in 0..600 {
                    if n % 7 == 3 {
                        room = ROOMS[n % 3];
                        f.move_to(sender, room);
                    }
                    match n % 3 {
                        0 => f.chat.say(&sender.session, Recipient::Subscribers, n.to_string()).unwrap(),
                        _ => f.say(sender, room, n),
                    }
                }
            });
        }
        for n in 0..300 {
            f.move_to(&listener, ROOMS[n % 3]);
        }
    });
    f.wait_idle(&listener);
    let lines = heard(&listener);
    for sender in &senders {
        let head = format!("{}: ", sender.session.name);
        let numbers: Vec<usize> =
            lines.iter().filter_map(|line| line.split_once(&head)?.1.parse().ok()).collect();
        assert_eq!(numbers, (0..600).collect::<Vec<_>>(), "{}", sender.session.name);
    }
}

#[test]
fn the_last_line_comes_after_all_that_was_said_and_then_nothing_is_taken() {
    let f = Fixture::new();
    let (alice, bob) = (f.enter("alice"), f.enter("bob"));
    f.say(&alice, LOBBY, "one more word");
    f.chat.shutdown("goodbye");
    assert!(f.chat.leave(&alice.session, WaitGroup::default().add()).is_err());
    for user in [&alice, &bob] {
        assert!(user.session.outbox.wait_closed());
        assert_eq!(user.client.lines().last().map(String::as_str), Some("goodbye"));
    }
    assert_eq!(heard(&bob), ["alice: one more word", "goodbye"]);
}

#[test]
fn after_the_last_line_lists_that_were_due_go_to_nobody() {
    let f = Fixture::new();
    let (alice, bob) = (f.enter("alice"), f.enter("bob"));
    f.move_to(&bob, "Rust");
    f.chat.shutdown("goodbye");
    assert!(alice.session.outbox.wait_closed() && bob.session.outbox.wait_closed());
    // Until the lists of both rooms were due, and longer.
    thread::sleep(Duration::from_millis(300));
    for user in [alice, bob] {
        assert_eq!(user.client.lines().last().map(String::as_str), Some("goodbye"));
    }
}

#[test]
fn in_a_crowd_a_change_is_a_notice_and_the_list_comes_on_entering_and_when_asked_for() {
    let f = Fixture::new();
    let crowd: Vec<_> = (0..=MAX_LISTED).map(|n| f.enter(&format!("n{n:03}"))).collect();
    let late = f.enter("late");
    f.ask(&late, Question::Users);
    f.wait_idle(&late);
    // As long as lists gather, and longer.
    thread::sleep(Duration::from_millis(300));
    let lists = |user: &Online| {
        let lines = user.client.lines();
        lines.into_iter().filter(|line| line.starts_with("[USERS_LIST] ")).collect::<Vec<_>>()
    };
    assert_eq!(lists(&late).len(), 2);
    assert_eq!(lists(&late)[1].split(',').count(), MAX_LISTED + 2);
    f.leave(&crowd[0]);
    let lines = late.client.lines();
    assert!(lines.contains(&format!("[SERVER] n000 left ({} online)", MAX_LISTED + 1)));
}

#[test]
fn a_room_is_shown_as_the_user_who_opened_it_wrote_it() {
    let f = Fixture::new();
    let (alice, bob) = (f.enter("alice"), f.enter("bob"));
    f.move_to(&alice, "Rust");
    f.move_to(&bob, "rUST");
    assert_eq!(&*f.room_name(&bob), "Rust");
}

/// The receiver may leave after the sender's thread has looked.
#[test]
fn a_receiver_who_has_left_is_shown_as_registered() {
    let f = Fixture::new();
    let (alice, bob) = (f.enter("alice"), f.enter("Bob"));
    f.leave(&bob);
    f.chat.say(&alice.session, Recipient::User("Bob".into(), &PRIVATE), "hi".to_owned()).unwrap();
    f.wait_idle(&alice);
    let lines = alice.client.lines();
    assert_eq!(lines.last().map(String::as_str), Some("[SERVER] error: Bob is not online"), "{lines:?}");
}
