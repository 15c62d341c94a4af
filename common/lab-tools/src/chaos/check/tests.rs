//! Wrong histories: each is what a server with one bug would leave behind.

use super::*;

fn strings(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn session(user: &str, shown: &[&str], sent: &[&str]) -> Session {
    let [shown, sent] = [shown, sent].map(strings);
    let list = strings(&["alice", "bob"]);
    Session { user: user.to_owned(), server: 1, shown, sent, is_open: true, list, ..Session::default() }
}

/// alice and bob have said two lines each.
fn good() -> History {
    let alice = session("alice", &["bob: line 1", "bob: line 2"], &["alice: line 1", "alice: line 2"]);
    let bob = session("bob", &["alice: line 1", "alice: line 2"], &["bob: line 1", "bob: line 2"]);
    let database = strings(&["alice: line 1", "bob: line 1", "bob: line 2", "alice: line 2"]);
    History { database, sessions: vec![alice, bob], returning: strings(&["alice"]), ..History::default() }
}

/// The names of what `change` breaks.
fn breaks(change: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = good();
    change(&mut history);
    let mut names: Vec<_> = lines(&history).iter().chain(&presence(&history)).map(|v| v.rule.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn a_right_history_breaks_nothing() {
    assert_eq!(breaks(|_| {}), [""; 0]);
    // A connection that ended has seen a beginning, and what it said last may be lost.
    let nothing = breaks(|history| {
        history.sessions[1].shown.pop();
        history.sessions[1].is_open = false;
        history.sessions[1].sent.push("bob: line 3".to_owned());
        history.sessions[0].list.pop();
    });
    assert_eq!(nothing, [""; 0]);
    // A line that was refused, and its sender was told.
    let nothing = breaks(|history| {
        history.sessions[0].sent.push("alice: line 3".to_owned());
        history.sessions[0].refused = 1;
    });
    assert_eq!(nothing, [""; 0]);
}

#[test]
fn a_lost_line_is_reported() {
    assert_eq!(breaks(|history| drop(history.sessions[0].shown.remove(0))), [rules::NOT_SHOWN.name]);
    assert_eq!(breaks(|history| drop(history.sessions[0].shown.pop())), [rules::NOT_SHOWN.name]);
    let gap = |history: &mut History| {
        history.sessions[0].is_open = false;
        history.sessions[0].shown.remove(0);
        history.sessions[1].list.remove(0);
        history.returning.clear();
    };
    assert_eq!(breaks(gap), [rules::NOT_SHOWN.name], "a gap, though the connection has ended");
    let lost = |history: &mut History| history.sessions[0].sent.push("alice: line 3".to_owned());
    assert_eq!(breaks(lost), [rules::LOST.name]);
}

#[test]
fn a_line_between_the_history_at_the_login_and_what_follows_is_not_to_be_missing() {
    let missing = |history: &mut History| {
        let late =
            Session { earlier: strings(&["alice: line 1"]), ..session("alice", &["alice: line 2"], &[]) };
        history.sessions[0] = late;
    };
    assert_eq!(breaks(missing), [rules::NOT_SHOWN.name]);
}

#[test]
fn a_doubled_line_is_reported() {
    assert_eq!(
        breaks(|history| history.sessions[0].shown.push("bob: line 2".to_owned())),
        [rules::SHOWN_TWICE.name]
    );
    assert_eq!(breaks(|history| history.database.push("bob: line 2".to_owned())), [rules::STORED_TWICE.name]);
}

#[test]
fn a_disagreement_in_order_is_reported() {
    assert_eq!(breaks(|history| history.sessions[0].shown.swap(0, 1)), [rules::DISAGREEMENT.name]);
    let names = breaks(|history| {
        history.database.swap(1, 2);
        history.sessions[0].shown.swap(0, 1);
    });
    assert_eq!(names, [rules::ORDER.name]);
}

#[test]
fn a_line_that_is_shown_and_not_in_the_database_is_reported() {
    // Announced before the commit, which failed: as if it had been invented.
    let names = breaks(|history| history.sessions[0].shown.push("bob: line 3".to_owned()));
    assert_eq!(names, [rules::NOT_STORED.name]);
}

#[test]
fn a_refused_line_that_is_stored_is_reported() {
    assert_eq!(breaks(|history| history.sessions[0].refused = 1), [rules::REFUSED.name]);
}

#[test]
fn who_is_there_is_checked() {
    let ghost = |history: &mut History| history.sessions[0].list.push("carol".to_owned());
    assert_eq!(breaks(ghost), [rules::GHOST.name]);
    let twice = |history: &mut History| {
        let again = history.sessions[0].clone();
        history.sessions.push(again);
    };
    assert_eq!(breaks(twice), [rules::TWO_HOLDERS.name]);
    let listed_twice = |history: &mut History| history.sessions[0].list.push("bob".to_owned());
    assert_eq!(breaks(listed_twice), [rules::TWO_HOLDERS.name]);
    assert_eq!(breaks(|history| drop(history.sessions[0].list.pop())), [rules::UNLISTED.name]);
    assert_eq!(breaks(|history| history.sessions[0].list.clear()), [rules::NO_ANSWER.name]);
    let away = |history: &mut History| history.returning.push("dave".to_owned());
    assert_eq!(breaks(away), [rules::AWAY.name]);
    assert_eq!(breaks(|history| history.declared_dead = 1), [rules::WRONGLY_DEAD.name]);
}

#[test]
fn what_users_are_told_of_redis_is_checked() {
    let told = |what: &[bool]| {
        let what = what.to_vec();
        breaks(|history| history.sessions[0].redis_away = what)
    };
    assert_eq!(told(&[true, false, true, false]), [""; 0]);
    // It came in while Redis was away.
    assert_eq!(told(&[false]), [""; 0]);
    assert_eq!(told(&[true, true, false]), [rules::TOLD_TWICE.name]);
    assert_eq!(told(&[true]), [rules::NOT_TOLD.name]);
}

#[test]
fn a_connection_that_ends_needs_a_reason() {
    // bob's server is server-1; its connection ended at 2 s, and what it had not seen is nothing.
    let ended = |place: &str, may_disconnect: bool, begins: Millis| {
        let (place, what) = (place.to_owned(), String::new());
        let fault = DoneFault { number: 1, place, may_disconnect, what, begins, ends: 9000 };
        breaks(|history| {
            history.faults.push(fault);
            history.sessions[1].is_open = false;
            history.sessions[1].ends = Some(2000);
            history.sessions[0].list.pop();
        })
    };
    assert_eq!(ended("server-1", true, 1000), [""; 0]);
    assert_eq!(ended("MariaDB", true, 1000), [""; 0]);
    assert_eq!(ended("server-2", true, 1000), [rules::DISCONNECTED.name]);
    assert_eq!(ended("Redis", false, 1000), [rules::DISCONNECTED.name]);
    assert_eq!(ended("server-1", true, 3000), [rules::DISCONNECTED.name], "it came later");
    // Another user of the same name may have come in.
    let taken = breaks(|history| {
        history.sessions[1].is_open = false;
        history.sessions[1].ends = Some(2000);
        history.sessions[0].list.pop();
        history.shared_names.push("bob".to_owned());
    });
    assert_eq!(taken, [""; 0]);
}
