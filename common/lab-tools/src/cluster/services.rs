//! What the servers share: a private MariaDB with the chat's tables, and a Redis.

use anyhow::{Context, bail, ensure};
use lab::run_context::RunContext;
use std::process::{Command, Stdio};
use testkit::mariadb::MariaDb;
use testkit::redis::Redis;

/// MariaDB's own client.
const CLIENT: &str = "mariadb";

/// Both run on free ports of the loopback interface, in temporary folders. Dropping this
/// ends them and removes their data.
pub struct Services {
    /// The log of the chat.
    pub mariadb: MariaDb,
    /// It tells the servers that the log has grown.
    pub redis: Redis,
    /// For the servers' `--db`, with a password.
    pub database: String,
}

impl Services {
    /// Returns an error if one of them is not installed here.
    ///
    /// # Errors
    /// A sentence with the command that installs it.
    pub fn check() -> anyhow::Result<()> {
        match MariaDb::missing().or_else(Redis::missing) {
            Some(why) => bail!("{why}\n       `make doctor` knows the command for other systems"),
            None => Ok(()),
        }
    }

    /// What MariaDB answers to a statement of its administrator: a line for each row, with
    /// tabs between the columns. It needs no library: MariaDB's own client comes with the
    /// programs that `lab` looks for.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn query(&self, statement: &str) -> anyhow::Result<String> {
        let output = Command::new(CLIENT)
            .args(["--no-defaults", "--skip-ssl", "--batch", "--skip-column-names", "--connect-timeout=5"])
            .args(["--protocol=tcp", "--host=127.0.0.1", "--user=root", "--database=chat"])
            .arg(format!("--port={}", self.mariadb.port()))
            .args(["--execute", statement])
            .stdin(Stdio::null())
            .output();
        let output = output.context("cannot start MariaDB's client")?;
        let why = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the database cannot be asked: {}", why.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns an error if MariaDB's client is not installed.
    ///
    /// # Errors
    /// A sentence with the command that installs it.
    pub fn check_client() -> anyhow::Result<()> {
        let asked = Command::new(CLIENT).arg("--version").stdin(Stdio::null()).output();
        asked.context(
            "MariaDB's client `mariadb` is missing; on Debian: apt-get install mariadb-client-core",
        )?;
        Ok(())
    }

    /// Starts both and has the stage's administrator program make the tables.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(context: &RunContext<'_>) -> anyhow::Result<Services> {
        let mariadb = MariaDb::launch().map_err(anyhow::Error::msg)?;
        let redis = Redis::launch().map_err(anyhow::Error::msg)?;
        let admin = context.stage.admin().context("a stage without a database")?;
        let mut init = context.program(&admin)?;
        let output = init.arg("init").env("CHAT_DB", mariadb.admin_url("chat")).output();
        let output = output.with_context(|| format!("cannot start {admin}"))?;
        let why = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{admin} cannot make the tables: {}", why.trim());
        // The server's account may read and append, and nothing else.
        let printed = String::from_utf8_lossy(&output.stdout);
        let database = printed.lines().find(|line| line.starts_with("mysql://"));
        let database = database.context("the administrator's program prints no URL")?.to_owned();
        Ok(Services { mariadb, redis, database })
    }
}
