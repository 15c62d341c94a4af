//! The promises, held against a history.

pub mod rules;

use super::history::{DoneFault, History, Line, Millis, Session};
use rules::Rule;
use std::collections::{HashMap, HashSet};

/// A promise that was broken, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: &'static Rule,
    /// Where.
    pub detail: String,
    /// The line that it is about.
    pub line: Option<Line>,
}

fn violation(rule: &'static Rule, detail: String) -> Violation {
    Violation { rule, detail, line: None }
}

fn of_line(rule: &'static Rule, line: &Line, detail: String) -> Violation {
    Violation { rule, detail, line: Some(line.clone()) }
}

/// What can be said before users ask for lists: P1 to P3.
pub fn lines(history: &History) -> Vec<Violation> {
    let mut found = in_database(&history.database);
    // A line that is stored twice counts where it came first.
    let mut places = HashMap::new();
    for (place, line) in history.database.iter().enumerate() {
        places.entry(line).or_insert(place);
    }
    for session in &history.sessions {
        found.extend(shown(session, &history.database, &places));
        found.extend(sent(session, &places));
    }
    for user in &history.returning {
        if !open(history).any(|session| session.user == *user) {
            found.push(violation(&rules::AWAY, user.clone()));
        }
    }
    found
}

/// Who is there, and whether users know of Redis: P4 to P6.
pub fn presence(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut holders: HashMap<&str, usize> = HashMap::new();
    open(history).for_each(|session| *holders.entry(&session.user).or_default() += 1);
    for (name, count) in holders.iter().filter(|(_, count)| **count > 1) {
        found.push(violation(&rules::TWO_HOLDERS, format!("{name} has {count} connections")));
    }
    for session in open(history) {
        if session.redis_away.last() == Some(&true) {
            found.push(violation(&rules::NOT_TOLD, describe(session)));
        }
        if session.list.is_empty() {
            found.push(violation(&rules::NO_ANSWER, describe(session)));
            continue;
        }
        let listed: HashSet<&str> = session.list.iter().map(String::as_str).collect();
        let at = |name: &str| format!("{name}, in the list of {}", describe(session));
        if listed.len() < session.list.len() {
            found.push(violation(&rules::TWO_HOLDERS, at(&session.list.join(","))));
        }
        for name in listed.iter().filter(|name| !holders.contains_key(**name)) {
            found.push(violation(&rules::GHOST, at(name)));
        }
        for name in holders.keys().filter(|name| !listed.contains(**name)) {
            found.push(violation(&rules::UNLISTED, at(name)));
        }
    }
    for session in &history.sessions {
        if session.redis_away.windows(2).any(|told| told[0] == told[1]) {
            found.push(violation(&rules::TOLD_TWICE, describe(session)));
        }
        if session.ends.is_some_and(|end| ends_for_no_reason(session, end, history)) {
            found.push(violation(&rules::DISCONNECTED, describe(session)));
        }
    }
    if history.declared_dead > 0 && !history.may_declare_dead {
        found.push(violation(&rules::WRONGLY_DEAD, format!("{} times", history.declared_dead)));
    }
    found
}

/// Nothing had been done by then to its server, or to its link, or to the database.
fn ends_for_no_reason(session: &Session, end: Millis, history: &History) -> bool {
    let server = format!("server-{}", session.server);
    let concerns = |fault: &DoneFault| fault.place == server || fault.place == "MariaDB";
    let reason = |fault: &DoneFault| fault.may_disconnect && fault.begins <= end && concerns(fault);
    !history.shared_names.contains(&session.user) && !history.faults.iter().any(reason)
}

fn open(history: &History) -> impl Iterator<Item = &Session> {
    history.sessions.iter().filter(|session| session.is_open)
}

fn describe(session: &Session) -> String {
    format!("{} on server-{} (connection {})", session.user, session.server, session.number)
}

/// Each line once, and those of a sender in the order of their numbers.
fn in_database(database: &[Line]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut last: HashMap<&str, u64> = HashMap::new();
    for line in database {
        if !seen.insert(line) {
            found.push(of_line(&rules::STORED_TWICE, line, line.clone()));
            continue;
        }
        let Some((sender, number)) = numbered(line) else { continue };
        if let Some(before) = last.insert(sender, number).filter(|before| *before > number) {
            found.push(of_line(&rules::ORDER, line, format!("{line:?} comes after number {before}")));
        }
    }
    found
}

/// `alice: line 17` is alice's number 17.
fn numbered(line: &str) -> Option<(&str, u64)> {
    let (sender, text) = line.split_once(": ")?;
    Some((sender, text.strip_prefix("line ")?.parse().ok()?))
}

/// What a session was shown is the history from some place on, without what it said
/// itself; an open one was shown all of it.
fn shown(session: &Session, database: &[Line], places: &HashMap<&Line, usize>) -> Vec<Violation> {
    let mut found = Vec::new();
    let at = |line: &Line| format!("{line:?}, by {}", describe(session));
    let own: HashSet<&Line> = session.sent.iter().collect();
    let mut seen = HashSet::new();
    let mut last: Option<usize> = None;
    for line in session.earlier.iter().chain(&session.shown) {
        let Some(&place) = places.get(line) else {
            found.push(of_line(&rules::NOT_STORED, line, at(line)));
            continue;
        };
        if !seen.insert(line) {
            found.push(of_line(&rules::SHOWN_TWICE, line, at(line)));
        } else if last.is_some_and(|last| place < last) {
            found.push(of_line(&rules::DISAGREEMENT, line, at(line)));
        }
        last = Some(last.unwrap_or(0).max(place));
    }
    // Without an earlier line nothing had been said when it came in.
    let first = session.earlier.first().and_then(|line| places.get(line)).copied().unwrap_or(0);
    let end = if session.is_open { database.len() } else { last.map_or(0, |last| last + 1) };
    let missing = database.iter().take(end).skip(first);
    let missing = missing.filter(|line| !own.contains(line) && !seen.contains(line));
    found.extend(missing.map(|line| of_line(&rules::NOT_SHOWN, line, at(line))));
    found
}

/// What was said on a connection that stayed is stored, or its sender was told.
fn sent(session: &Session, places: &HashMap<&Line, usize>) -> Option<Violation> {
    let stored = session.sent.iter().filter(|line| places.contains_key(line)).count();
    let (all, answered) = (session.sent.len(), stored + session.refused);
    let detail =
        || format!("{}: {all} sent, {stored} stored, {} refused", describe(session), session.refused);
    match answered.cmp(&all) {
        std::cmp::Ordering::Greater => Some(violation(&rules::REFUSED, detail())),
        std::cmp::Ordering::Less if session.is_open => Some(violation(&rules::LOST, detail())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
