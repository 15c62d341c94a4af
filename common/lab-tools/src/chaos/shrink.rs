//! Makes a schedule that fails shorter: a fault that a run fails without is not needed.

use super::schedule::Schedule;

/// Leaves out one fault after the other, as long as a run `fails` without it, in so many
/// runs at most. Returns how many runs it took.
///
/// A run that fails by chance only may pass without a fault that is not needed. So the
/// result need not be the shortest, but it has failed itself.
///
/// # Errors
/// What `fails` says.
pub fn shrink<E>(
    schedule: Schedule,
    runs: u32,
    mut fails: impl FnMut(&Schedule) -> Result<bool, E>,
) -> Result<u32, E> {
    let mut shortest = schedule;
    let mut done = 0;
    let mut needed = 0;
    // Those before `needed` are needed.
    while needed < shortest.faults.len() && shortest.faults.len() > 1 && done < runs {
        let shorter = shortest.without(needed);
        done += 1;
        match fails(&shorter)? {
            true => shortest = shorter,
            false => needed += 1,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shrinks a schedule of eight faults that fails while it has all of these. Returns the
    /// numbers of the shortest that failed, and the count of runs.
    fn shrunk(fails_with: &[usize], runs: u32) -> (Vec<usize>, u32) {
        let mut shortest = (1..=8).collect();
        let done = shrink(Schedule::draw(1, 8), runs, |schedule| {
            let numbers = schedule.numbers();
            let fails = fails_with.iter().all(|number| numbers.contains(number));
            if fails {
                shortest = numbers;
            }
            Ok::<_, ()>(fails)
        });
        (shortest, done.unwrap())
    }

    #[test]
    fn what_is_needed_stays_and_all_else_goes() {
        assert_eq!(shrunk(&[2, 7], 100).0, [2, 7]);
        assert_eq!(shrunk(&[8], 100).0, [8]);
        assert_eq!(shrunk(&[1, 2, 3, 4, 5, 6, 7, 8], 100).0, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn it_ends_after_so_many_runs() {
        assert_eq!(shrunk(&[8], 3), (vec![4, 5, 6, 7, 8], 3));
        assert_eq!(shrunk(&[8], 0).1, 0);
    }
}
