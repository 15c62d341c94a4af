//! `lab hunt N`: the checks the other way round. A student writes scripts as text
//! ([`script`]). Each is played ([`play`]) against right servers, where it must
//! hold, and against many wrong ones ([`servers`]): a wrong server is caught when a
//! script does not hold there. The score is how many are caught.
//!
//! A wrong server that no script catches does all that the scripts ask for. The
//! rule of the contract that it breaks is the next script to write.

mod play;
mod script;
mod servers;

use anyhow::{Context, bail};
use clap::Args;
use lab::registry::Stage;
use lab::say;
use play::{Difference, play};
use script::{Script, parse};
use servers::{Fault, Servers};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Wrong servers that are tried at once. Nearly all of their time is waiting.
const AT_ONCE: usize = 8;
/// A script that fails on a right server is played again before it is called
/// wrong, and one that fails on a wrong server before that one is caught: the
/// machine may have been busy.
const TRIES: u32 = 3;
/// Their scripts are plain text.
const STAGES: std::ops::RangeInclusive<u16> = 2..=5;
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
    /// The stage's number, 2 to 5
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
    /// Only the lines of some stages can be written as text.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn fit(stage: &Stage) -> Result<(), String> {
        if STAGES.contains(&stage.number) {
            return Ok(());
        }
        let (first, last) = (STAGES.start(), STAGES.end());
        Err(format!(
            "`make hunt` is for stages {first} to {last}: scripts of stage {} are no plain text",
            stage.number
        ))
    }
}

/// Plays the scripts and prints the score. Gives `false` when a script does not
/// hold for a right server.
///
/// # Errors
/// When a file cannot be read or understood, or no server can be started.
pub fn run(stage: &Stage, options: &Options) -> anyhow::Result<bool> {
    if options.example {
        let example = if stage.number < 4 { include_str!("echo.txt") } else { include_str!("room.txt") };
        say!("{}", example.trim_end());
        return Ok(true);
    }
    let scripts = scripts(stage, &options.files)?;
    let servers = Servers::of(stage.number)?;
    let mut hunt = Hunt { servers: &servers, caught: BTreeMap::new() };
    let mut all_hold = true;
    for script in &scripts {
        all_hold &= hunt.with(script)?;
    }
    hunt.print_score(options.reveal)?;
    Ok(all_hold)
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
        scripts.extend(parse(&text, &title(file)).with_context(|| file.display().to_string())?);
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

/// What has been caught so far.
struct Hunt<'a> {
    servers: &'a Servers,
    /// The caught faults, by name, and how many scripts catch each.
    caught: BTreeMap<String, usize>,
}

impl Hunt<'_> {
    /// Plays one script against all servers and prints what it catches. Gives
    /// `false` when it does not hold for a right server.
    fn with(&mut self, script: &Script) -> anyhow::Result<bool> {
        for loose in [false, true] {
            if let Some(difference) = self.fails_right(script, loose)? {
                say!("{}: not counted, it does not hold for a right server\n{difference}", script.title);
                if loose {
                    say!("  (this right server makes use of what the contract leaves open, the order of two");
                    say!("  senders' lines and of notices between them)");
                }
                return Ok(false);
            }
        }
        let caught = self.catches(script)?;
        let new = caught.iter().filter(|name| !self.caught.contains_key(*name)).count();
        say!(
            "{}: holds for right servers, catches {} wrong ones, {new} of them new",
            script.title,
            caught.len()
        );
        for name in caught {
            *self.caught.entry(name).or_default() += 1;
        }
        Ok(true)
    }

    fn fails_right(&self, script: &Script, loose: bool) -> anyhow::Result<Option<Difference>> {
        let mut difference = None;
        for patience in patience() {
            difference = play(script, &mut self.servers.right(loose)?, patience).err();
            if difference.is_none() {
                break;
            }
        }
        Ok(difference)
    }

    /// The names of the faults that this script catches.
    fn catches(&self, script: &Script) -> anyhow::Result<Vec<String>> {
        let (next, caught) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let work = || -> anyhow::Result<()> {
                while let Some(fault) = self.servers.faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if self.fails(script, fault)? {
                        caught.lock().expect("no thread panics with it").push(fault.name.clone());
                    }
                }
                Ok(())
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
        })?;
        Ok(caught.into_inner().expect("no thread panics with it"))
    }

    /// Returns `true` if the script fails each time. A difference that came at once
    /// is one; a line that did not come may be the machine's fault.
    fn fails(&self, script: &Script, fault: &Fault) -> anyhow::Result<bool> {
        for patience in patience() {
            match play(script, &mut self.servers.wrong(fault)?, patience) {
                Ok(()) => return Ok(false),
                Err(difference) if difference.came => return Ok(true),
                Err(_) => {}
            }
        }
        Ok(true)
    }

    fn print_score(&self, reveal: bool) -> anyhow::Result<()> {
        let faults = &self.servers.faults;
        say!("\nScore: {} of {} wrong servers are caught.", self.caught.len(), faults.len());
        let left: Vec<_> = faults.iter().filter(|fault| !self.caught.contains_key(&fault.name)).collect();
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
                say!("            it {}", fault.does);
            }
        }
        Ok(())
    }
}
