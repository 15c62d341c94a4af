//! Which faults happen when: drawn from a seed.

use super::fault::Fault;
use super::history::{DoneFault, Millis};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::time::Duration;

/// Before the first fault.
const FIRST: Duration = Duration::from_millis(500);

/// Between two faults of one thing, at least.
const REST: Duration = Duration::from_millis(500);

/// A fault, and when it begins and ends, both counted from the beginning of the run.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Its place among those that were drawn, from 1 on.
    pub number: usize,
    /// What.
    pub fault: Fault,
    /// Its beginning.
    pub begins: Duration,
    /// Its end.
    pub ends: Duration,
}

/// The faults of a run, by their beginnings.
#[derive(Clone)]
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
                Fault::EmptyRedis | Fault::HalfClose(..) | Fault::Lose(..) => 0,
                // Short, or long enough to be declared dead for it.
                Fault::PauseServer(_) if random.random_bool(0.6) => random.random_range(8000..10_000),
                _ => random.random_range(300..5000),
            });
            let same = faults.iter().filter(|planned| planned.fault.concerns_the_same_as(fault));
            let free = same.map(|planned| planned.ends + REST).max().unwrap_or_default();
            let begins = next.max(free);
            faults.push(Planned { number: 0, fault, begins, ends: begins + lasts });
            next += Duration::from_millis(random.random_range(200..2500));
        }
        faults.sort_by_key(|planned| planned.begins);
        faults.iter_mut().zip(1..).for_each(|(planned, number)| planned.number = number);
        Schedule { seed, faults }
    }

    /// Those of these numbers only, at the same times.
    pub fn only(mut self, numbers: &[usize]) -> Schedule {
        self.faults.retain(|planned| numbers.contains(&planned.number));
        self
    }

    /// All but the one at this place.
    pub fn without(&self, place: usize) -> Schedule {
        let mut shorter = self.clone();
        shorter.faults.remove(place);
        shorter
    }

    /// What is done in a run in which it begins at this time.
    pub fn done(&self, begins: Millis) -> Vec<DoneFault> {
        let at = |time: Duration| begins + time.as_millis() as Millis;
        let done = |planned: &Planned| DoneFault {
            number: planned.number,
            place: planned.fault.place(),
            may_disconnect: planned.fault.may_disconnect(),
            what: planned.fault.to_string(),
            begins: at(planned.begins),
            ends: at(planned.ends),
        };
        self.faults.iter().map(done).collect()
    }

    /// The numbers of its faults.
    pub fn numbers(&self) -> Vec<usize> {
        self.faults.iter().map(|planned| planned.number).collect()
    }

    /// Returns `true` if a server may be declared dead rightly: one was killed or paused, or
    /// could not reach the database.
    pub fn may_kill(&self) -> bool {
        self.faults.iter().any(|planned| planned.fault.may_kill())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { number, fault, begins, ends } in &self.faults {
            let [begins, ends] = [begins, ends].map(Duration::as_secs_f32);
            writeln!(f, "  {number:>2}. {begins:>5.1} s to {ends:>5.1} s  {fault}")?;
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
        for kind in [
            "killed and started again\n",
            "again, empty",
            "old data",
            "FLUSHALL",
            "is stopped",
            "cut",
            "frozen",
            "slow",
            "few bytes a second",
            "byte by byte",
            "half-closed",
            "loses its connections",
        ] {
            assert!(drawn.contains(kind), "{kind}");
        }
    }
}
