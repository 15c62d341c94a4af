//! The shared log: the table of messages, to which all servers append.
//!
//! A server that appends says where: after the last entry that it has read. The table's
//! primary key is the referee. Of two servers that want the same place one gets it,
//! and the other is told that it is taken; it reads what stands there, and tries
//! the next place. So no server writes without having read all that came before, and
//! all servers see one order, without a gap.
//!
//! **Visible is not durable.** InnoDB shows an entry to other connections when it is
//! committed in memory, and writes its own log to the disk after that. If the
//! database is killed in between, an entry that was read is gone, and another one
//! gets its place. So what was read is not shown before it is *confirmed*: its writer
//! says so through Redis, after its commit was answered; or an entry of this server's
//! own is committed after it, since InnoDB writes its log in order. What is not
//! confirmed is forgotten when the connection is lost, and read again.
//!
//! One statement appends, and commits by itself: a server that is paused in the
//! middle leaves no open transaction that would make the others wait.

use super::Change;
use crate::addressed_message::{Address, AddressedMessage, PrivateKind};
use crate::message_store;
use crate::rooms::LOBBY;
use common::log::Log;
use mysql::prelude::Queryable;
use mysql::{Conn, Row as SqlRow};
use stage6_auth::store::mysql::{MySqlDatabase, insert, is_unstorable, lost_race};
use stage6_auth::store::{Message, MessageId, MessageRow, MySqlUrl, Schema, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;

/// How many entries are read at once.
pub const PAGE: usize = 1000;

const ENTRIES: &str = "SELECT id, run, number, sent_at, username, message, kind, place FROM messages";

/// Why entries were not appended.
#[derive(Debug)]
pub enum AppendError {
    /// Another server has taken the place: read first.
    Taken,
    /// The table cannot take one of them, now or ever.
    Unstorable,
    /// The connection was lost on the way: they may be there or not.
    InDoubt(StoreError),
    /// They are not there.
    Failed(StoreError),
}

/// See the [module](self). Used by the committer thread alone.
pub struct SharedLog {
    database: Arc<MySqlDatabase>,
    /// `None` before the first use and after every failure of the network.
    conn: Option<Conn>,
    /// The id of the last entry that was read or appended.
    tail: i64,
    /// The id of the last entry that cannot be lost.
    confirmed: i64,
    private: &'static [&'static PrivateKind],
    log: Log,
}

/// What a server needs to know when it starts.
pub struct Snapshot {
    /// Who came, moved and went, as far as it still counts.
    pub presence: Vec<AddressedMessage>,
    /// The last messages of the lobby.
    pub history: Vec<Message>,
}

impl SharedLog {
    /// Opens the database.
    ///
    /// # Errors
    /// Whatever keeps it from being used.
    pub fn open(
        url: &MySqlUrl,
        schema: &Schema,
        private: &'static [&'static PrivateKind],
        log: &Log,
    ) -> Result<Self, StoreError> {
        let database = Arc::new(MySqlDatabase::open(url, schema)?);
        Ok(SharedLog { database, conn: None, tail: 0, confirmed: 0, private, log: log.clone() })
    }

    /// The database, for the threads that do not append.
    pub fn database(&self) -> &Arc<MySqlDatabase> {
        &self.database
    }

    /// The id of the last entry that cannot be lost.
    pub fn confirmed(&self) -> i64 {
        self.confirmed
    }

    /// Another server says that what is up to `id` cannot be lost.
    pub fn confirm(&mut self, id: i64) {
        self.confirmed = self.confirmed.max(id.min(self.tail));
    }

    /// Appends the entry with which a server starts, and reads what had happened
    /// before. `history` is how many messages of the lobby, from `store`.
    ///
    /// # Errors
    /// What the database says.
    pub fn start(
        &mut self,
        start: &AddressedMessage,
        store: &Store,
        history: usize,
    ) -> Result<Snapshot, StoreError> {
        let history = loop {
            let last = self.run(|conn| conn.query_first("SELECT MAX(id) FROM messages"))?;
            self.tail = last.flatten().unwrap_or(0);
            // Nothing comes between this and the start: then its place would be taken.
            let history = message_store::room_history(store, LOBBY, history)?;
            match self.append(&[start]) {
                Ok(()) => break history,
                Err(AppendError::Taken) => {}
                Err(AppendError::InDoubt(error) | AppendError::Failed(error)) => return Err(error),
                Err(AppendError::Unstorable) => unreachable!("a name of six letters and a number fit"),
            }
        };
        let before = self.tail;
        let running: Vec<SqlRow> = self.run(|conn| {
            conn.exec(
                format!("{ENTRIES} WHERE place = '' AND kind IN ('start', 'dead') AND id <= ? ORDER BY id"),
                (before,),
            )
        })?;
        let first = first_running(&self.parse(running)).unwrap_or(before);
        let presence: Vec<SqlRow> = self.run(|conn| {
            conn.exec(
                format!(
                    "{ENTRIES} WHERE place = '' AND kind IN ('start', 'join', 'move', 'leave', 'dead') \
                     AND id BETWEEN ? AND ? ORDER BY id"
                ),
                (first, before),
            )
        })?;
        let presence = self.parse(presence).into_iter().map(|(_, entry)| entry).collect();
        Ok(Snapshot { presence, history })
    }

    /// Appends all of `entries`, or none, after the last entry that was read.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&mut self, entries: &[&dyn MessageRow]) -> Result<(), AppendError> {
        let first = self.tail + 1;
        let conn = self.conn().map_err(AppendError::Failed)?;
        match insert(conn, first, entries) {
            Ok(()) => {
                self.tail += entries.len() as i64;
                self.confirmed = self.tail;
                Ok(())
            }
            Err(error) if lost_race(&error) => Err(AppendError::Taken),
            Err(error) if is_unstorable(&error) => Err(AppendError::Unstorable),
            Err(error) => {
                let lost = error.is_connectivity_error();
                let error = self.database.explain(error);
                if lost {
                    self.disconnect();
                    return Err(AppendError::InDoubt(error));
                }
                Err(AppendError::Failed(error))
            }
        }
    }

    /// The next entries after the last one that was read, [`PAGE`] at most. Each
    /// read is a transaction of its own: a longer one would go on seeing the table
    /// as it was at its beginning (REPEATABLE READ).
    ///
    /// # Errors
    /// What the database says.
    pub fn read(&mut self) -> Result<Vec<(i64, AddressedMessage)>, StoreError> {
        let tail = self.tail;
        let query = format!("{ENTRIES} WHERE id > ? ORDER BY id LIMIT {PAGE}");
        let rows: Vec<SqlRow> = self.run(|conn| conn.exec(query, (tail,)))?;
        Ok(self.parse(rows))
    }

    fn run<T>(&mut self, work: impl FnOnce(&mut Conn) -> mysql::Result<T>) -> Result<T, StoreError> {
        let result = work(self.conn()?);
        if result.as_ref().is_err_and(mysql::Error::is_connectivity_error) {
            self.disconnect();
        }
        result.map_err(|error| self.database.explain(error))
    }

    /// The database may have been killed: what is not confirmed may be gone.
    fn disconnect(&mut self) {
        self.conn = None;
        self.tail = self.confirmed;
    }

    fn conn(&mut self) -> Result<&mut Conn, StoreError> {
        if self.conn.is_none() {
            self.conn = Some(self.database.connect().map_err(|error| self.database.explain(error))?);
        }
        Ok(self.conn.as_mut().expect("it was made just now"))
    }

    /// The entries in these rows, with their ids. The tail moves after them all,
    /// those too that this program does not know.
    fn parse(&mut self, rows: Vec<SqlRow>) -> Vec<(i64, AddressedMessage)> {
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, run, number, sent, name, text, kind, place): Columns = mysql::from_row(row);
            self.tail = self.tail.max(id);
            match Address::parse(&kind, &place, &text, self.private) {
                Some(to) => {
                    let message = Message { id: MessageId { run, number }, sent, name: name.into(), text };
                    entries.push((id, AddressedMessage { message, to }));
                }
                None => self.log.warn(format_args!(
                    "entry {id} of the log is left out: a newer server wrote it, of a kind that this one does not know"
                )),
            }
        }
        entries
    }
}

type Columns = (i64, i64, i64, i64, String, String, String, String);

/// The id of the entry with which the oldest run started that has not ended.
fn first_running(entries: &[(i64, AddressedMessage)]) -> Option<i64> {
    let ended = entries.iter().filter_map(|(_, entry)| match entry.to {
        Address::Servers(Change::Dead(run)) => Some(run),
        _ => None,
    });
    let ended: HashSet<i64> = ended.collect();
    let mut started = entries.iter().filter(|(_, entry)| entry.to == Address::Servers(Change::Start));
    started.find(|(_, entry)| !ended.contains(&entry.message.id.run)).map(|(id, _)| *id)
}
