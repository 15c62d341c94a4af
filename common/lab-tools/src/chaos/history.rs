//! What happened in a run, as far as users can know it.

use serde::Serialize;

/// A message in the lobby: `name: text`. Each is said once, so equal ones are the same.
pub type Line = String;

/// Milliseconds since the beginning of the run.
pub type Millis = u64;

/// A fault that was done.
#[derive(Clone, Debug, Serialize)]
pub struct DoneFault {
    /// Its number in the schedule that was drawn, from 1 on.
    pub number: usize,
    /// `server-1`, `Redis` or `MariaDB`: for a link, its server.
    pub place: String,
    /// Returns `true` if connections of users to this place may end for it; to all servers, if
    /// the place is MariaDB.
    pub may_disconnect: bool,
    /// What was done.
    pub what: String,
    /// When it began.
    pub begins: Millis,
    /// When it ended.
    pub ends: Millis,
}

/// A connection of a user that was logged in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Session {
    /// The user.
    pub user: String,
    /// Its number among the connections of this scripted user, for reports.
    pub number: usize,
    /// The server, from 1 on.
    pub server: usize,
    /// The end of the history that it was shown when it came in.
    pub earlier: Vec<Line>,
    /// What it was shown since then.
    pub shown: Vec<Line>,
    /// What it said.
    pub sent: Vec<Line>,
    /// How often it was told that a message is not stored.
    pub refused: usize,
    /// What it was told of Redis: `true` is that it is away, `false` that it is back.
    pub redis_away: Vec<bool>,
    /// When it was shown each of `shown`, and said each of `sent`.
    pub shown_at: Vec<Millis>,
    /// See there.
    pub sent_at: Vec<Millis>,
    /// When it was let in.
    pub begins: Millis,
    /// When it ended, if it has.
    pub ends: Option<Millis>,
    /// Returns `true` if it is still open.
    pub is_open: bool,
    /// The users in the lobby by the last list that it was shown.
    pub list: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    /// The lobby's messages in the database, in their order.
    pub database: Vec<Line>,
    /// Of all users.
    pub sessions: Vec<Session>,
    /// What was done meanwhile.
    pub faults: Vec<DoneFault>,
    /// Users that come back whenever their connection ends.
    pub returning: Vec<String>,
    /// Names that several scripted users take from each other.
    pub shared_names: Vec<String>,
    /// Returns `true` if a server may be declared dead rightly.
    pub may_declare_dead: bool,
    /// How often a server was declared dead, by the logs.
    pub declared_dead: usize,
}
