//! What the database keeps: messages, users, sessions.

use common::utc::Millis;
use std::fmt;
use std::sync::Arc;

/// What names a message before it is in the database: the committer gives it. The
/// columns `run` and `number` have it; the column `id` is another number, that of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// A random number that the server chose when it started.
    pub run: i64,
    /// 1, 2, 3, … within the run, in the order in which messages were accepted.
    pub number: i64,
}

/// A message, as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Given by the committer.
    pub id: MessageId,
    /// When the server accepted it; given by the committer.
    pub sent: Millis,
    /// The sender, as registered.
    pub name: Arc<str>,
    /// The line, without its end.
    pub text: String,
}

impl Message {
    /// A message without a number and a time; the committer gives both.
    pub fn new(name: Arc<str>, text: String) -> Self {
        Message { id: MessageId::default(), sent: 0, name, text }
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Each new user.
    Member,
    /// Made one by the administrator's program. From stage 7 on: may kick users and announce.
    Admin,
}

impl Role {
    /// The word on the command line and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }
}

/// A bcrypt hash as text, `$2b$12$…`. `{:?}` does not print it: a reader of the
/// log could guess the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A user as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The database's number for it.
    pub id: i64,
    /// As registered.
    pub name: String,
    /// What the password is verified against.
    pub password: PasswordHash,
    /// What this user may do.
    pub role: Role,
    /// When the account was made.
    pub created: Millis,
}

/// An account to be made, with the role `member`.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// As it will be shown; must satisfy [`crate::accounts::check_new_name`].
    pub name: String,
    /// The password's hash.
    pub password: PasswordHash,
}

/// SHA-256 of a session's token, which the database keeps in place of the token.
pub type TokenHash = [u8; 32];

/// The form under which a name is unique. It is computed here and not by the
/// database's collation, since the two databases would disagree: MariaDB's default
/// takes `alice`, `Alice` and `alicé` for one name.
pub fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}
