//! What a name and a password may be, and how a password is stored.

use super::AccountError;
use crate::store::PasswordHash;
use std::panic::resume_unwind;
use std::thread;

/// The longest name, in characters, which are bytes too.
pub const LONGEST_NAME: usize = 32;
/// The shortest password, in bytes.
pub const SHORTEST_PASSWORD: usize = 8;
/// The longest password, in bytes: bcrypt ignores what follows, so two
/// passwords that begin with the same 72 bytes would be the same.
pub const LONGEST_PASSWORD: usize = 72;
/// What bcrypt defines. Each step doubles the work; 4 takes about a
/// millisecond, which is for tests, 12 a quarter of a second, 31 two days.
pub const COSTS: std::ops::RangeInclusive<u32> = 4..=31;
/// Below this cost a server should warn: stolen hashes would be cheap to guess at.
pub const CHEAP_COST: u32 = 10;
/// The highest cost of an imported hash. A higher one would keep a processor busy
/// for many seconds each time that a client sends that name.
const HIGHEST_IMPORTED_COST: u32 = 16;

/// The name that the server's own lines begin with.
const RESERVED_NAME: &str = "server";

/// Checks that an account can have this name: 1 to 32 of A-Z, a-z, 0-9, `_`, `.`, `-`.
///
/// The letters are those of ASCII. With all of Unicode, two names could look the
/// same and be different, or be the same in one database and different in the
/// other.
///
/// # Errors
/// [`AccountError::BadName`].
pub fn check_name(name: &str) -> Result<(), AccountError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(AccountError::BadName)
}

/// Checks that a new account can have this name. Files are called after names,
/// so `..` and `-rf` are none; and `SERVER: …` would look like the server's own
/// line. Accounts that have such a name since before this rule can still log in.
///
/// # Errors
/// [`AccountError::BadName`], [`AccountError::BadFirstCharacter`], [`AccountError::NameTaken`].
pub fn check_new_name(name: &str) -> Result<(), AccountError> {
    check_name(name)?;
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(AccountError::BadFirstCharacter);
    }
    if name.eq_ignore_ascii_case(RESERVED_NAME) {
        return Err(AccountError::NameTaken);
    }
    Ok(())
}

/// Checks that a new account can have this password: 8 to 72 bytes, no NUL, and
/// no line end, since a password is sent as part of one line.
///
/// # Errors
/// [`AccountError::BadPassword`], [`AccountError::PasswordWithLineEnd`].
pub fn check_password(password: &str) -> Result<(), AccountError> {
    check_one_line(password)?;
    if password.len() >= SHORTEST_PASSWORD && readable_by_bcrypt(password) {
        return Ok(());
    }
    Err(AccountError::BadPassword)
}

/// Checks that a password can be sent to a server: what stands after a line end
/// would be the next line, and no part of the password.
///
/// # Errors
/// [`AccountError::PasswordWithLineEnd`].
pub fn check_one_line(password: &str) -> Result<(), AccountError> {
    if password.contains(['\n', '\r']) { Err(AccountError::PasswordWithLineEnd) } else { Ok(()) }
}

/// Returns `true` if bcrypt reads all of it. bcrypt repeats the password and the
/// NUL that ends it over and over, so that `a` and `a\0a` are the same to it; and
/// it stops after 72 bytes.
pub(super) fn readable_by_bcrypt(password: &str) -> bool {
    password.len() <= LONGEST_PASSWORD && !password.contains('\0')
}

/// The hash to store for a password that [`check_password`] let pass.
///
/// # Panics
/// When `cost` is outside [`COSTS`].
pub fn hash(password: &str, cost: u32) -> PasswordHash {
    // Not `non_truncating_hash`, which counts the NUL after the password too
    // and so refuses 72 bytes, which bcrypt does read. We have checked.
    let hash = bcrypt::hash(password, cost).expect("the cost is within bcrypt's bounds");
    PasswordHash(hash)
}

/// Runs `hash` in a thread of its own that gives way to all others. A hash keeps a
/// processor busy for a quarter of a second. A line of the chat that comes meanwhile would
/// wait until the time slice of the hash ends. Not in the login's thread: a thread cannot
/// take its priority back (`man 2 nice`), and the client's reader thread inherits it.
pub(super) fn at_low_priority<T: Send>(hash: impl Fn() -> T + Sync) -> T {
    let low = || {
        // With an error it keeps its priority, and that is all.
        let _ = rustix::process::nice(10);
        hash()
    };
    thread::scope(|scope| match thread::Builder::new().name("hash".into()).spawn_scoped(scope, low) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        // The system has no thread left.
        Err(_) => hash(),
    })
}

/// Checks that a hash from elsewhere can be imported: `$2a$`, `$2b$` or `$2y$`, a
/// cost from 4 to 16, and 53 characters more. (The library also reads `$2x$`, which a
/// faulty program made.)
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_hash(hash: &str) -> Result<(), String> {
    let parts: bcrypt::HashParts = hash.parse().map_err(|e| format!("no bcrypt hash: {e}"))?;
    let kind = ["$2a$", "$2b$", "$2y$"].iter().find_map(|kind| hash.strip_prefix(kind));
    if !kind.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        return Err("expected a hash that begins with $2a$, $2b$ or $2y$ and a cost".to_owned());
    }
    let costs = *COSTS.start()..=HIGHEST_IMPORTED_COST;
    if !costs.contains(&parts.get_cost()) {
        return Err(format!("cost {} is not from {} to {}", parts.get_cost(), costs.start(), costs.end()));
    }
    Ok(())
}

/// The hash that a password for an unknown name is compared with. It takes as long
/// to verify as any other of its cost.
pub(super) fn dummy_hash(cost: u32) -> PasswordHash {
    // A salt and a hash of nothing but zero bits.
    PasswordHash(format!("$2b${cost:02}${}", ".".repeat(53)))
}
