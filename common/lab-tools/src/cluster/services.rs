//! What the servers share: a private MariaDB with the chat's tables, and a Redis.

use anyhow::{Context, bail, ensure};
use lab::run_context::RunContext;
use testkit::mariadb::MariaDb;
use testkit::redis::Redis;

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
