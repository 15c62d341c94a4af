//! What can go wrong with a database, and what to do about it.

use std::fmt::Display;

/// Why a store failed. The first three are answers to the caller. Everything else is for
/// the administrator, who is told what is wrong and what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The name exists, maybe in another case.
    #[error("the name {0} is already taken")]
    NameTaken(String),
    /// There is no such user.
    #[error("no user {0}; `list` shows who there is")]
    NoSuchUser(String),
    /// Of the rows to be added, the key of this one exists.
    #[error("the database has such a row already")]
    Duplicate(usize),
    /// The database does not do what it was asked. The text begins with the database as
    /// the user knows it, a path or `host:port/database`, never with a password.
    #[error("{0}")]
    Unusable(String),
}

/// Another process holds the write lock for longer than we wait.
pub(super) fn locked(db: impl Display) -> StoreError {
    StoreError::Unusable(format!("{db} is locked by another process; end it, or try again when it is done"))
}

/// No room for more.
pub(super) fn disk_full(db: impl Display) -> StoreError {
    StoreError::Unusable(format!("no room left for {db}; make room on its disk"))
}

/// Made by an earlier stage. `init` is the command that brings it up to date.
pub(super) fn too_old(db: impl Display, found: u32, known: u32, init: &str) -> StoreError {
    StoreError::Unusable(format!(
        "{db} has tables of version {found} and this program needs {known}; run `{init}`, which keeps the data"
    ))
}

/// Made by a later stage.
pub(super) fn too_new(db: impl Display, found: u32, known: u32) -> StoreError {
    StoreError::Unusable(format!(
        "{db} has tables of version {found} and this program knows only {known}; use the newer program, or another database with --db"
    ))
}

/// Anything that the database or the library says and that has no advice of its own.
pub(super) fn other(db: impl Display, cause: impl Display) -> StoreError {
    StoreError::Unusable(format!("database {db}: {cause}"))
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
