//! Accounts: who may log in.
//!
//! A password is stored as its bcrypt hash, which is slow to compute by design:
//! a thief of the table can try a few guesses a second and not billions. That
//! cost falls on the server too, at each login. So only as many hashes as there
//! are processors are computed at once, and the [`HashQueue`] sees to it that
//! no address keeps the others waiting. The chat itself waits for none of it.

mod credentials;
mod hash_queue;
mod login_limiter;
mod origin;

pub use credentials::{
    CHEAP_COST, COSTS, LONGEST_NAME, LONGEST_PASSWORD, SHORTEST_PASSWORD, check_hash, check_name,
    check_new_name, check_one_line, check_password, hash,
};

use crate::store::{NewUser, Store, StoreError, User, name_key};
use credentials::{at_low_priority, dummy_hash, readable_by_bcrypt};
use hash_queue::{HashQueue, Purpose};
use origin::Origin;
pub use origin::network_prefix;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// Why a login or a registration failed. The text is for the client.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Not a possible name.
    #[error("a name has 1 to 32 of the characters A-Z a-z 0-9 _ . -")]
    BadName,
    /// Files are called after names, so a new one does not begin with `.` or `-`.
    #[error("a name begins with a letter or a digit")]
    BadFirstCharacter,
    /// Not a possible password.
    #[error("a password has 8 to 72 bytes and no NUL")]
    BadPassword,
    /// It would be two lines.
    #[error("a password has no line end in it")]
    PasswordWithLineEnd,
    /// Registered already, maybe in another case.
    #[error("name already taken")]
    NameTaken,
    /// Which of the two is not said to the client: an answer of its own for unknown
    /// names would tell a guesser which names are worth guessing at.
    #[error("wrong name or password")]
    WrongNameOrPassword {
        /// The account's name, if there is such an account: for the log.
        registered: Option<String>,
    },
    /// So many logins wait, or so many failed, that this one's time ran out.
    #[error("too many logins at once, try again later")]
    Busy,
    /// More accounts from one address than it may make.
    #[error("too many new accounts from your network, try again later")]
    TooManyAccounts,
    /// The database cannot be reached. Its own text is for the log.
    #[error("accounts are out of reach, try again later")]
    Store(#[from] StoreError),
}

/// Registration and login.
pub struct Accounts {
    store: Arc<Store>,
    cost: u32,
    queue: HashQueue,
}

impl Accounts {
    /// `cost` is bcrypt's, within [`COSTS`]; `login_rate` is how many failed
    /// logins a minute are allowed per address and per name (0: any number).
    ///
    /// # Panics
    /// When `cost` is outside [`COSTS`].
    pub fn new(store: Arc<Store>, cost: u32, login_rate: u32) -> Self {
        assert!(COSTS.contains(&cost), "bcrypt knows no cost {cost}");
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Accounts { store, cost, queue: HashQueue::new(processors, login_rate) }
    }

    /// Makes an account. Blocks for as long as a hash takes, and its wait in the
    /// queue. `from` is the client's address.
    ///
    /// # Errors
    /// [`AccountError`], never `WrongNameOrPassword`.
    pub fn register(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
        deadline: Instant,
    ) -> Result<User, AccountError> {
        check_new_name(name)?;
        check_password(password)?;
        // Only to spare the work: the table decides, should two come at once.
        if self.store.user(name)?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let origin = Origin::new(from, Some(name_key(name)));
        if !self.queue.admit_registration(&origin, Instant::now()) {
            return Err(AccountError::TooManyAccounts);
        }
        let password = {
            let _permit =
                self.queue.acquire(Purpose::Registration, &origin, deadline).ok_or(AccountError::Busy)?;
            at_low_priority(|| hash(password, self.cost))
        };
        match self.store.add_users(&[NewUser { name: name.to_owned(), password }]) {
            Err(StoreError::NameTaken(_)) => Err(AccountError::NameTaken),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.queue.succeeded(origin);
                Ok(self.store.user(name)?.ok_or_else(|| StoreError::NoSuchUser(name.to_owned()))?)
            }
        }
    }

    /// Returns the user if the password is right. Blocks for as long as a hash
    /// takes, and its wait in the queue; longer for an address or a name with many
    /// failures of late. `from` is the client's address.
    ///
    /// # Errors
    /// [`AccountError`]; `Busy` when no permit came before `deadline`, so that a
    /// right password is never called wrong.
    pub fn login(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
        deadline: Instant,
    ) -> Result<User, AccountError> {
        let possible = check_name(name).is_ok();
        let user = if possible { self.store.user(name)? } else { None };
        let origin = Origin::new(from, possible.then(|| name_key(name)));
        let _permit = self.queue.acquire(Purpose::Login, &origin, deadline).ok_or(AccountError::Busy)?;
        // An unknown name costs the same work as a wrong password, or the time
        // would tell what the answer does not. (Users imported with another
        // cost than this server's can still be told by it.)
        let dummy = dummy_hash(self.cost);
        let hash = user.as_ref().map_or(&dummy, |user| &user.password);
        let matches = at_low_priority(|| bcrypt::verify(password, &hash.0).unwrap_or(false));
        // After the work for the same reason. What bcrypt would cut or read
        // as something else never matches.
        match user {
            Some(user) if matches && readable_by_bcrypt(password) => {
                self.queue.succeeded(origin);
                Ok(user)
            }
            user => {
                self.queue.failed(&origin);
                Err(AccountError::WrongNameOrPassword { registered: user.map(|user| user.name) })
            }
        }
    }
}

#[cfg(test)]
mod tests;
