//! What every run of a stage has: its built programs, a folder, a server's log.

use crate::process::{ProcessGroup, Program, leashed, wait_for};
use crate::registry::{Registry, Stage, matches};
use crate::workspace::{Profile, Programs, build, root, without_the_users_settings};
use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The file with the server's log.
pub const LOG: &str = "server.log";

/// The file with the server's database, from stage 6 on: the servers' default.
pub const DATABASE: &str = "chat.db";

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(10);

/// The signals that mean "end, please": from the keyboard, a
/// program, or the terminal that is closed.
pub const END_SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Calls `on_signal` at each of these signals, from a thread of its own that ends with
/// the program.
///
/// # Errors
/// When the system does not let us wait for signals.
pub fn at_end_signals(on_signal: impl Fn(i32) + Send + 'static) -> anyhow::Result<()> {
    let mut signals = Signals::new(END_SIGNALS).context("cannot wait for signals")?;
    thread::spawn(move || signals.forever().for_each(on_signal));
    Ok(())
}

/// A signal ended the run. An error like any other on its way up, so that
/// everything is dropped on that way; at the top it ends the process by that
/// signal, which is what shells and `make` expect of us.
#[derive(Debug, thiserror::Error)]
#[error("ended by signal {0}")]
pub struct Interrupted(pub i32);

/// By which address a client (its name comes first) reaches a server that
/// listens on an address.
pub type Route<'a> = &'a dyn Fn(&str, &str) -> anyhow::Result<String>;

/// The usual route: by the server's own address.
///
/// # Errors
/// None.
pub fn straight(_who: &str, server: &str) -> anyhow::Result<String> {
    Ok(server.to_owned())
}

/// A stage, ready to be run.
pub struct RunContext<'a> {
    /// The stage.
    pub stage: &'a Stage,
    programs: Programs,
    folder: PathBuf,
}

impl<'a> RunContext<'a> {
    /// Builds the stage's programs and makes a folder with the files they need.
    ///
    /// # Errors
    /// When the build fails or the folder cannot be made.
    pub fn build(stage: &'a Stage, all: &Registry, profile: Profile) -> anyhow::Result<RunContext<'a>> {
        RunContext::with(stage, build(stage, all, profile)?)
    }

    /// A context with programs that are built already.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn with(stage: &'a Stage, programs: Programs) -> anyhow::Result<RunContext<'a>> {
        let folder = programs.folder(stage)?;
        programs.prepare(stage, &folder, &[])?;
        Ok(RunContext { stage, programs, folder })
    }

    /// The folder in which the programs run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server on `listen` (`HOST:PORT`); its standard output is ours to
    /// read, its standard error goes straight to the log file: through us it
    /// would stop when we are stopped with Ctrl-Z, and the chat with it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn server(&self, listen: &str, more: &[String]) -> anyhow::Result<Program> {
        self.server_as(LOG, listen, more, &[])
    }

    /// The same with a log file of this name, and these environment variables.
    fn server_as(
        &self,
        log: &str,
        listen: &str,
        more: &[String],
        env: &[(&str, &str)],
    ) -> anyhow::Result<Program> {
        let log = File::create(self.path(log)).context("cannot make the server's log file")?;
        let mut command = self.program(&self.stage.server())?;
        command.args(["--listen", listen]).args(&self.stage.server_args).args(more);
        command.envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        Program::start(&mut command, ProcessGroup::Background)
    }

    /// The server, and the address where it listens.
    ///
    /// # Errors
    /// When it does not start; the text has the end of its log.
    pub fn listening_server(&self, listen: &str, more: &[String]) -> anyhow::Result<(Program, String)> {
        self.listening_server_as(LOG, listen, more, &[])
    }

    /// The same with a log file of this name, and these environment variables: a
    /// password does not belong on a command line.
    ///
    /// # Errors
    /// When it does not start.
    pub fn listening_server_as(
        &self,
        log: &str,
        listen: &str,
        more: &[String],
        env: &[(&str, &str)],
    ) -> anyhow::Result<(Program, String)> {
        let mut server = self.server_as(log, listen, more, env)?;
        let output = server.child().stdout.take().context("the server has no standard output")?;
        let (sender, address) = channel();
        thread::spawn(move || watch_for_address(output, |address| drop(sender.send(address))));
        let mut found = None;
        let waited = wait_for(START, "the server to listen", || {
            found = address.try_recv().ok();
            found.is_some() || server.ended().is_some()
        });
        let why = || format!("the server did not start; {}", self.log_end_of(log));
        waited.with_context(why)?;
        Ok((server, found.with_context(why)?))
    }

    /// A client on pipes, its standard error on `errors`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client_on_pipes(&self, address: &str, more: &[String], errors: Stdio) -> anyhow::Result<Program> {
        let mut command = self.client_command(address, more)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        Program::start(&mut command, ProcessGroup::Background)
    }

    /// The client that gets the terminal.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client_on_terminal(&self, address: &str) -> anyhow::Result<Program> {
        Program::start(&mut self.client_command(address, &[])?, ProcessGroup::Foreground)
    }

    fn client_command(&self, address: &str, more: &[String]) -> anyhow::Result<Command> {
        let mut command = self.program(&self.stage.client())?;
        command.args(["--connect", address]).args(&self.stage.client_args).args(more);
        Ok(command)
    }

    /// One of the stage's programs, to be started in the run's folder.
    ///
    /// # Errors
    /// When it was not built.
    pub fn program(&self, name: &str) -> anyhow::Result<Command> {
        let mut command = leashed(self.programs.path(name)?)?;
        command.current_dir(&self.folder);
        without_the_users_settings(&mut command);
        Ok(command)
    }

    /// A file of this run.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The same as a user at the workspace's root would type it.
    pub fn file_name(&self, file: &str) -> String {
        let path = self.path(file);
        path.strip_prefix(root()).unwrap_or(&path).display().to_string()
    }

    /// Returns `true` if the server's log has a line like `pattern` by now.
    pub fn log_has(&self, pattern: &str) -> bool {
        self.log_text(LOG).lines().any(|line| matches(pattern, line))
    }

    fn log_text(&self, log: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(log)).unwrap_or_default()).into_owned()
    }

    /// The last lines of the log, for an error message.
    pub fn log_end(&self) -> String {
        self.log_end_of(LOG)
    }

    fn log_end_of(&self, log: &str) -> String {
        let text = self.log_text(log);
        if text.is_empty() {
            return "the server logged nothing".to_owned();
        }
        let lines: Vec<_> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(8)..].join("\n  ");
        format!("the server's log ({}) ends:\n  {end}", self.file_name(log))
    }

    /// Removes the folder: after a run that went well it is not needed.
    pub fn clean_up(self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn watch_for_address(output: ChildStdout, on_address: impl Fn(String)) {
    // To the end, or a server that prints more would block on a full pipe.
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix("Listening on ") {
            on_address(address.to_owned());
        }
    }
}
