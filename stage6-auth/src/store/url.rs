//! `--db`: the database, as users write it.

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use mysql::{Opts, OptsBuilder};
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// `--db`, for every program that opens the database.
#[derive(clap::Args, Clone, Debug)]
pub struct DbArgs {
    /// The database: sqlite:PATH or mysql://user:password@host:port/database
    ///
    /// Everyone on this machine can read a program's arguments (ps), so a URL
    /// with a password is better given in the environment variable CHAT_DB.
    // `hide_env_values`: --help would otherwise print the password.
    #[arg(
        long,
        global = true,
        env = "CHAT_DB",
        hide_env_values = true,
        default_value = "sqlite:chat.db",
        value_name = "URL"
    )]
    #[arg(value_parser = DbUrlParser)]
    pub db: DbUrl,
}

/// Where a database is. Neither `{}` nor `{:?}` shows the password.
#[derive(Clone, Debug)]
pub enum DbUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    MySql(MySqlUrl),
}

/// A database on a MySQL or MariaDB server, with the account to use there.
#[derive(Clone)]
pub struct MySqlUrl(Opts);

/// Why a text is no [`DbUrl`], and what to write. Never repeats the text, which may
/// hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DbUrlError(&'static str);

const NEITHER_KIND: DbUrlError =
    DbUrlError("expected sqlite:PATH or mysql://user:password@host:port/database");
const NO_PATH: DbUrlError = DbUrlError("a path is missing: sqlite:PATH, for example sqlite:chat.db");
const IN_MEMORY: DbUrlError =
    DbUrlError("the chat needs a file that lasts: sqlite:PATH, for example sqlite:chat.db");
const THREE_SLASHES: DbUrlError = DbUrlError(
    "three slashes mean different files to different programs; write sqlite:chat.db for a file in this folder, sqlite:/tmp/chat.db for a full path",
);
const MALFORMED: DbUrlError = DbUrlError(
    "expected mysql://user:password@host:port/database; in user and password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25",
);
const NO_USER: DbUrlError = DbUrlError("a user is missing: mysql://user:password@host:port/database");
const BAD_DATABASE: DbUrlError = DbUrlError(
    "expected a database name of letters, digits, _ and - at the end: mysql://user:password@host:port/database",
);

impl FromStr for DbUrl {
    type Err = DbUrlError;

    fn from_str(text: &str) -> Result<Self, DbUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite_path(path).map(|path| DbUrl::Sqlite(PathBuf::from(path)));
        }
        // MariaDB's own name for the same protocol.
        let rest = text.strip_prefix("mysql://").or(text.strip_prefix("mariadb://")).ok_or(NEITHER_KIND)?;
        MySqlUrl::parse(&format!("mysql://{rest}")).map(DbUrl::MySql)
    }
}

/// The path after `sqlite:`, also as other programs write it. Three slashes are
/// a file in this folder to some and one in the root to others, so we ask.
fn sqlite_path(path: &str) -> Result<&str, DbUrlError> {
    let slashes = path.len() - path.trim_start_matches('/').len();
    match (&path[slashes..], slashes) {
        ("", _) => Err(NO_PATH),
        (":memory:", _) => Err(IN_MEMORY),
        (_, 0 | 1) => Ok(path),
        // sqlite://chat.db, as sqlx and others have it.
        (relative, 2) => Ok(relative),
        (_, 3) => Err(THREE_SLASHES),
        // sqlite:////tmp/chat.db, as SQLAlchemy has it.
        _ => Ok(&path[slashes - 1..]),
    }
}

impl MySqlUrl {
    fn parse(text: &str) -> Result<Self, DbUrlError> {
        // The library reads settings of its own after a `?`, such as a local file
        // that the server may read.
        if text.contains(['?', '#']) {
            return Err(MALFORMED);
        }
        // Host names are ASCII here (`idna_adapter` in Cargo.toml knows no others, and a
        // debug build of it panics).
        let authority = text.split('/').nth(2).unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        if !host.is_ascii() || host.contains('%') {
            return Err(MALFORMED);
        }
        let opts = Opts::from_url(text).map_err(|_| MALFORMED)?;
        if opts.get_user().is_none_or(str::is_empty) {
            return Err(NO_USER);
        }
        let database = opts.get_db_name().unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if database.is_empty() || database.len() > 64 || !database.bytes().all(plain) {
            return Err(BAD_DATABASE);
        }
        Ok(MySqlUrl(opts))
    }

    /// The database's name: letters, digits, `_` and `-`, so safe between backticks.
    pub fn database(&self) -> &str {
        self.0.get_db_name().unwrap_or_default()
    }

    /// The same server and database for another account, as a URL to hand on.
    /// `user` and `password` must need no escaping.
    pub fn for_account(&self, user: &str, password: &str) -> String {
        let (host, port) = (self.0.get_ip_or_hostname(), self.0.get_tcp_port());
        format!("mysql://{user}:{password}@{host}:{port}/{}", self.database())
    }

    /// What the client library needs, to be completed by the caller.
    pub(crate) fn opts(&self) -> OptsBuilder {
        OptsBuilder::from_opts(self.0.clone())
    }
}

impl fmt::Display for MySqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.0.get_user().unwrap_or_default();
        let (host, port) = (self.0.get_ip_or_hostname(), self.0.get_tcp_port());
        write!(f, "mysql://{user}@{host}:{port}/{}", self.database())
    }
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DbUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DbUrl::MySql(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for MySqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlUrl({self})")
    }
}

/// For clap, whose own error message would repeat the value with its password.
#[derive(Clone)]
struct DbUrlParser;

impl TypedValueParser for DbUrlParser {
    type Value = DbUrl;

    fn parse_ref(
        &self,
        cmd: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<DbUrl, clap::Error> {
        value.to_str().ok_or(NEITHER_KIND).and_then(str::parse).map_err(|why| {
            cmd.clone().error(ErrorKind::ValueValidation, format!("invalid value for --db or CHAT_DB: {why}"))
        })
    }
}

#[cfg(test)]
mod tests;
