//! Threads that log in at once: check-then-act.
//!
//! alice knows her password, bob does not. The rule is one session for each name.
//! First a thread checks the rule, unlocks, locks again and acts; then it checks and
//! acts in one step.
//!
//! The table holds the passwords as they are, because the lesson is about threads.
//! A real table holds slow hashes: stage 6.

use super::side_channel::constant_time;
use super::{row, section, title, together};
use common::poison::IgnorePoison;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::{Barrier, Mutex, MutexGuard};

/// Name and password, as registered.
const ACCOUNTS: [(&str, &str); 2] = [("alice", "looking-glass"), ("bob", "can-we-fix-it")];

/// What can be changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Threads for each of the two names when many log in
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=32))]
    pub threads: u8,
}

/// Why a login fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LoginError {
    /// One error for both, or an attacker could find out which names exist.
    #[error("wrong name or password")]
    WrongNameOrPassword,
    /// One session per name.
    #[error("already logged in")]
    AlreadyLoggedIn,
}

/// The result of one login, with its name.
pub type Login = (&'static str, Result<(), LoginError>);

/// The figures of all parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// alice and bob, once each.
    pub pair: Vec<Login>,
    /// Many logins, checked and then acted upon: sessions of alice.
    pub check_then_act_sessions: usize,
    /// Many logins, checked and acted upon in one step: sessions of alice.
    pub one_step_sessions: usize,
    /// The same: how many were refused, and why.
    pub refused: BTreeMap<LoginError, usize>,
}

/// The names that are logged in. Shared by all threads of the experiment; the lock is
/// held for one look or one insertion only.
#[derive(Default)]
struct Sessions(Mutex<HashSet<String>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().ignore_poison()
    }

    /// Checks, unlocks, locks again and acts. `between` runs while it is unlocked.
    fn log_in_check_then_act(
        &self,
        name: &str,
        password: &str,
        between: impl Fn(),
    ) -> Result<(), LoginError> {
        check_password(name, password)?;
        let free = !self.lock().contains(name);
        between();
        if !free {
            return Err(LoginError::AlreadyLoggedIn);
        }
        self.lock().insert(name.to_owned());
        Ok(())
    }

    /// Checks and acts in one step: `insert` returns `true` if the name was new.
    fn log_in(&self, name: &str, password: &str) -> Result<(), LoginError> {
        // Before the lock: in stage 6 this takes a quarter of a second, and no login
        // shall wait for the password of another one.
        check_password(name, password)?;
        if self.lock().insert(name.to_owned()) { Ok(()) } else { Err(LoginError::AlreadyLoggedIn) }
    }
}

fn check_password(name: &str, password: &str) -> Result<(), LoginError> {
    let known = ACCOUNTS.iter().find(|(known, _)| *known == name);
    // The password of an unknown name is compared too: the time tells nothing.
    let expected = known.map_or("", |(_, password)| *password);
    let (equal, _) = constant_time(expected.as_bytes(), password.as_bytes());
    if known.is_some() && equal { Ok(()) } else { Err(LoginError::WrongNameOrPassword) }
}

/// Logs in two users, then many at once: check-then-act, and both in one step.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let each = usize::from(options.threads);
    title(
        out,
        "login",
        &[
            "alice (right password) and bob (wrong password) log in at the same time, each in a thread.",
            &format!("Then {each} threads for each of the two do. The rule: one session for each name."),
        ],
    )?;
    section(out, "What happened", &[])?;
    let sessions = Sessions::default();
    let pair = log_in_all(1, |name, password| sessions.log_in(name, password))?;
    for (name, result) in &pair {
        row(out, name, describe(result))?;
    }
    let (sessions, meeting) = (Sessions::default(), Barrier::new(each));
    let check_then_act = log_in_all(each, |name, password| {
        sessions.log_in_check_then_act(name, password, || {
            meeting.wait();
        })
    })?;
    let check_then_act_sessions = sessions_of_alice(&check_then_act);
    row(
        out,
        "check, then act: sessions of alice",
        format_args!("{check_then_act_sessions}, one is allowed"),
    )?;
    let sessions = Sessions::default();
    let one_step = log_in_all(each, |name, password| sessions.log_in(name, password))?;
    let one_step_sessions = sessions_of_alice(&one_step);
    row(out, "check and act in one: sessions of alice", one_step_sessions)?;
    let mut refused = BTreeMap::new();
    for reason in one_step.into_iter().filter_map(|(_, result)| result.err()) {
        *refused.entry(reason).or_default() += 1;
    }
    for (reason, times) in &refused {
        row(out, &format!("  refused, {reason}"), times)?;
    }
    explain(out)?;
    Ok(Outcome { pair, check_then_act_sessions, one_step_sessions, refused })
}

fn explain(out: &mut impl Write) -> io::Result<()> {
    section(
        out,
        "Why",
        &[
            "Two logins with different names share the table and do no harm to each other. Two with the",
            "same name do, if the answer to \"is the name free?\" is no longer true when the thread acts.",
            "The window is held open here until all of alice's threads have asked. Each access was under",
            "the lock, but the lock was released between check and act. The cure is one step that does",
            "both: `insert` says whether the name was new. bob learns only that the name or the password",
            "was wrong, not which of them.",
        ],
    )
}

fn describe(result: &Result<(), LoginError>) -> String {
    result.map_or_else(|refused| format!("refused: {refused}"), |()| "logged in".into())
}

/// `each` threads that log in as alice, and as many as bob with a wrong password.
fn log_in_all(
    each: usize,
    log_in: impl Fn(&str, &str) -> Result<(), LoginError> + Sync,
) -> io::Result<Vec<Login>> {
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
            assert_eq!(check_password(name, password), Err(LoginError::WrongNameOrPassword), "{name}");
        }
        assert_eq!(check_password("bob", "can-we-fix-it"), Ok(()));
    }
}
