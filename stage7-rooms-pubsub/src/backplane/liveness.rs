//! Which servers live.
//!
//! Each server holds a lock in the database, named after its run, on a connection
//! that it uses each second. When its process ends, the connection ends, and the
//! database frees the lock at once. When it is paused or cut off, the database ends
//! the connection [`IDLE_LIMIT`] after its last use. So the one clock that counts is
//! the database's, and Redis may come and go.
//!
//! A server that finds the lock of another one free for [`GRACE`] appends to the log that
//! the other is dead. The grace is for a database that was restarted: all locks are free then,
//! and each server takes its own again within a second or two. It is counted only
//! while this thread sees the lock each second: a judge that was paused itself, or had
//! no database, begins anew.
//!
//! A server that is declared dead although it lives reads that in the log before it
//! can append anything: its next place is taken (*fencing*). See `writer.rs`.

use super::{Change, ChatQueue, Status, submit};
use crate::room_event::RoomEvent;
use common::critical_thread;
use common::log::Log;
use mysql::Conn;
use mysql::prelude::Queryable;
use stage6_auth::store::StoreError;
use stage6_auth::store::mysql::MySqlDatabase;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// After so many seconds without a question the database ends the connection.
const IDLE_LIMIT: u32 = 3;
const GRACE: Duration = Duration::from_secs(4);
const INTERVAL: Duration = Duration::from_millis(700);
/// Two looks that are further apart do not count as one observation.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// See the [module](self).
pub struct Liveness {
    database: Arc<MySqlDatabase>,
    status: Arc<Status>,
    log: Log,
    conn: Option<Conn>,
    /// The locks that are free: since when, and when that was seen last.
    free: HashMap<i64, (Instant, Instant)>,
}

impl Liveness {
    /// Takes the lock of this server's run.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn start(
        database: &Arc<MySqlDatabase>,
        status: &Arc<Status>,
        log: &Log,
    ) -> Result<Self, StoreError> {
        let (database, status, log) = (database.clone(), status.clone(), log.clone());
        let mut liveness = Liveness { database, status, log, conn: None, free: HashMap::new() };
        liveness.look().map_err(|error| liveness.database.explain(error))?;
        Ok(liveness)
    }

    /// Starts the thread that keeps the lock and watches those of the others.
    pub(super) fn watch(mut self, queue: &Arc<ChatQueue>) -> io::Result<()> {
        let queue = queue.clone();
        critical_thread::spawn("liveness", move || {
            while !queue.is_closed() {
                match self.look() {
                    Ok(dead) => dead.into_iter().for_each(|run| self.declare_dead(run, &queue)),
                    // The committer thread says so, too, and in the log.
                    Err(_) => self.conn = None,
                }
                // Not all servers at the same moment.
                thread::sleep(INTERVAL.mul_f64(rand::random_range(0.8..1.2)));
            }
        })?;
        Ok(())
    }

    fn declare_dead(&mut self, run: i64, queue: &ChatQueue) {
        self.free.remove(&run);
        self.log.warn("another server is gone: it is declared dead, and its users are out");
        submit(queue, Some(Change::Dead(run).entry("")), RoomEvent::Replicated);
    }

    /// Sees to this server's own lock, and returns the runs whose locks have been
    /// free for too long.
    fn look(&mut self) -> mysql::Result<Vec<i64>> {
        if self.conn.is_none() {
            let mut conn = self.database.connect()?;
            conn.query_drop(format!("SET SESSION wait_timeout = {IDLE_LIMIT}"))?;
            self.conn = Some(conn);
        }
        let conn = self.conn.as_mut().expect("it was made just now");
        let own = name(self.status.run());
        let is_held: Option<Option<bool>> =
            conn.exec_first("SELECT IS_USED_LOCK(?) = CONNECTION_ID()", (&own,))?;
        if is_held != Some(Some(true)) {
            conn.exec_drop("SELECT GET_LOCK(?, 0)", (&own,))?;
        }
        let peers: Vec<i64> = self.status.peers().iter().copied().collect();
        let mut dead = Vec::new();
        for run in peers {
            let is_free: Option<Option<bool>> = conn.exec_first("SELECT IS_FREE_LOCK(?)", (name(run),))?;
            // The clock of each look, after the answer.
            let now = Instant::now();
            if is_free != Some(Some(true)) {
                self.free.remove(&run);
                continue;
            }
            let (since, seen) = self.free.entry(run).or_insert((now, now));
            if now.duration_since(*seen) > LONGEST_GAP {
                *since = now;
            }
            *seen = now;
            if now.duration_since(*since) > GRACE {
                dead.push(run);
            }
        }
        Ok(dead)
    }
}

/// Random, so no two chats on one database server have the same.
fn name(run: i64) -> String {
    format!("chat-server-{run}")
}
