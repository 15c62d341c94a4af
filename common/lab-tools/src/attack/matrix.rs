//! Every attack on every stage.

use super::cancellation::Cancellation;
use super::catalog::{ATTACKS, Attack};
use super::finding::Outcome;
use super::try_it;
use anyhow::{Context, bail};
use lab::registry::Stage;
use lab::workspace::Programs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many attacks run side by side; most of the time they wait.
const SIDE_BY_SIDE: usize = 6;

type Job<'a> = (&'a Attack, &'a Stage, &'a Programs);

/// What came of each attack (rows, in the catalog's order) on each stage.
///
/// # Errors
/// With all that could not be tried.
pub fn all(stages: &[(&Stage, Programs)], cancellation: &Cancellation) -> anyhow::Result<Vec<Vec<Outcome>>> {
    let jobs: Vec<Job<'_>> = ATTACKS
        .iter()
        .flat_map(|attack| stages.iter().map(move |(stage, programs)| (attack, *stage, programs)))
        .collect();
    let results: Vec<Mutex<Option<super::Result>>> = jobs.iter().map(|_| Mutex::default()).collect();
    let run = |at: usize| {
        let (attack, stage, programs) = jobs[at];
        let result = try_it(attack, stage, programs, None, cancellation, false);
        *results[at].lock().expect("nobody panics with it") = Some(result);
    };
    // Those that measure time have the machine for themselves, afterwards.
    let (alone, together): (Vec<usize>, Vec<usize>) = (0..jobs.len()).partition(|&at| jobs[at].0.alone);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                // A program ends with the thread that started it; each attack
                // ends its own before it is over.
                while let Some(&at) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(at);
                }
            });
        }
    });
    alone.into_iter().for_each(run);
    cancellation.check()?;
    gather(&jobs, results, stages.len())
}

fn gather(
    jobs: &[Job<'_>],
    results: Vec<Mutex<Option<super::Result>>>,
    columns: usize,
) -> anyhow::Result<Vec<Vec<Outcome>>> {
    let mut outcomes = Vec::new();
    let mut errors = Vec::new();
    for (result, (attack, stage, _)) in results.into_iter().zip(jobs) {
        let result = result.into_inner().ok().flatten();
        match result.with_context(|| format!("{} on stage {} was not run", attack.name, stage.number))? {
            Ok(finding) => outcomes.push(finding.outcome),
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    if !errors.is_empty() {
        bail!("{}", errors.join("\n\n"));
    }
    Ok(outcomes.chunks(columns).map(<[Outcome]>::to_vec).collect())
}
