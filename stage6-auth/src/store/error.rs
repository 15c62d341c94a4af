//! What can go wrong with a database, and what to do about it.

/// Why a store failed. `db` is the database as the user knows it: a path or
/// `host:port/database`, never with a password.
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
    #[error(
        "{db} is read-only; give this user write permission for the file and its folder, and see with lsattr that neither is immutable"
    )]
    ReadOnly {
        /// The file.
        db: String,
    },
    /// The server takes no changes from this account.
    #[error(
        "{db} is read-only: {cause}; let it take changes (SET GLOBAL read_only = OFF), or name the primary server"
    )]
    ReadOnlyServer {
        /// The database.
        db: String,
        /// What the server said.
        cause: String,
    },
    /// The open file has no longer the name by which it was opened.
    #[error(
        "{db} was deleted, moved or replaced while it was open; put the file back where it was, or start the server again"
    )]
    Gone {
        /// The file.
        db: String,
    },
    /// The content is none that this program, or the database, has written.
    #[error(
        "{db} is damaged: {cause}; stop the server, keep a copy, and restore a backup, or save what `sqlite3 {db} .recover` can read"
    )]
    Damaged {
        /// The file.
        db: String,
        /// What is wrong.
        cause: String,
    },
    /// The system could not read or write the file.
    #[error("{db}: {cause}; look for a failing disk (dmesg) and for immutable files (lsattr)")]
    Io {
        /// The file.
        db: String,
        /// What SQLite said.
        cause: String,
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
    #[error("{db} has no chat tables yet; run `{init}` first, with the administrator's account")]
    NoSchema {
        /// The database.
        db: String,
        /// The command that makes them.
        init: String,
    },
    /// Made by an earlier stage.
    #[error(
        "{db} has tables of version {found} and this program needs {known}; run `{init}`, which keeps the data"
    )]
    TooOld {
        /// The database.
        db: String,
        /// Its version.
        found: u32,
        /// The program's.
        known: u32,
        /// The command that brings it up to date.
        init: String,
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

/// The command that runs `init` of `program` on this database, as it can be typed
/// in this folder, with the administrator's account to be filled in. Where the
/// program is not built, the command that builds it first stands beside it.
pub(super) fn init_command(program: &str, db: &str) -> String {
    let (account, option) = match db.strip_prefix("mysql://").and_then(|rest| rest.split_once('@')) {
        Some((_, place)) => (format!("CHAT_DB=mysql://ADMIN:PASSWORD@{place} "), String::new()),
        None => (String::new(), format!(" --db {}", quoted(&format!("sqlite:{db}")))),
    };
    let beside =
        std::env::current_exe().ok().map(|exe| exe.with_file_name(program)).filter(|path| path.exists());
    let Some(beside) = beside else {
        return format!(
            "{account}{program} init{option}`, in the course's folder `{account}cargo run -q --bin {program} -- init{option}"
        );
    };
    let here = std::env::current_dir().unwrap_or_default();
    let path = quoted(&beside.strip_prefix(here).unwrap_or(&beside).display().to_string());
    format!("{account}{path} init{option}")
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[test]
fn a_command_can_be_typed() {
    let server = init_command("no-such-admin", "mysql://chat@127.0.0.1:3306/chat");
    let account = "CHAT_DB=mysql://ADMIN:PASSWORD@127.0.0.1:3306/chat";
    assert_eq!(
        server,
        format!(
            "{account} no-such-admin init`, in the course's folder `{account} cargo run -q --bin no-such-admin -- init"
        )
    );
    let file = init_command("no-such-admin", "./it's my chat.db");
    assert!(file.starts_with(r"no-such-admin init --db 'sqlite:./it'\''s my chat.db'`, "), "{file}");
}
