//! What can go wrong with a database, and what to do about it.

/// Why a store could not do what it was asked. `db` is the database as a
/// person knows it: a path or `host:port/database`, never with a password.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file has other content.
    #[error("{db} is not a database file; name another file with --db sqlite:PATH, or move this one away")]
    NotADatabase {
        /// The file.
        db: String,
    },
    /// A database, with tables, but none of ours.
    #[error("{db} is a database of another program; name another with --db")]
    Foreign {
        /// The database.
        db: String,
    },
    /// The file or its folder cannot be opened or made.
    #[error(
        "cannot open {db}: {cause}; check the path given with --db sqlite:PATH and the folder's permissions"
    )]
    Open {
        /// The file.
        db: String,
        /// What the system said.
        cause: String,
    },
    /// The file, its folder or the whole file system cannot be written.
    #[error("{db} is read-only; give this user write permission for the file and its folder")]
    ReadOnly {
        /// The database.
        db: String,
    },
    /// Another process holds the write lock for longer than we wait.
    #[error("{db} is locked by another process; end it, or try again when it is done")]
    Locked {
        /// The database.
        db: String,
    },
    /// No room for more.
    #[error("no room left for {db}; make room on its disk")]
    DiskFull {
        /// The database.
        db: String,
    },
    /// No connection, or it was lost, or no answer in time.
    #[error("database server {db} cannot be reached: {cause}; is it running there?")]
    Unreachable {
        /// The database.
        db: String,
        /// What the network said.
        cause: String,
    },
    /// The database server does not let this account in.
    #[error("{db} refuses the account: {cause}; check user and password in --db or CHAT_DB")]
    Denied {
        /// The database.
        db: String,
        /// What the server said, which names the account but no password.
        cause: String,
    },
    /// Let in, but not allowed to do this.
    #[error("{db} does not allow this account to do that: {cause}; use the administrator's URL")]
    NotAllowed {
        /// The database.
        db: String,
        /// What the server said.
        cause: String,
    },
    /// The database or its tables do not exist.
    #[error("{db} has no chat tables yet; run `{program} init` with the administrator's URL first")]
    NoSchema {
        /// The database.
        db: String,
        /// The program that makes them.
        program: &'static str,
    },
    /// Made by an earlier stage.
    #[error(
        "{db} has tables of version {found} and this program needs {known}; run `{program} init`, which keeps the data"
    )]
    TooOld {
        /// The database.
        db: String,
        /// Its version.
        found: u32,
        /// The program's.
        known: u32,
        /// The program that brings it up to date.
        program: &'static str,
    },
    /// Made by a later stage.
    #[error(
        "{db} has tables of version {found} and this program knows only {known}; use the newer program, or another database with --db"
    )]
    TooNew {
        /// The database.
        db: String,
        /// Its version.
        found: u32,
        /// The program's.
        known: u32,
    },
    /// The name exists, maybe in another case.
    #[error("the name {0} is already taken")]
    NameTaken(String),
    /// There is no such user.
    #[error("no user {0}; `list` shows who there is")]
    NoSuchUser(String),
    /// Anything else.
    #[error("database {db}: {cause}")]
    Other {
        /// The database.
        db: String,
        /// What it said.
        cause: String,
    },
}
