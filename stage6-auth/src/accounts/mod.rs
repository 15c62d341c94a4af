//! Accounts: who may come in.
//!
//! A password is stored as its bcrypt hash: slow to compute by design, so that
//! whoever steals the table can try a few guesses a second and not billions.
//! That cost falls on the server too, at each login. So only as many hashes as
//! there are processors are computed at once, in the order of arrival
//! ([`Semaphore`]): a flood of logins makes other logins wait and leaves the chat be.

mod login_limiter;

use crate::semaphore::{Permit, Semaphore};
use crate::store::{NewUser, PasswordHash, Store, StoreError, User, name_key};
use login_limiter::LoginLimiter;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// The longest name, in characters, which are bytes too.
pub const LONGEST_NAME: usize = 32;
/// The shortest password, in bytes.
pub const SHORTEST_PASSWORD: usize = 8;
/// The longest password, in bytes: bcrypt reads no more, and would take any
/// two passwords for the same that begin with the same 72 bytes.
pub const LONGEST_PASSWORD: usize = 72;
/// What bcrypt defines. Each step doubles the work; 4 takes about a
/// millisecond, which is for tests, 12 a quarter of a second, 31 two days.
pub const COSTS: std::ops::RangeInclusive<u32> = 4..=31;
/// Below this cost a server should warn: stolen hashes would be cheap to guess at.
pub const CHEAP_COST: u32 = 10;
/// The dearest imported hash. A dearer one would occupy a processor for many
/// seconds whenever anybody types that name.
const DEAREST_IMPORT: u32 = 16;

/// Why somebody was not let in. The text is for the one who tried.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Not a possible name.
    #[error("a name has 1 to 32 of the characters A-Z a-z 0-9 _ . -")]
    BadName,
    /// Not a possible password.
    #[error("a password has 8 to 72 bytes and no NUL")]
    BadPassword,
    /// Registered already, maybe in another case.
    #[error("name already taken")]
    NameTaken,
    /// Which of the two is nobody's business: an answer of its own for unknown
    /// names would tell a guesser which names are worth guessing at.
    #[error("wrong name or password")]
    WrongNameOrPassword,
    /// So many logins wait that this one's time ran out.
    #[error("too many logins at once, try again later")]
    Busy,
    /// The database is away. Its own text is for the log.
    #[error("accounts are out of reach, try again later")]
    Store(#[from] StoreError),
}

/// Registration and login.
pub struct Accounts {
    store: Arc<dyn Store>,
    cost: u32,
    hashing: Semaphore,
    limiter: LoginLimiter,
}

impl Accounts {
    /// `cost` is bcrypt's, within [`COSTS`]; `login_rate` is how many failed
    /// logins a minute are allowed per address and per name (0: any number).
    ///
    /// # Panics
    /// When `cost` is outside [`COSTS`].
    pub fn new(store: Arc<dyn Store>, cost: u32, login_rate: u32) -> Self {
        assert!(COSTS.contains(&cost), "bcrypt knows no cost {cost}");
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Accounts { store, cost, hashing: Semaphore::new(processors), limiter: LoginLimiter::new(login_rate) }
    }

    /// Makes an account. Blocks for as long as a hash takes, and its turn.
    ///
    /// # Errors
    /// [`AuthError`], never `WrongNameOrPassword`.
    pub fn register(&self, name: &str, password: &str, deadline: Instant) -> Result<User, AuthError> {
        check_name(name)?;
        check_password(password)?;
        // Only to spare the work: the table decides, should two come at once.
        if self.store.user(name)?.is_some() {
            return Err(AuthError::NameTaken);
        }
        let password = {
            let _turn = self.hashing.acquire(deadline).ok_or(AuthError::Busy)?;
            hash(password, self.cost)
        };
        match self.store.add_users(&[NewUser { name: name.to_owned(), password }]) {
            Err(StoreError::NameTaken(_)) => Err(AuthError::NameTaken),
            Err(error) => Err(error.into()),
            Ok(()) => self.store.user(name)?.ok_or(AuthError::Busy),
        }
    }

    /// Lets in who knows the name's password. Blocks for as long as a hash
    /// takes, and its turn; longer for an address or a name with many failures
    /// of late. `from` is the client's address.
    ///
    /// # Errors
    /// [`AuthError`]; `WrongNameOrPassword` too when the turn would have come
    /// only after `deadline`.
    pub fn login(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
        deadline: Instant,
    ) -> Result<User, AuthError> {
        let user = if check_name(name).is_ok() { self.store.user(name)? } else { None };
        let key = name_key(name);
        let _turn = self.turn(&key, from, deadline)?;
        // An unknown name costs the same work as a wrong password, or the time
        // would tell what the answer does not. (Users imported with another
        // cost than this server's can still be told by it.)
        let nobody = dummy_hash(self.cost);
        let hash = user.as_ref().map_or(&nobody, |user| &user.password);
        let matches = bcrypt::verify(password, &hash.0).unwrap_or(false);
        // Behind the work for the same reason. What bcrypt would cut or read
        // as something else never matches.
        match user {
            Some(user) if matches && readable_by_bcrypt(password) => Ok(user),
            _ => {
                self.limiter.failed(from, &key, Instant::now());
                Err(AuthError::WrongNameOrPassword)
            }
        }
    }

    /// The right to compute, once nothing speaks against it any more.
    ///
    /// Failures are counted by those who hold such a right. So at most as many
    /// guesses as there are processors can slip in beyond the allowed number,
    /// however many connections a guesser opens at once. The waiting itself
    /// happens outside, where it is in nobody's way.
    fn turn(&self, key: &str, from: IpAddr, deadline: Instant) -> Result<Permit, AuthError> {
        loop {
            let turn = self.hashing.acquire(deadline).ok_or(AuthError::Busy)?;
            let now = Instant::now();
            let wait = self.limiter.wait(from, key, now);
            if wait.is_zero() {
                return Ok(turn);
            }
            drop(turn);
            let left = deadline.saturating_duration_since(now);
            thread::sleep(wait.min(left));
            if wait >= left {
                return Err(AuthError::WrongNameOrPassword);
            }
        }
    }
}

/// Whether a name can be registered: 1 to 32 of A-Z, a-z, 0-9, `_`, `.`, `-`.
///
/// The letters are those of ASCII, for with all of Unicode two names could
/// look the same and be different, and could be the same in one database and
/// different in the other.
///
/// # Errors
/// [`AuthError::BadName`].
pub fn check_name(name: &str) -> Result<(), AuthError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(AuthError::BadName)
}

/// Whether a password can be registered: 8 to 72 bytes, none of them NUL.
///
/// # Errors
/// [`AuthError::BadPassword`].
pub fn check_password(password: &str) -> Result<(), AuthError> {
    if password.len() >= SHORTEST_PASSWORD && readable_by_bcrypt(password) {
        return Ok(());
    }
    Err(AuthError::BadPassword)
}

/// bcrypt repeats the password and the NUL that ends it over and over, so that
/// `a` and `a\0a` are the same to it; and it stops after 72 bytes.
fn readable_by_bcrypt(password: &str) -> bool {
    password.len() <= LONGEST_PASSWORD && !password.contains('\0')
}

/// The hash to store for a password that [`check_password`] let pass.
///
/// # Panics
/// When `cost` is outside [`COSTS`].
pub fn hash(password: &str, cost: u32) -> PasswordHash {
    // Not `non_truncating_hash`, which counts the NUL behind the password too
    // and so refuses 72 bytes, which bcrypt does read. We have checked.
    let hash = bcrypt::hash(password, cost).expect("the cost is within bcrypt's bounds");
    PasswordHash(hash)
}

/// Whether a hash from elsewhere can be imported.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_hash(hash: &str) -> Result<(), String> {
    let parts: bcrypt::HashParts = hash.parse().map_err(|e| format!("no bcrypt hash: {e}"))?;
    // The library also reads $2x$, which marks hashes made by a faulty program.
    let kind = ["$2a$", "$2b$", "$2y$"].iter().find_map(|kind| hash.strip_prefix(kind));
    if !kind.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        return Err("expected a hash that begins with $2a$, $2b$ or $2y$ and a cost".to_owned());
    }
    let costs = *COSTS.start()..=DEAREST_IMPORT;
    if !costs.contains(&parts.get_cost()) {
        return Err(format!("cost {} is not from {} to {}", parts.get_cost(), costs.start(), costs.end()));
    }
    Ok(())
}

/// A hash that takes as long to verify as any other of its cost.
fn dummy_hash(cost: u32) -> PasswordHash {
    // A salt and a hash of nothing but zero bits.
    PasswordHash(format!("$2b${cost:02}${}", ".".repeat(53)))
}

#[cfg(test)]
mod tests;
