//! A few connections for many threads, in which every wait is bounded.
//!
//! The client library has a pool too, but it opens connections while it holds its
//! lock. When the server hangs, each thread would wait until those before it have
//! timed out, one after the other.

use super::super::url::MySqlUrl;
use super::errors::is_timeout;
use crate::semaphore::Semaphore;
use common::poison::IgnorePoison;
use mysql::{Conn, DriverError, Opts};
use std::sync::Mutex;
use std::time::Duration;

/// Connections at most. A login holds one for a millisecond or two.
const CONNECTIONS: usize = 6;
const WAIT_FOR_PERMIT: Duration = Duration::from_millis(1500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// For each read and write on a connection: how long a commit may take before
/// it is given up.
const IO_TIMEOUT: Duration = Duration::from_millis(1500);

pub struct Pool {
    opts: Opts,
    /// One permit for each connection.
    permits: Semaphore,
    /// Held only to push and pop.
    idle: Mutex<Vec<Conn>>,
}

impl Pool {
    pub fn new(url: &MySqlUrl) -> Self {
        Pool { opts: options(url), permits: Semaphore::new(CONNECTIONS), idle: Mutex::default() }
    }

    /// A connection outside the pool.
    pub fn connect(&self) -> mysql::Result<Conn> {
        Conn::new(self.opts.clone())
    }

    /// Runs `work` on a connection that was alive a moment ago.
    pub fn with<T>(&self, work: impl FnOnce(&mut Conn) -> mysql::Result<T>) -> mysql::Result<T> {
        let _permit = self.permits.acquire_for(WAIT_FOR_PERMIT).ok_or(DriverError::Timeout)?;
        let mut conn = self.take()?;
        let result = work(&mut conn);
        // After a failure of the network an answer to the old question could
        // still arrive, and would be taken for that to the next one.
        if !result.as_ref().is_err_and(mysql::Error::is_connectivity_error) {
            self.idle().push(conn);
        }
        result
    }

    fn take(&self) -> mysql::Result<Conn> {
        // In a statement of its own, or the lock would be held in the body.
        let idle = self.idle().pop();
        let Some(mut conn) = idle else { return self.connect() };
        // The server closes connections that were idle for long, and all of
        // them when it is restarted.
        match conn.ping() {
            Ok(()) => Ok(conn),
            Err(error) => {
                self.idle().clear();
                if is_timeout(&error) { Err(error) } else { self.connect() }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Conn>> {
        self.idle.lock().ignore_poison()
    }
}

/// How we connect, everywhere.
pub fn options(url: &MySqlUrl) -> Opts {
    url.opts()
        // Otherwise the library, once connected, asks the server for its socket
        // file and moves there, where we would be another account: @localhost.
        .prefer_socket(false)
        .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
        .read_timeout(Some(IO_TIMEOUT))
        .write_timeout(Some(IO_TIMEOUT))
        .init(vec![
            // A server can be set to ignore the character set that a client names
            // while it connects, but not this.
            "SET NAMES utf8mb4",
            // What does not fit is an error; the default of old servers was to cut it.
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
            // In seconds: below our own time-out, so that we hear of it.
            "SET SESSION innodb_lock_wait_timeout = 1",
        ])
        .into()
}
