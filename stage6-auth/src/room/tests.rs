pub(crate) mod memory;

use super::*;
use crate::sessions::Token;
use crate::store::{self, DbUrl, PasswordHash, Role, SCHEMA, now};
use common::log::{Level, LogGuard};
use memory::{MemoryTransport, config, slot};
use stage3_threads::workers::WaitGroup;
use std::thread;
use std::time::{Duration, Instant};

struct Fixture {
    room: Arc<Room>,
    _folder: tempfile::TempDir,
    _log: LogGuard,
}

/// A session, and what its client has been sent.
struct User {
    session: Arc<Session>,
    client: Arc<MemoryTransport>,
}

/// A session whose token begins with this letter, and what its client has been sent.
pub fn session(name: &str, token: char, resumed: bool) -> (Arc<Session>, Arc<MemoryTransport>) {
    let token = Token::parse(&format!("{token}{}", "A".repeat(42))).unwrap();
    let (client, outbox) = MemoryTransport::with_outbox(1 << 20);
    let password = PasswordHash(String::new());
    let user = store::User { id: 1, name: name.to_owned(), password, role: Role::Member, created: now() };
    let session = Session::new(user, token, ([127, 0, 0, 1], 1).into(), &outbox);
    (Arc::new(Session { resumed, ..session }), client)
}

impl Fixture {
    fn new(history: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let store = store::open(&DbUrl::Sqlite(folder.path().join("chat.db")), &SCHEMA).unwrap();
        let room = Room::open(&store, &config(1 << 20), history, &log).unwrap();
        Fixture { room, _folder: folder, _log: guard }
    }

    fn enter(&self, name: &str) -> User {
        let (session, client) = session(name, 'A', false);
        self.room.enter(&session, slot(), "welcome").unwrap();
        User { session, client }
    }

    fn say(&self, user: &User, text: impl Into<String>) {
        self.room.say(&user.session, text.into()).unwrap();
    }

    /// Waits until the departure is delivered.
    fn leave(&self, user: &User) {
        let left = WaitGroup::default();
        self.room.leave(&user.session, left.add()).unwrap();
        assert_eq!(left.wait(LONG), 0, "{} does not leave", user.session.name);
    }

    /// Waits until all is delivered that was submitted so far.
    fn wait_idle(&self) {
        self.leave(&self.enter("last"));
    }
}

/// What came after the welcome.
fn seen(user: &User) -> Vec<String> {
    user.client.lines().split_off(1)
}

const LONG: Duration = Duration::from_secs(20);

/// Waits until `user` has seen something that `fits`.
fn sees(user: &User, what: &str, fits: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + LONG;
    while !seen(user).iter().any(|line| fits(line)) {
        assert!(Instant::now() < deadline, "no {what} in {:?}", seen(user));
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn history_and_room_have_no_gap_and_nothing_twice() {
    let f = Fixture::new(5);
    let alice = f.enter("alice");
    let newcomers: Vec<_> = (0..200)
        .map(|n| {
            (0..7).for_each(|k| f.say(&alice, (7 * n + k).to_string()));
            f.enter(&format!("n{n}"))
        })
        .collect();
    f.say(&alice, "1400");
    f.wait_idle();
    for (n, newcomer) in newcomers.iter().enumerate() {
        let lines = seen(newcomer);
        let list = lines.iter().position(|line| line.starts_with("[USERS_LIST]")).unwrap();
        assert_eq!(list, 5, "the history, and then the list: {lines:?}");
        assert!(lines[..list].iter().all(|line| line.starts_with("[HISTORY] ")));
        let numbers: Vec<usize> =
            lines.iter().filter_map(|line| line.split_once("alice: ")?.1.parse().ok()).collect();
        let first = 7 * (n + 1) - 5;
        assert_eq!(numbers, (first..=1400).collect::<Vec<_>>(), "newcomer {n}");
    }
}

/// A greeting above the bound of the newcomer's outbox would throw it out.
#[test]
fn a_long_history_of_long_messages_is_cut_to_what_fits() {
    let f = Fixture::new(1000);
    let alice = f.enter("alice");
    (0..1000).for_each(|n| f.say(&alice, format!("{n} {}", "x".repeat(3000))));
    f.wait_idle();
    let newcomer = f.enter("bob");
    sees(&newcomer, "list", |line| line.starts_with("[USERS_LIST]"));
    let lines = seen(&newcomer);
    let history: Vec<_> = lines.iter().filter(|line| line.starts_with("[HISTORY] ")).collect();
    assert!((50..100).contains(&history.len()), "{}", history.len());
    assert!(history.last().unwrap().contains("alice: 999 "), "the latest are kept");
}

#[test]
fn nobody_hears_itself_and_all_others_hear_everything_in_order() {
    let f = Fixture::new(0);
    let (alice, bob, carol) = (f.enter("alice"), f.enter("bob"), f.enter("carol"));
    for n in 0..50 {
        f.say(&alice, format!("a{n}"));
        f.say(&bob, format!("b{n}"));
    }
    f.wait_idle();
    let expected = |names: &[&str]| {
        let lines = (0..50).flat_map(|n| [format!("alice: a{n}"), format!("bob: b{n}")]);
        lines.filter(|line| names.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>()
    };
    for (user, hears) in [(&alice, &["bob"][..]), (&bob, &["alice"]), (&carol, &["alice", "bob"])] {
        let said: Vec<_> = seen(user).into_iter().filter(|line| !line.starts_with('[')).collect();
        assert_eq!(said, expected(hears), "{}", user.session.name);
    }
}

#[test]
fn a_group_that_comes_in_costs_few_lists_and_the_last_one_is_right() {
    let f = Fixture::new(0);
    let alice = f.enter("alice");
    let group: Vec<_> = (0..90).map(|n| f.enter(&format!("n{n:02}"))).collect();
    f.leave(&group[0]);
    let names: Vec<_> = (1..90).map(|n| format!("n{n:02}")).collect();
    let expected = format!("[USERS_LIST] alice,{}", names.join(","));
    let start = now();
    sees(&alice, "list of all", |line| line == expected);
    sees(&group[89], "list of all", |line| line == expected);
    let lists = seen(&alice).iter().filter(|line| line.starts_with("[USERS_LIST]")).count();
    // Its own, and then one each 200 ms as long as they came in.
    assert!(lists <= 4 + (now() - start) as usize / 200, "{lists} lists");
    let left = seen(&alice).iter().filter(|line| line.starts_with("[SERVER] n00 left (90 online)")).count();
    assert_eq!(left, 1);
    // A client that has left hears nothing more.
    assert!(!seen(&group[0]).contains(&expected));
}

#[test]
fn a_crowd_gets_notices_and_a_list_only_on_entering() {
    let f = Fixture::new(0);
    let crowd: Vec<_> = (0..=MAX_LISTED).map(|n| f.enter(&format!("n{n:03}"))).collect();
    let late = f.enter("late");
    f.wait_idle();
    let lists = |user: &User| {
        let lines = seen(user);
        lines.iter().filter(|line| line.starts_with("[USERS_LIST]")).cloned().collect::<Vec<_>>()
    };
    let own = lists(&late);
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].split(',').count(), MAX_LISTED + 2);
    // Two leave: a hundred are left, and the next change is a list again.
    f.leave(&crowd[0]);
    f.leave(&crowd[1]);
    sees(&late, "list of a hundred", |line| {
        line.starts_with("[USERS_LIST]") && line.split(',').count() == MAX_LISTED
    });
    assert_eq!(lists(&late).len(), 2, "and none in between");
}

#[test]
fn a_departure_comes_after_the_last_message() {
    let f = Fixture::new(0);
    let (alice, bob) = (f.enter("alice"), f.enter("bob"));
    f.say(&alice, "last words");
    f.leave(&alice);
    let lines = seen(&bob);
    let at = |line: &str| lines.iter().position(|l| l == line).unwrap();
    assert!(at("alice: last words") < at("[SERVER] alice left (1 online)"), "{lines:?}");
}

#[test]
fn after_the_last_line_nothing_is_taken() {
    let f = Fixture::new(0);
    let alice = f.enter("alice");
    assert!(f.room.shutdown("goodbye"));
    assert_eq!(seen(&alice).last().map(String::as_str), Some("goodbye"));
    assert_eq!(f.room.say(&alice.session, "too late".into()), Err(QueueClosed));
    let left = WaitGroup::default();
    assert_eq!(f.room.leave(&alice.session, left.add()), Err(QueueClosed));
    assert_eq!(left.wait(LONG), 0, "it waits for a departure that never comes");
}
