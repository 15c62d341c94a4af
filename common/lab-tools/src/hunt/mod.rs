//! `lab hunt N`: the checks the other way round. A student writes scripts as text
//! ([`script`]). Each is played ([`play`]) against right servers, where it must
//! hold, and against many wrong ones ([`servers`]): a wrong server is caught when a
//! script does not hold there. The score is how many are caught.
//!
//! A wrong server that no script catches does all that the scripts ask for. The
//! rule of the contract that it breaks is the next script to write.

mod faults;
mod play;
mod script;
mod servers;

use anyhow::{Context, bail};
use clap::Args;
use faults::Fault;
use lab::registry::Stage;
use lab::say;
use play::{Difference, play};
use script::{Language, Script, parse};
use servers::{FIRST_LOGIN, Server, Servers};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Servers that are tried at once. Nearly all of their time is waiting.
const AT_ONCE: usize = 32;
/// A script that fails on a right server is played again before it is called
/// wrong, and one that fails on a wrong server before that one is caught: the
/// machine may have been busy.
const TRIES: u32 = 3;
/// Those with a server whose clients can be scripted.
const STAGES: std::ops::RangeInclusive<u16> = 2..=8;
/// How long a server may take for a line, where a right one needs milliseconds. Each
/// further try takes twice as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The files to play.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lab hunt 4 --example > hunt4.txt   begin with this\n  \
    lab hunt 4                         play hunt4.txt\n  \
    lab hunt 4 one.txt two.txt         play other files\n\n\
    As make targets: make hunt 4, make hunt 4 ARGS=one.txt")]
pub struct Options {
    /// The stage's number, 2 to 8
    pub stage: Option<String>,
    /// Files with scripts [default: huntN.txt]
    files: Vec<PathBuf>,
    /// Print scripts to begin with, and explain their lines
    #[arg(long)]
    example: bool,
    /// Print what the wrong servers do that were not caught
    #[arg(long)]
    reveal: bool,
}

impl Options {
    /// The server of stage 1 does one thing.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn fit(stage: &Stage) -> Result<(), String> {
        if STAGES.contains(&stage.number) {
            return Ok(());
        }
        let (first, last) = (STAGES.start(), STAGES.end());
        Err(format!("`make hunt` is for stages {first} to {last}, and not for stage {}", stage.number))
    }
}

/// Plays the scripts and prints the score. Gives `false` when a script does not
/// hold for a right server.
///
/// # Errors
/// When a file cannot be read or understood, or no server can be started.
pub fn run(stage: &Stage, options: &Options) -> anyhow::Result<bool> {
    if options.example {
        say!("{}", example(stage.number).trim_end());
        return Ok(true);
    }
    let scripts = scripts(stage, &options.files)?;
    let hunt = Hunt { servers: Servers::of(stage.number)? };
    let differences = in_parallel(&scripts, |script| hunt.fails_right(script))?;
    let mut right = Vec::new();
    for (script, difference) in scripts.iter().zip(differences) {
        match difference {
            None => right.push(script),
            Some(difference) => say!("{}: not counted, {difference}", script.title),
        }
    }
    let caught_by = in_parallel(&hunt.servers.faults, |fault| hunt.caught_by(&right, fault))?;
    for (at, script) in right.iter().enumerate() {
        let count = caught_by.iter().filter(|by| **by == Some(at)).count();
        let more = if at == 0 { "" } else { " more" };
        say!("{}: holds for right servers, catches {count}{more} wrong ones", script.title);
    }
    hunt.print_score(&caught_by, options.reveal)?;
    Ok(right.len() == scripts.len())
}

/// What `work` makes of each item, in their order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        let take = || -> anyhow::Result<()> {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { return Ok(()) };
                let result = work(item)?;
                done.lock().expect("no thread panics with it").insert(at, result);
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(take)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })?;
    Ok(done.into_inner().expect("no thread panics with it").into_values().collect())
}

fn example(stage: u16) -> &'static str {
    match stage {
        ..4 => include_str!("echo.txt"),
        4 | 5 => include_str!("room.txt"),
        6 => concat!(include_str!("logins.txt"), include_str!("logins6.txt")),
        7 => concat!(include_str!("logins.txt"), include_str!("logins7.txt")),
        _ => concat!(include_str!("logins.txt"), include_str!("logins8.txt")),
    }
}

fn language(stage: u16) -> Language {
    if stage < FIRST_LOGIN { Language::Addresses } else { Language::Logins }
}

/// The scripts of all files.
fn scripts(stage: &Stage, files: &[PathBuf]) -> anyhow::Result<Vec<Script>> {
    let usual = [PathBuf::from(format!("hunt{}.txt", stage.number))];
    let files = if files.is_empty() { &usual[..] } else { files };
    let mut scripts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| {
            let n = stage.number;
            let more =
                "`make hunt N ARGS=--example` prints scripts to begin with".replace('N', &n.to_string());
            format!("cannot read {} ({more})", file.display())
        })?;
        let parsed = parse(&text, &title(file), language(stage.number));
        scripts.extend(parsed.with_context(|| file.display().to_string())?);
    }
    if scripts.is_empty() {
        bail!(
            "no script in {}",
            files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(scripts)
}

fn title(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn patience() -> impl Iterator<Item = Duration> {
    (0..TRIES).map(|n| PATIENCE * 2_u32.pow(n))
}

struct Hunt {
    servers: Servers,
}

impl Hunt {
    /// Where the script does not hold for a right server.
    fn fails_right(&self, script: &Script) -> anyhow::Result<Option<String>> {
        for loose in [false, true] {
            let mut difference = None;
            for patience in patience() {
                difference = self.play(script, self.servers.right(loose)?, patience).err();
                if difference.is_none() {
                    break;
                }
            }
            let Some(difference) = difference else { continue };
            let errors = if self.servers.has_logins() { ", and the words of most errors" } else { "" };
            let open = format!(
                "\n  (this right server makes use of what the contract leaves open, the order of two\n  \
                 senders' lines and of notices between them{errors})"
            );
            let open = if loose { &open } else { "" };
            return Ok(Some(format!("it does not hold for a right server\n{difference}{open}")));
        }
        Ok(None)
    }

    /// The place of the first script that catches this fault.
    fn caught_by(&self, scripts: &[&Script], fault: &Fault) -> anyhow::Result<Option<usize>> {
        for (at, script) in scripts.iter().enumerate() {
            if self.fails(script, fault)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn play(&self, script: &Script, mut server: Server, patience: Duration) -> Result<(), Difference> {
        play(script, &mut server, self.servers.keys.as_ref(), patience)
    }

    /// Returns `true` if the script fails each time. A difference that came at once
    /// is one; a line that did not come may be the machine's fault.
    fn fails(&self, script: &Script, fault: &Fault) -> anyhow::Result<bool> {
        for patience in patience() {
            match self.play(script, self.servers.wrong(fault)?, patience) {
                Ok(()) => return Ok(false),
                Err(difference) if difference.came => return Ok(true),
                Err(_) => {}
            }
        }
        Ok(true)
    }

    fn print_score(&self, caught_by: &[Option<usize>], reveal: bool) -> anyhow::Result<()> {
        let faults = &self.servers.faults;
        let caught = caught_by.iter().flatten().count();
        say!("\nScore: {caught} of {} wrong servers are caught.", faults.len());
        let left = faults.iter().zip(caught_by).filter(|(_, by)| by.is_none());
        let left: Vec<_> = left.map(|(fault, _)| fault).collect();
        if left.is_empty() {
            return Ok(());
        }
        say!("Not caught, by the rule of the contract that they break:");
        for (rule, says) in servers::rules()? {
            let of_rule = |faults: &[&Fault]| faults.iter().filter(|fault| fault.rule == rule).count();
            let missed = of_rule(&left);
            if missed > 0 {
                say!("  {missed} of {:<2}  {rule:<20} {says}", of_rule(&faults.iter().collect::<Vec<_>>()));
            }
            for fault in left.iter().filter(|fault| reveal && fault.rule == rule) {
                say!("            {}", fault.does);
            }
        }
        Ok(())
    }
}
