use super::*;
use crate::sessions::Token;
use crate::store::sqlite::SqliteStore;
use crate::store::{SCHEMA, now};
use common::log::{Level, LogGuard};
use stage4_multichat::paper::Paper;
use stage4_multichat::wire::Plain;
use std::thread;
use std::time::Instant;

struct Fixture {
    room: Room<Paper>,
    _folder: tempfile::TempDir,
    _log: LogGuard,
}

impl Fixture {
    fn new(history: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&folder.path().join("chat.db"), &SCHEMA).unwrap());
        let form: Arc<dyn Form> = Arc::new(Plain);
        let registry = Registry::new(1000, form.clone(), &log);
        let room = Room::open(&registry, &store, &form, history, &log).unwrap();
        Fixture { room, _folder: folder, _log: guard }
    }

    fn enter(&self, name: &str) -> Arc<Speaker<Paper>> {
        let token = Token::parse(&"A".repeat(43)).unwrap();
        let outbox = Paper::outbox(1 << 20).unwrap();
        let speaker = Speaker::new(name, ([127, 0, 0, 1], 1).into(), &outbox, token);
        self.room.enter(&speaker).unwrap();
        speaker
    }

    fn leave(&self, speaker: &Arc<Speaker<Paper>>) {
        self.room.leave(speaker).unwrap();
        speaker.settle(LONG);
    }
}

fn seen(speaker: &Speaker<Paper>) -> Vec<String> {
    speaker.outbox.wire().lines()
}

const LONG: Duration = Duration::from_secs(20);

/// Waits until `speaker` has seen something that `fits`.
fn sees(speaker: &Speaker<Paper>, what: &str, fits: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + LONG;
    while !seen(speaker).iter().any(|line| fits(line)) {
        assert!(Instant::now() < deadline, "no {what} in {:?}", seen(speaker));
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn history_and_room_have_no_gap_and_nothing_twice() {
    let f = Fixture::new(5);
    let alice = f.enter("alice");
    let newcomers: Vec<_> = (0..200)
        .map(|n| {
            (0..7).for_each(|k| f.room.say(&alice, (7 * n + k).to_string()).unwrap());
            f.enter(&format!("n{n}"))
        })
        .collect();
    f.room.say(&alice, "1400".into()).unwrap();
    alice.settle(LONG);
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
    (0..1000).for_each(|n| f.room.say(&alice, format!("{n} {}", "x".repeat(3000))).unwrap());
    alice.settle(LONG);
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
    carol.settle(LONG);
    for n in 0..50 {
        f.room.say(&alice, format!("a{n}")).unwrap();
        f.room.say(&bob, format!("b{n}")).unwrap();
    }
    bob.settle(LONG);
    alice.settle(LONG);
    let expected = |names: &[&str]| {
        let lines = (0..50).flat_map(|n| [format!("alice: a{n}"), format!("bob: b{n}")]);
        lines.filter(|line| names.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>()
    };
    for (speaker, hears) in [(&alice, &["bob"][..]), (&bob, &["alice"]), (&carol, &["alice", "bob"])] {
        let said: Vec<_> = seen(speaker).into_iter().filter(|line| !line.starts_with('[')).collect();
        assert_eq!(said, expected(hears), "{}", speaker.name);
    }
}

#[test]
fn a_crowd_costs_few_lists_and_the_last_one_is_right() {
    let f = Fixture::new(0);
    let alice = f.enter("alice");
    let crowd: Vec<_> = (0..300).map(|n| f.enter(&format!("n{n:03}"))).collect();
    f.leave(&crowd[0]);
    let names: Vec<_> = (1..300).map(|n| format!("n{n:03}")).collect();
    let expected = format!("[USERS_LIST] alice,{}", names.join(","));
    let start = now();
    sees(&alice, "list of all", |line| line == expected);
    sees(&crowd[299], "list of all", |line| line == expected);
    let lists = seen(&alice).iter().filter(|line| line.starts_with("[USERS_LIST]")).count();
    // Its own, and then one each 200 ms as long as they came in.
    assert!(lists <= 4 + (now() - start) as usize / 200, "{lists} lists");
    let left = seen(&alice).iter().filter(|line| line.starts_with("[SERVER] n000 left (300 online)")).count();
    assert_eq!(left, 1);
    // Who has left hears nothing more.
    assert!(!seen(&crowd[0]).contains(&expected));
}

#[test]
fn a_departure_comes_after_the_last_message() {
    let f = Fixture::new(0);
    let (alice, bob) = (f.enter("alice"), f.enter("bob"));
    f.room.say(&alice, "last words".into()).unwrap();
    f.leave(&alice);
    let lines = seen(&bob);
    let at = |line: &str| lines.iter().position(|l| l == line).unwrap();
    assert!(at("alice: last words") < at("[SERVER] alice left (1 online)"), "{lines:?}");
}

#[test]
fn after_the_close_nothing_is_taken() {
    let f = Fixture::new(0);
    let alice = f.enter("alice");
    assert!(f.room.close(LONG));
    assert_eq!(f.room.say(&alice, "too late".into()), Err(Stopped));
    assert_eq!(f.room.leave(&alice), Err(Stopped));
}
