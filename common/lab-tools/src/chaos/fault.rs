//! What is done to the servers, to Redis, to MariaDB and to the links between them.

use rand::RngExt;
use rand::rngs::StdRng;
use std::fmt;

/// How many servers a run has.
pub const SERVERS: usize = 3;

/// What a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTo {
    /// From users to this server.
    Server,
    /// From this server to Redis.
    Redis,
    /// From this server to MariaDB.
    Database,
}

/// What is done. Servers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and later a new one.
    KillServer(usize),
    /// SIGSTOP, and later SIGCONT.
    PauseServer(usize),
    /// SIGKILL, and later an empty one.
    KillRedis,
    /// SIGKILL, and later one with the data of the beginning of the run.
    AgeRedis,
    /// FLUSHALL: it has no end.
    EmptyRedis,
    /// SIGSTOP, and later SIGCONT.
    FreezeRedis,
    /// SIGKILL, and later a restart with the same data.
    KillDatabase,
    /// SIGSTOP, and later SIGCONT.
    FreezeDatabase,
    /// All connections of the link are reset, and new ones until the end. The last requests have
    /// arrived, their answers have not.
    Cut(LinkTo, usize),
    /// Nothing is carried, and no connection ends.
    Freeze(LinkTo, usize),
    /// Everything comes later.
    Delay(LinkTo, usize),
    /// Only so many bytes a second are carried.
    LimitRate(LinkTo, usize),
    /// Everything comes byte by byte.
    Split(LinkTo, usize),
    /// The connections that there are end in one direction: it has no end.
    HalfClose(LinkTo, usize),
    /// The connections that there are become half-open: they carry nothing any more, and no
    /// side is told. It has no end. Not of users: they would wait for ever, rightly.
    Lose(LinkTo, usize),
}

impl Fault {
    /// Draws one.
    pub fn draw(random: &mut StdRng) -> Fault {
        let server = random.random_range(0..SERVERS);
        let to = [LinkTo::Server, LinkTo::Redis, LinkTo::Database][random.random_range(0..3)];
        // What ends a process is more likely than what a link does, but for the loss of an answer
        // of the database: was it stored?
        match random.random_range(0..19) {
            0..=2 => Fault::KillServer(server),
            3 | 4 => Fault::PauseServer(server),
            5 => Fault::KillRedis,
            6 => Fault::EmptyRedis,
            7 => Fault::FreezeRedis,
            8 => Fault::KillDatabase,
            9 => Fault::Cut(LinkTo::Database, server),
            10 => Fault::FreezeDatabase,
            11 => Fault::Cut(to, server),
            12 => Fault::Freeze(to, server),
            13 => Fault::Delay(to, server),
            14 => Fault::AgeRedis,
            15 => Fault::HalfClose(to, server),
            16 => Fault::LimitRate(to, server),
            17 => Fault::Lose(if to == LinkTo::Server { LinkTo::Redis } else { to }, server),
            _ => Fault::Split(to, server),
        }
    }

    /// Returns `true` if the two may not happen at the same time.
    pub fn concerns_the_same_as(self, other: Fault) -> bool {
        use Fault::{
            AgeRedis, EmptyRedis, FreezeDatabase, FreezeRedis, KillDatabase, KillRedis, KillServer,
            PauseServer,
        };
        let of_redis = |fault| matches!(fault, KillRedis | AgeRedis | EmptyRedis | FreezeRedis);
        match (self, other) {
            (KillServer(a) | PauseServer(a), KillServer(b) | PauseServer(b)) => a == b,
            (KillDatabase | FreezeDatabase, KillDatabase | FreezeDatabase) => true,
            _ if of_redis(self) => of_redis(other),
            _ => self.link().is_some() && self.link() == other.link(),
        }
    }

    /// The link that this is done to.
    fn link(self) -> Option<(LinkTo, usize)> {
        match self {
            Fault::Cut(to, n)
            | Fault::Freeze(to, n)
            | Fault::Delay(to, n)
            | Fault::LimitRate(to, n)
            | Fault::Split(to, n)
            | Fault::HalfClose(to, n)
            | Fault::Lose(to, n) => Some((to, n)),
            _ => None,
        }
    }

    /// Where it happens: a server, Redis or MariaDB; for a link, its server.
    pub fn place(self) -> String {
        match self {
            Fault::KillRedis | Fault::AgeRedis | Fault::EmptyRedis | Fault::FreezeRedis => "Redis".to_owned(),
            Fault::KillDatabase | Fault::FreezeDatabase => "MariaDB".to_owned(),
            Fault::KillServer(n) | Fault::PauseServer(n) => format!("server-{}", n + 1),
            _ => self.link().map(|(_, n)| format!("server-{}", n + 1)).unwrap_or_default(),
        }
    }

    /// Returns `true` if a server may be declared dead rightly for this: it was killed or
    /// paused, or could not reach the database.
    pub fn may_kill(self) -> bool {
        use Fault::{FreezeDatabase, KillDatabase, KillServer, PauseServer};
        matches!(self, KillServer(_) | PauseServer(_) | KillDatabase | FreezeDatabase)
            || self.link().is_some_and(|(to, _)| to == LinkTo::Database)
    }

    /// Returns `true` if connections of users of [its place](Self::place) may end for this. If
    /// the place is MariaDB, all servers' may.
    pub fn may_disconnect(self) -> bool {
        self.may_kill() || self.link().is_some_and(|(to, _)| to == LinkTo::Server)
    }

    /// Returns `true` if server `n` cannot start during this.
    pub fn prevents_start_of(self, n: usize) -> bool {
        match self {
            Fault::KillRedis
            | Fault::AgeRedis
            | Fault::FreezeRedis
            | Fault::KillDatabase
            | Fault::FreezeDatabase => true,
            _ => self.link().is_some_and(|(to, server)| server == n && to != LinkTo::Server),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = |to, n: &usize| match to {
            LinkTo::Server => format!("the link of users to server-{}", n + 1),
            LinkTo::Redis => format!("the link of server-{} to Redis", n + 1),
            LinkTo::Database => format!("the link of server-{} to MariaDB", n + 1),
        };
        match self {
            Fault::KillServer(n) => write!(f, "server-{} is killed and started again", n + 1),
            Fault::PauseServer(n) => write!(f, "server-{} is stopped (SIGSTOP)", n + 1),
            Fault::KillRedis => f.write_str("Redis is killed and started again, empty"),
            Fault::AgeRedis => f.write_str("Redis is killed and started again with old data"),
            Fault::EmptyRedis => f.write_str("Redis loses its data (FLUSHALL)"),
            Fault::FreezeRedis => f.write_str("Redis is stopped (SIGSTOP)"),
            Fault::KillDatabase => f.write_str("MariaDB is killed and started again"),
            Fault::FreezeDatabase => f.write_str("MariaDB is stopped (SIGSTOP)"),
            Fault::Cut(to, n) => write!(f, "{} is cut", link(*to, n)),
            Fault::Freeze(to, n) => write!(f, "{} is frozen", link(*to, n)),
            Fault::Delay(to, n) => write!(f, "{} is slow", link(*to, n)),
            Fault::LimitRate(to, n) => write!(f, "{} carries few bytes a second", link(*to, n)),
            Fault::Split(to, n) => write!(f, "{} carries byte by byte", link(*to, n)),
            Fault::HalfClose(to, n) => write!(f, "{} is half-closed: its server's side ends", link(*to, n)),
            Fault::Lose(to, n) => write!(f, "{} loses its connections, and no side is told", link(*to, n)),
        }
    }
}
