//! Which faults happen when: drawn from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::time::Duration;

/// How many servers a run has.
pub const SERVERS: usize = 3;

/// Before the first fault.
const FIRST: Duration = Duration::from_millis(500);

/// Between two faults of one thing, at least.
const REST: Duration = Duration::from_millis(500);

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
    /// FLUSHALL: it has no end.
    EmptyRedis,
    /// SIGSTOP, and later SIGCONT.
    FreezeRedis,
    /// SIGKILL, and later a restart with the same data.
    KillDatabase,
    /// SIGSTOP, and later SIGCONT.
    FreezeDatabase,
    /// All connections of the link are reset, and new ones until the end.
    Cut(LinkTo, usize),
    /// Nothing is carried, and no connection ends.
    Freeze(LinkTo, usize),
    /// Everything comes later.
    Delay(LinkTo, usize),
}

/// A fault, and when it begins and ends, both counted from the beginning of the run.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// Its beginning.
    pub begins: Duration,
    /// Its end.
    pub ends: Duration,
}

/// The faults of a run, by their beginnings.
pub struct Schedule {
    /// It draws the same faults again.
    pub seed: u64,
    /// Them.
    pub faults: Vec<Planned>,
}

impl Schedule {
    /// Draws so many faults. They may overlap, but not two of one thing.
    pub fn draw(seed: u64, count: usize) -> Schedule {
        let mut random = StdRng::seed_from_u64(seed);
        let mut faults: Vec<Planned> = Vec::new();
        let mut next = FIRST;
        for _ in 0..count {
            let fault = Fault::draw(&mut random);
            let lasts = Duration::from_millis(match fault {
                Fault::EmptyRedis => 0,
                // Short, or long enough to be declared dead for it.
                Fault::PauseServer(_) if random.random_bool(0.4) => random.random_range(8000..10_000),
                _ => random.random_range(300..5000),
            });
            let same = faults.iter().filter(|planned| planned.fault.concerns_the_same_as(fault));
            let free = same.map(|planned| planned.ends + REST).max().unwrap_or_default();
            let begins = next.max(free);
            faults.push(Planned { fault, begins, ends: begins + lasts });
            next += Duration::from_millis(random.random_range(200..2500));
        }
        faults.sort_by_key(|planned| planned.begins);
        Schedule { seed, faults }
    }

    /// Returns `true` if a server may be declared dead rightly: one was killed or paused, or
    /// could not reach the database.
    pub fn may_kill(&self) -> bool {
        let only_redis = |fault| {
            matches!(
                fault,
                Fault::KillRedis
                    | Fault::EmptyRedis
                    | Fault::FreezeRedis
                    | Fault::Cut(LinkTo::Redis | LinkTo::Server, _)
                    | Fault::Freeze(LinkTo::Redis | LinkTo::Server, _)
                    | Fault::Delay(LinkTo::Redis | LinkTo::Server, _)
            )
        };
        !self.faults.iter().all(|planned| only_redis(planned.fault))
    }
}

impl Fault {
    fn draw(random: &mut StdRng) -> Fault {
        let server = random.random_range(0..SERVERS);
        let to = [LinkTo::Server, LinkTo::Redis, LinkTo::Database][random.random_range(0..3)];
        // What ends a process is more likely than what a link does.
        match random.random_range(0..14) {
            0..=2 => Fault::KillServer(server),
            3 | 4 => Fault::PauseServer(server),
            5 => Fault::KillRedis,
            6 => Fault::EmptyRedis,
            7 => Fault::FreezeRedis,
            8 | 9 => Fault::KillDatabase,
            10 => Fault::FreezeDatabase,
            11 => Fault::Cut(to, server),
            12 => Fault::Freeze(to, server),
            _ => Fault::Delay(to, server),
        }
    }

    fn concerns_the_same_as(self, other: Fault) -> bool {
        use Fault::{
            EmptyRedis, FreezeDatabase, FreezeRedis, KillDatabase, KillRedis, KillServer, PauseServer,
        };
        match (self, other) {
            (KillServer(a) | PauseServer(a), KillServer(b) | PauseServer(b)) => a == b,
            (KillRedis | EmptyRedis | FreezeRedis, KillRedis | EmptyRedis | FreezeRedis)
            | (KillDatabase | FreezeDatabase, KillDatabase | FreezeDatabase) => true,
            _ => self.link().is_some() && self.link() == other.link(),
        }
    }

    /// The link that this is done to.
    fn link(self) -> Option<(LinkTo, usize)> {
        match self {
            Fault::Cut(to, n) | Fault::Freeze(to, n) | Fault::Delay(to, n) => Some((to, n)),
            _ => None,
        }
    }

    /// Returns `true` if server `n` cannot start during this.
    pub fn prevents_start_of(self, n: usize) -> bool {
        match self {
            Fault::KillRedis | Fault::FreezeRedis | Fault::KillDatabase | Fault::FreezeDatabase => true,
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
            Fault::EmptyRedis => f.write_str("Redis loses its data (FLUSHALL)"),
            Fault::FreezeRedis => f.write_str("Redis is stopped (SIGSTOP)"),
            Fault::KillDatabase => f.write_str("MariaDB is killed and started again"),
            Fault::FreezeDatabase => f.write_str("MariaDB is stopped (SIGSTOP)"),
            Fault::Cut(to, n) => write!(f, "{} is cut", link(*to, n)),
            Fault::Freeze(to, n) => write!(f, "{} is frozen", link(*to, n)),
            Fault::Delay(to, n) => write!(f, "{} is slow", link(*to, n)),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { fault, begins, ends } in &self.faults {
            writeln!(f, "  {:>5.1} s to {:>5.1} s  {fault}", begins.as_secs_f32(), ends.as_secs_f32())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_schedule_again() {
        assert_eq!(Schedule::draw(7, 9).to_string(), Schedule::draw(7, 9).to_string());
        assert_ne!(Schedule::draw(7, 9).to_string(), Schedule::draw(8, 9).to_string());
    }

    #[test]
    fn two_faults_of_one_thing_do_not_overlap() {
        for seed in 0..300 {
            let faults = Schedule::draw(seed, 12).faults;
            for (n, one) in faults.iter().enumerate() {
                for other in &faults[n + 1..] {
                    let overlap = other.begins < one.ends && one.begins < other.ends;
                    assert!(!(overlap && one.fault.concerns_the_same_as(other.fault)), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn every_kind_of_fault_is_drawn() {
        let drawn: Vec<String> = (0..60).map(|seed| Schedule::draw(seed, 5).to_string()).collect();
        let drawn = drawn.concat();
        for kind in
            ["killed and started again\n", "again, empty", "FLUSHALL", "is stopped", "cut", "frozen", "slow"]
        {
            assert!(drawn.contains(kind), "{kind}");
        }
    }
}
