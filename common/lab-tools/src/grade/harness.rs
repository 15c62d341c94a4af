//! The graded checks of a stage, as a program that reports what it finds.
//!
//! It is built once, from this workspace, and is the same program that `make
//! check` runs; no submission takes part in building it.

use super::confined_command::CommandRunner;
use super::findings::{self, Findings};
use super::limits::Limits;
use super::supervisor::ConfinedCommand;
use super::tree::hex;
use anyhow::{Context, bail};
use lab::registry::Stage;
use lab::workspace::{cargo, root};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Variables that programs under test may see, besides those for the checks;
/// not all, since among an instructor's there may be keys.
const ENVIRONMENT: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "JAVA_HOME"];
/// What the checks themselves want to know: of machines that are slow, of
/// databases, of time limits.
const OF_THE_CHECKS: [&str; 5] = ["CHECK_", "TESTKIT_", "STAGE", "CHAT_CI", "CHAT_PYTHON"];

/// The checks of one stage.
pub struct Harness {
    stage: u16,
    program: PathBuf,
    folder: PathBuf,
    /// Tells other checks from these.
    pub digest: String,
    /// Every check is judged by itself.
    strict: bool,
    /// The names of all checks.
    pub names: Vec<String>,
}

/// What they are to grade.
pub enum Subject<'a> {
    /// The stage's own programs, in this folder.
    Programs(&'a Path),
    /// Commands, run in this folder.
    Commands { server: Option<&'a str>, client: Option<&'a str>, folder: &'a Path, at_once: Option<u8> },
}

impl Harness {
    /// Builds the checks of `stage` and keeps them in `cache`, so that nothing
    /// changes while submissions are graded. Cargo's progress is shown.
    ///
    /// # Errors
    /// When they do not build.
    pub fn build(stage: &Stage, cache: &Path, strict: bool) -> anyhow::Result<Harness> {
        let mut command = cargo();
        command.args(["test", "-p", &stage.package, "--test", "checks", "--no-run"]);
        command.arg("--message-format=json-render-diagnostics");
        let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
        if !output.status.success() {
            bail!("the checks of stage {} do not build: the compiler's message is above", stage.number);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut built = messages.filter(|message| message["target"]["name"] == "checks");
        let built = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
        let built = fs::read(built.context("cargo does not name the checks that it has built")?)
            .context("cannot read the checks")?;
        let mut digest = Sha256::new();
        digest.update(&built);
        digest.update([u8::from(strict)]);
        let digest = hex(digest);
        let program = cache.join("checks").join(format!("stage{}-{}", stage.number, &digest[..16]));
        keep(&program, &built)?;
        let names = listed(&program)?;
        Ok(Harness {
            stage: stage.number,
            program,
            folder: root().join(&stage.package),
            digest,
            strict,
            names,
        })
    }

    /// Runs the checks; `private` is a folder for all that is written meanwhile.
    ///
    /// # Errors
    /// When the run was interrupted or could not be watched.
    pub fn run(
        &self,
        subject: &Subject,
        private: &Path,
        limits: &Limits,
        runner: &CommandRunner,
    ) -> anyhow::Result<Findings> {
        let mut words = vec![self.program.to_string_lossy().into_owned()];
        words.extend(["--logfile", "/dev/null"].map(String::from));
        if self.strict {
            words.push("--strict".to_owned());
        }
        if let Subject::Commands { at_once: Some(number), .. } = subject {
            words.extend(["--test-threads".to_owned(), number.to_string()]);
        }
        let order = ConfinedCommand {
            words,
            folder: self.folder.clone(),
            environment: self.environment(subject, private)?,
            limits: limits.clone(),
            watched: private.to_owned(),
        };
        let ended = runner.run(&order)?;
        Ok(findings::understand(self.stage, subject, &ended))
    }

    fn environment(&self, subject: &Subject, private: &Path) -> anyhow::Result<Vec<(String, String)>> {
        let mut all = seen_from_outside();
        // Which programs are graded is not for our own environment to say.
        let named = |name: &str| ["_SERVER", "_CLIENT", "_PROGRAMS"].iter().any(|end| name.ends_with(end));
        all.retain(|(name, _)| OF_THE_CHECKS.iter().all(|start| !name.starts_with(start)) || !named(name));
        let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
        let stage = self.stage;
        match subject {
            Subject::Programs(folder) => add(&format!("STAGE{stage}_PROGRAMS"), &folder.to_string_lossy()),
            Subject::Commands { server, client, folder, .. } => {
                server.iter().for_each(|command| add(&format!("STAGE{stage}_SERVER"), command));
                client.iter().for_each(|command| add(&format!("STAGE{stage}_CLIENT"), command));
                add("PWD", &folder.to_string_lossy());
            }
        }
        for (name, folder) in [("HOME", "home"), ("TMPDIR", "tmp")] {
            let folder = private.join(folder);
            fs::create_dir_all(&folder).context("cannot make a folder")?;
            add(name, &folder.to_string_lossy());
        }
        add("TESTKIT_REPORT", "/dev/stdout");
        Ok(all)
    }
}

/// What programs under test, and what is to be built for them, get of our own
/// environment.
pub fn seen_from_outside() -> Vec<(String, String)> {
    let seen =
        |name: &str| ENVIRONMENT.contains(&name) || OF_THE_CHECKS.iter().any(|start| name.starts_with(start));
    in_utf8().filter(|(name, _)| seen(name)).collect()
}

/// Our environment, without what is no text.
pub fn in_utf8() -> impl Iterator<Item = (String, String)> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text)
}

/// Writes a program under a name that tells what is in it.
fn keep(program: &Path, text: &[u8]) -> anyhow::Result<()> {
    if fs::read(program).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let folder = program.parent().context("a program without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let new = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempfile_in(folder);
    let new = new.context("cannot keep the checks")?;
    fs::write(new.path(), text).context("cannot keep the checks")?;
    // A file that is open for writing cannot be run.
    new.into_temp_path().persist(program).context("cannot keep the checks")?;
    forget_old(folder);
    Ok(())
}

/// Removes what no run can be using any more.
fn forget_old(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|about| about.modified()).map(|time| time.elapsed());
        if matches!(age, Ok(Ok(age)) if age > Duration::from_secs(2 * 24 * 3600)) && entry.path().is_file() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn listed(program: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new(program).arg("--list").output().context("cannot start the checks")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(|name| name.rsplit("] ").next().unwrap_or(name).to_owned()).collect())
}
