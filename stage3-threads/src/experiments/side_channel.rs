//! A side channel: what a comparison reveals by the time that it takes.
//!
//! A comparison that stops at the first difference takes longer the more of the
//! guess is right. So a secret of 8 letters is guessed letter by letter: 8 times
//! 26 tries in place of 26 to the power of 8.

use super::{row, section, title};
use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Letters of the secret.
pub const LENGTH: usize = 8;
/// What a letter can be.
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// Comparisons in one measurement: one alone is shorter than a look at the clock.
const BATCH: u32 = 500;

/// How long one of the two tables or one of the sixteen letters may take, so
/// that all of them end within ten seconds wherever this runs.
const BUDGET: Duration = Duration::from_millis(400);

/// What can be changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Measurements of each guess; the median of them counts
    #[arg(long, default_value_t = 35, value_parser = clap::value_parser!(u16).range(3..=101))]
    pub samples: u16,
}

/// A way of comparing: returns `true` if the two are equal, and how many bytes it
/// looked at. A clock measures the count indirectly; a real comparison would not
/// return it.
pub type Compare = fn(&[u8], &[u8]) -> (bool, usize);

/// Stops at the first difference, as `==` on slices may.
pub fn early_exit(secret: &[u8], guess: &[u8]) -> (bool, usize) {
    for (position, (a, b)) in secret.iter().zip(guess).enumerate() {
        if a != b {
            return (false, position + 1);
        }
    }
    (secret.len() == guess.len(), secret.len().min(guess.len()))
}

/// Looks at every byte, whatever it has seen so far.
///
/// For the lesson only. A program uses the crate `subtle`, or a MAC's own
/// `verify_slice` as stage 6 does: their authors check what compilers make of it.
pub fn constant_time(secret: &[u8], guess: &[u8]) -> (bool, usize) {
    let mut differences = 0;
    for (a, b) in secret.iter().zip(guess) {
        // Without `black_box` the compiler may see that after the first
        // difference the answer is settled, and make it an early exit again.
        differences |= black_box(a ^ b);
    }
    // The length is not secret: it is public how long a tag or a token is.
    let equal = differences == 0 && secret.len() == guess.len();
    (equal, secret.len().min(guess.len()))
}

/// The figures of all parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// By the number of right letters: bytes looked at, early exit and constant time.
    pub bytes: Vec<(usize, usize)>,
    /// By the number of right letters: median nanoseconds, likewise.
    pub nanoseconds: Vec<(f64, f64)>,
    /// Leading letters found by counting bytes, with the early exit.
    pub found_by_count: usize,
    /// The same against the comparison in constant time.
    pub found_by_count_constant: usize,
    /// Leading letters found by the clock alone, with the early exit.
    pub found_by_clock: usize,
    /// The same against the comparison in constant time.
    pub found_by_clock_constant: usize,
}

/// Measures both comparisons, then guesses the secret by what was measured.
///
/// # Errors
/// `out` cannot be written.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let secret: [u8; LENGTH] =
        rand::random::<[u8; LENGTH]>().map(|byte| ALPHABET[usize::from(byte) % ALPHABET.len()]);
    title(
        out,
        "side-channel",
        &[
            &format!(
                "A secret of {LENGTH} random letters is compared with guesses of which the first k letters are"
            ),
            "right: by a comparison that stops at the first difference, and by one that never stops.",
            "Then an attacker who knows only these figures guesses the secret, letter by letter.",
        ],
    )?;
    section(out, "What happened", &[])?;
    let (bytes, nanoseconds) = measure(out, &secret, options)?;
    let by_count = |compare: Compare| {
        attack(&secret, &|guess| guess.iter().map(|g| compare(&secret, g).1 as f64).collect())
    };
    let by_clock =
        |compare: Compare| attack(&secret, &|guess| medians(compare, &secret, guess, options.samples));
    let outcome = Outcome {
        bytes,
        nanoseconds,
        found_by_count: by_count(early_exit),
        found_by_count_constant: by_count(constant_time),
        found_by_clock: by_clock(early_exit),
        found_by_clock_constant: by_clock(constant_time),
    };
    let tries = LENGTH * ALPHABET.len();
    row(
        out,
        "guessed by counting bytes, early exit",
        format_args!("{} of {LENGTH} letters, {tries} guesses", outcome.found_by_count),
    )?;
    row(
        out,
        "guessed by counting bytes, constant time",
        format_args!("{} of {LENGTH} letters", outcome.found_by_count_constant),
    )?;
    row(
        out,
        "guessed by the clock alone, early exit",
        format_args!("{} of {LENGTH} letters", outcome.found_by_clock),
    )?;
    row(
        out,
        "guessed by the clock alone, constant time",
        format_args!("{} of {LENGTH} letters", outcome.found_by_clock_constant),
    )?;
    section(
        out,
        "Why",
        &[
            "Early exit: one more right letter is one more byte looked at, a nanosecond or so. That is",
            "lost in the noise of one measurement, not in the median of many, over a network too, with",
            "more of them. So a secret is compared in full, always: password hashes, tokens, the tags",
            "of stage 6. A letter found in constant time is luck, one chance in 26 each.",
            "It does not matter which column has the larger figures: the loops differ. It matters that",
            "one column grows and the other does not.",
            "The count is certain, the clock is not: on a busy machine it finds fewer letters.",
        ],
    )?;
    Ok(outcome)
}

type Tables = (Vec<(usize, usize)>, Vec<(f64, f64)>);

/// Guesses with 0, 1, … right letters: bytes looked at and time taken.
fn measure(out: &mut impl Write, secret: &[u8], options: &Options) -> io::Result<Tables> {
    let guesses: Vec<Vec<u8>> = (0..=secret.len())
        .map(|right| {
            secret.iter().enumerate().map(|(i, byte)| if i < right { *byte } else { b'?' }).collect()
        })
        .collect();
    let early = medians(early_exit, secret, &guesses, options.samples);
    let constant = medians(constant_time, secret, &guesses, options.samples);
    let bytes = guesses
        .iter()
        .map(|guess| (early_exit(secret, guess).1, constant_time(secret, guess).1))
        .collect::<Vec<_>>();
    let nanoseconds = early.into_iter().zip(constant).collect::<Vec<_>>();
    row(out, "right letters", "early exit           constant time")?;
    for (right, (bytes, times)) in bytes.iter().zip(&nanoseconds).enumerate() {
        row(
            out,
            &format!("{right:>13}"),
            format_args!("{} bytes, {:5.1} ns   {} bytes, {:5.1} ns", bytes.0, times.0, bytes.1, times.1,),
        )?;
    }
    Ok((bytes, nanoseconds))
}

/// Median nanoseconds of one comparison with each of the guesses.
///
/// The guesses are measured in turn, so that a slow moment of the machine slows all of
/// them alike. The median ignores the samples in which the thread lost its core.
fn medians(compare: Compare, secret: &[u8], guesses: &[Vec<u8>], samples: u16) -> Vec<f64> {
    let mut measured = vec![Vec::with_capacity(samples.into()); guesses.len()];
    let began = Instant::now();
    for _ in 0..samples {
        // On a busy machine fewer samples must be enough, but at least one.
        if began.elapsed() > BUDGET && !measured[0].is_empty() {
            break;
        }
        for (guess, measured) in guesses.iter().zip(&mut measured) {
            let start = Instant::now();
            for _ in 0..BATCH {
                black_box(compare(black_box(secret), black_box(guess)));
            }
            measured.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH));
        }
    }
    measured
        .into_iter()
        .map(|mut samples| {
            samples.sort_by(f64::total_cmp);
            samples[samples.len() / 2]
        })
        .collect()
}

/// Guesses letter by letter, each time the one whose comparison cost most.
/// Returns how many letters from the beginning came out right.
fn attack(secret: &[u8], cost: &dyn Fn(&[Vec<u8>]) -> Vec<f64>) -> usize {
    let mut known: Vec<u8> = Vec::new();
    while known.len() < secret.len() {
        let guesses: Vec<Vec<u8>> = ALPHABET
            .iter()
            .map(|letter| {
                let mut guess = known.clone();
                guess.push(*letter);
                // Not a letter of the alphabet: so the rest is certainly wrong.
                guess.resize(secret.len(), b'?');
                guess
            })
            .collect();
        // The last letter does not change the cost, but the answer tells.
        let right = guesses.iter().position(|guess| guess == secret);
        let costs = cost(&guesses);
        let dearest = costs.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
        known.push(ALPHABET[right.unwrap_or(dearest)]);
    }
    known.iter().zip(secret).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_comparisons_agree_on_what_is_equal() {
        for compare in [early_exit, constant_time] as [Compare; 2] {
            assert!(compare(b"secret", b"secret").0);
            assert!(compare(b"", b"").0);
            for guess in [&b"Secret"[..], b"secreT", b"secre", b"secrets", b""] {
                assert!(!compare(b"secret", guess).0, "{guess:?}");
            }
        }
    }

    #[test]
    fn counting_finds_nothing_in_constant_time() {
        let secret = b"bcdefghi";
        let count = |guesses: &[Vec<u8>]| guesses.iter().map(|g| constant_time(secret, g).1 as f64).collect();
        // Among equals `max_by` takes the last letter, z, which is wrong here.
        assert_eq!(attack(secret, &count), 0);
    }
}
