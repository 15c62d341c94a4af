//! Threads that log in at once: check-then-act.
//!
//! alice knows her password, bob does not. The rule "one session per name" is
//! first checked and then acted upon, each under a lock, but not the same one;
//! then both in one go.
//!
//! The passwords stand in the table as they are, because the lesson is about
//! threads. A real table holds slow hashes: stage 6.

use super::side_channel::constant_time;
use super::{row, section, title, together};
use common::poison::IgnorePoison;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::{Barrier, Mutex, MutexGuard};

/// Name and password, as registered.
const ACCOUNTS: [(&str, &str); 2] = [("alice", "looking-glass"), ("bob", "can-we-fix-it")];

/// What can be turned.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Threads for each of the two names in the crowd
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=32))]
    pub threads: u8,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    /// The same for both, or one could ask which names exist.
    #[error("wrong name or password")]
    WrongNameOrPassword,
    /// One session per name.
    #[error("already logged in")]
    AlreadyLoggedIn,
}

/// What one login came to: the name, and whether it was let in.
pub type Login = (&'static str, Result<(), Refused>);

/// The figures of all parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// alice and bob, once each.
    pub pair: Vec<Login>,
    /// Crowd at the careless door: sessions of alice.
    pub careless_sessions: usize,
    /// Crowd at the careful door: sessions of alice.
    pub careful_sessions: usize,
    /// Crowd at the careful door: how many were refused, and why.
    pub refused: BTreeMap<Refused, usize>,
}

/// Who is logged in. Shared by all threads that log somebody in; held for a
/// look or an insertion only. Poison: a panic in between leaves a whole set.
#[derive(Default)]
struct Sessions(Mutex<HashSet<String>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().ignore_poison()
    }

    /// Checks, lets go of the lock, and then acts. `between` runs there.
    fn log_in_careless(&self, name: &str, password: &str, between: impl Fn()) -> Result<(), Refused> {
        check_password(name, password)?;
        let free = !self.lock().contains(name);
        between();
        if !free {
            return Err(Refused::AlreadyLoggedIn);
        }
        self.lock().insert(name.to_owned());
        Ok(())
    }

    /// Checks and acts in one step: `insert` tells whether the name was new.
    fn log_in(&self, name: &str, password: &str) -> Result<(), Refused> {
        // Before the lock: in stage 6 this takes a quarter of a second, and
        // nobody shall wait for somebody else's password.
        check_password(name, password)?;
        if self.lock().insert(name.to_owned()) { Ok(()) } else { Err(Refused::AlreadyLoggedIn) }
    }
}

fn check_password(name: &str, password: &str) -> Result<(), Refused> {
    let known = ACCOUNTS.iter().find(|(known, _)| *known == name);
    // An unknown name is compared too, with what nobody has: the time tells nothing.
    let expected = known.map_or("", |(_, password)| *password);
    let (equal, _) = constant_time(expected.as_bytes(), password.as_bytes());
    if known.is_some() && equal { Ok(()) } else { Err(Refused::WrongNameOrPassword) }
}

/// Logs in a pair, then a crowd at a careless door and at a careful one.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let each = usize::from(options.threads);
    title(
        out,
        "login",
        &[
            "alice (right password) and bob (wrong password) log in at the same time, a thread each.",
            &format!("Then a crowd does: {each} threads for each of the two. Rule: one session per name."),
        ],
    )?;
    section(out, "What happened", &[])?;
    let sessions = Sessions::default();
    let pair = crowd(1, |name, password| sessions.log_in(name, password))?;
    for (name, result) in &pair {
        row(out, name, describe(result))?;
    }
    let (sessions, meeting) = (Sessions::default(), Barrier::new(each));
    let careless = crowd(each, |name, password| {
        sessions.log_in_careless(name, password, || {
            meeting.wait();
        })
    })?;
    let careless_sessions = sessions_of_alice(&careless);
    row(out, "check, then act: sessions of alice", format_args!("{careless_sessions}, one is allowed"))?;
    let sessions = Sessions::default();
    let careful = crowd(each, |name, password| sessions.log_in(name, password))?;
    let careful_sessions = sessions_of_alice(&careful);
    row(out, "check and act in one: sessions of alice", careful_sessions)?;
    let mut refused = BTreeMap::new();
    for reason in careful.into_iter().filter_map(|(_, result)| result.err()) {
        *refused.entry(reason).or_default() += 1;
    }
    for (reason, times) in &refused {
        row(out, &format!("  refused, {reason}"), times)?;
    }
    explain(out)?;
    Ok(Outcome { pair, careless_sessions, careful_sessions, refused })
}

fn explain(out: &mut impl Write) -> io::Result<()> {
    section(
        out,
        "Why",
        &[
            "Two logins of different people share the table and do each other no harm. Two of the same",
            "name do, when the answer to \"is the name free?\" is outdated before it is acted upon: the",
            "window is held open here until all of alice's threads have asked. Every lock was held, and",
            "let go of too early. The cure is one step that checks and acts: `insert` says whether",
            "the name was new. bob is told no more than that it was the name or the password.",
        ],
    )
}

fn describe(result: &Result<(), Refused>) -> String {
    result.map_or_else(|refused| format!("refused: {refused}"), |()| "logged in".into())
}

/// `each` threads that log in as alice, and as many as bob with a wrong password.
fn crowd(each: usize, log_in: impl Fn(&str, &str) -> Result<(), Refused> + Sync) -> io::Result<Vec<Login>> {
    together(each * 2, |thread| {
        let (name, password) =
            if thread.is_multiple_of(2) { ACCOUNTS[0] } else { (ACCOUNTS[1].0, "no-we-can-not") };
        (name, log_in(name, password))
    })
}

fn sessions_of_alice(logins: &[Login]) -> usize {
    logins.iter().filter(|(name, result)| *name == "alice" && result.is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_as_a_wrong_password_is() {
        let wrong = [("carol", "looking-glass"), ("carol", ""), ("bob", "looking-glass"), ("alice", "")];
        for (name, password) in wrong {
            assert_eq!(check_password(name, password), Err(Refused::WrongNameOrPassword), "{name}");
        }
        assert_eq!(check_password("bob", "can-we-fix-it"), Ok(()));
    }
}
