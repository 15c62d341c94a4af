//! What needs an administrator's account: making the database, the tables, and the
//! account of the chat server.

use super::super::error::too_new;
use super::super::schema::{Change, Schema};
use super::super::{MySqlUrl, StoreError, now, sql};
use super::errors::{DONE_ALREADY, code, explain};
use super::pool::options;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use stage5_aes::cipher::random_bytes;
use std::time::Duration;

/// How long one statement of [`init`] may take. It makes tables, which a busy disk can
/// delay for seconds, and no client waits for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The chat server's account, as it is to be.
#[derive(Clone, Debug)]
pub struct Account {
    /// Letters, digits and `_`.
    pub user: String,
    /// Hosts it may come from, besides the one we come from ourselves.
    pub hosts: Vec<String>,
    /// Give it another password if it exists.
    pub new_password: bool,
}

/// What [`init`] did.
#[derive(Debug)]
pub struct Prepared {
    /// The URL for the server's `--db`, password and all; `None` when the
    /// account existed and keeps its password, which cannot be read back.
    pub url: Option<String>,
    /// What the account may do beyond SELECT and INSERT in this database: lines of
    /// SHOW GRANTS. It had these before, and they are not ours to take away.
    pub excess: Vec<String>,
}

/// Makes whatever is missing; run again, it changes nothing.
///
/// # Errors
/// [`StoreError`]; what was made until then stays and is no obstacle the next time.
pub fn init(url: &MySqlUrl, schema: &Schema, account: &Account) -> Result<Prepared, StoreError> {
    let explain = |error: mysql::Error| explain(&url.to_string(), schema.program, &error);
    let mut conn = make_database(url).map_err(explain)?;
    let version = make_tables(&mut conn, schema).map_err(explain)?;
    if version != schema.version() {
        return Err(too_new(url, version, schema.version()));
    }
    make_account(&mut conn, url, account).map_err(explain)
}

/// A connection that uses the database.
fn make_database(url: &MySqlUrl) -> mysql::Result<Conn> {
    let opts =
        OptsBuilder::from_opts(options(url)).db_name(None::<String>).read_timeout(Some(ANSWER_TIMEOUT));
    let mut conn = Conn::new(opts)?;
    // No parameters in this module: a statement that defines something can
    // have none. What goes in is ours, or restricted to plain characters.
    let database = url.database();
    conn.query_drop(format!("CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4"))?;
    conn.query_drop(format!("USE `{database}`"))?;
    Ok(conn)
}

/// The collation under which only equal bytes are equal. The one that is
/// called `utf8mb4_bin` on both takes `alice ` for `alice`.
fn exact_collation(conn: &mut Conn) -> mysql::Result<&'static str> {
    let known: Vec<String> = conn.query("SELECT COLLATION_NAME FROM information_schema.COLLATIONS")?;
    let has = |name: &&str| known.iter().any(|known| known == name);
    // MariaDB's name, and MySQL's.
    Ok(["utf8mb4_nopad_bin", "utf8mb4_0900_bin"].into_iter().find(has).unwrap_or("utf8mb4_bin"))
}

/// Returns the version of the tables: the schema's, or that of a later stage.
fn make_tables(conn: &mut Conn, schema: &Schema) -> mysql::Result<u32> {
    let exact = exact_collation(conn)?;
    let begun: Option<String> = conn.query_first("SHOW TABLES LIKE 'schema\\_version'")?;
    let found: Option<Option<u32>> = if begun.is_some() { conn.query_first(sql::VERSION)? } else { None };
    let mut version = found.flatten().unwrap_or(0);
    loop {
        let (statements, next) = match schema.next(version, |step| step.mysql) {
            Change::None => return Ok(version),
            Change::TooNew(version) => return Ok(version),
            Change::Run(statements, next) => (statements, next),
        };
        for statement in statements {
            match conn.query_drop(statement.replace("{exact}", exact)) {
                Err(error) if code(&error).is_some_and(|code| DONE_ALREADY.contains(&code)) => {}
                result => result?,
            }
        }
        // Last, so that a step that was interrupted is run again.
        conn.exec_drop(sql::ADD_VERSION, (next, now()))?;
        version = next;
    }
}

fn make_account(conn: &mut Conn, url: &MySqlUrl, account: &Account) -> mysql::Result<Prepared> {
    let user = &account.user;
    let hosts = hosts(conn, account)?;
    let exists = "SELECT COUNT(*) FROM mysql.user WHERE User = ? AND Host = ?";
    let mut old = Vec::new();
    for host in &hosts {
        let count: Option<u32> = conn.exec_first(exists, (user, host))?;
        if count.unwrap_or(0) > 0 {
            old.push(host);
        }
    }
    // Accounts of one user for several hosts have to share the password.
    let password = (old.is_empty() || account.new_password).then(new_password);
    for host in &hosts {
        match &password {
            Some(password) => {
                conn.query_drop(format!("CREATE USER IF NOT EXISTS '{user}'@'{host}'"))?;
                conn.query_drop(format!("ALTER USER '{user}'@'{host}' IDENTIFIED BY '{password}'"))?;
            }
            None if !old.contains(&host) => continue,
            None => {}
        }
        // In a grant `_` stands for any character unless it is escaped.
        let database = url.database().replace('_', "\\_");
        conn.query_drop(format!("GRANT SELECT, INSERT ON `{database}`.* TO '{user}'@'{host}'"))?;
    }
    let mut excess = Vec::new();
    for host in if password.is_some() { hosts.iter().collect() } else { old } {
        excess.extend(excess_grants(conn, url, user, host)?);
    }
    Ok(Prepared { url: password.map(|password| url.for_account(user, &password)), excess })
}

/// The server runs, as far as we can know, where we run: the database says how
/// it sees us. On one machine it may see us under any of three names,
/// depending on whether it looks names up.
fn hosts(conn: &mut Conn, account: &Account) -> mysql::Result<Vec<String>> {
    let us: Option<String> = conn.query_first("SELECT SUBSTRING_INDEX(USER(), '@', -1)")?;
    let mut hosts = account.hosts.clone();
    let local = ["localhost", "127.0.0.1", "::1"];
    match us {
        Some(us) if local.contains(&us.as_str()) => hosts.extend(local.map(str::to_owned)),
        Some(us) if is_host(&us) => hosts.push(us),
        _ => {}
    }
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// Returns `true` if it can stand in an account's name: plain characters, and `%` for any.
pub fn is_host(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%');
    !text.is_empty() && text.len() <= 60 && text.bytes().all(plain)
}

/// Returns `true` if it can be an account's name without any quoting.
pub fn is_user(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// 192 random bits. The sign of each kind satisfies a server that checks passwords.
fn new_password() -> String {
    format!("{}-a1Z", BASE64_URL_SAFE_NO_PAD.encode(random_bytes::<24>()))
}

fn excess_grants(conn: &mut Conn, url: &MySqlUrl, user: &str, host: &str) -> mysql::Result<Vec<String>> {
    let grants: Vec<String> = conn.query(format!("SHOW GRANTS FOR '{user}'@'{host}'"))?;
    let database = url.database().replace('_', "\\_");
    let ours = [
        "GRANT USAGE ON *.* TO ".to_owned(),
        format!("GRANT SELECT, INSERT ON `{database}`.* TO "),
        format!("GRANT SELECT, INSERT ON `{}`.* TO ", url.database()),
    ];
    // The first line carries the password's hash, which is for no terminal.
    let without_hash = |grant: String| grant.split(" IDENTIFIED ").next().unwrap_or_default().to_owned();
    let is_excess = |grant: &String| {
        grant.contains("WITH GRANT OPTION") || !ours.iter().any(|allowed| grant.starts_with(allowed.as_str()))
    };
    Ok(grants.into_iter().filter(is_excess).map(without_hash).collect())
}
