//! The ground a check stands on: what is graded, its folder and transcript, and
//! the programs that it has started, so that none outlives it.

use crate::case::Side;
use crate::check::{Check, Kind};
use crate::inbox::Inbox;
use crate::poison::IgnorePoison;
use crate::report;
use crate::transcript::Transcript;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a shell does before a command given by hand, which may be all that a
/// shell understands: `A=b python3 …`, `cd sub && …`. A signal reaches the whole
/// process group. The shell itself must not end by it: it waits, and its exit
/// code is that of the last command. (A signal that has a handler here, and not
/// the empty one, has its usual effect in the commands.)
pub(crate) const WAIT_FOR_THE_COMMAND: &str = "trap : TERM INT HUP\n";

/// What a suite grades: our binaries, and the commands that replace them.
#[derive(Clone, Debug)]
pub(crate) struct Graded {
    pub stage: u8,
    pub server: PathBuf,
    pub client: PathBuf,
    pub foreign_server: Option<String>,
    pub foreign_client: Option<String>,
    /// The folder of our programs, and the one where they are to be taken from.
    pub programs: Option<(PathBuf, PathBuf)>,
}

/// The part of a case that its programs and peers hold on to.
pub(crate) struct Context {
    pub graded: Graded,
    pub transcript: Arc<Transcript>,
    pub folder: tempfile::TempDir,
    groups: Mutex<Vec<Pid>>,
    errors: Mutex<Vec<(String, Inbox)>>,
    /// The graded server ends its lines with CR LF.
    cr_lf: AtomicBool,
}

impl Graded {
    /// The same, with another build of the stage's programs.
    pub fn built_in(mut self, folder: PathBuf) -> Self {
        let ours = self.server.parent().map(Path::to_owned).unwrap_or_default();
        self.programs = Some((ours, folder));
        (self.server, self.client) = (self.moved(&self.server).into(), self.moved(&self.client).into());
        self
    }

    /// `word` as it is, unless it is the path of one of the stage's programs
    /// and these are to be taken from another folder. Checks name their tools by
    /// what cargo said when it compiled them, which is ours.
    fn moved(&self, word: impl AsRef<OsStr>) -> OsString {
        let word = Path::new(word.as_ref());
        match (&self.programs, word.parent(), word.file_name()) {
            (Some((ours, theirs)), Some(folder), Some(name)) if folder == ours => theirs.join(name).into(),
            _ => word.into(),
        }
    }

    /// Returns `true` if the check needs what is not here, or says nothing about the
    /// program that is to be graded: with a server in another language, neither the
    /// checks of our client nor those of our server's flags.
    pub fn ignores(&self, check: &Check) -> bool {
        if check.ignored {
            return true;
        }
        let (server, client) = (self.foreign_server.is_some(), self.foreign_client.is_some());
        if !server && !client {
            return false;
        }
        let concerned = match check.side {
            Side::Server => server,
            Side::Client => client,
            Side::Both => true,
            Side::Tool => false,
        };
        !concerned || check.kind == Kind::Ours
    }
}

impl Context {
    pub fn new(graded: Graded) -> std::io::Result<Arc<Self>> {
        let folder = tempfile::Builder::new().prefix("check-").tempdir()?;
        let transcript = Arc::new(Transcript::new());
        let (groups, errors, cr_lf) = Default::default();
        Ok(Arc::new(Self { graded, transcript, folder, groups, errors, cr_lf }))
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.groups.lock().ignore_poison()
    }

    pub fn register(&self, who: &str, group: Pid) {
        self.groups().push(group);
        self.transcript.note(who, format!("is process {group}"));
    }

    /// The graded server turned out to end its lines with CR LF: from now on every
    /// peer takes that for a line end.
    pub fn server_sends_cr_lf(&self) {
        self.cr_lf.store(true, Ordering::Relaxed);
    }

    pub fn takes_cr_lf(&self) -> bool {
        self.cr_lf.load(Ordering::Relaxed)
    }

    /// Kills one process group, once: its number may be another process later.
    pub fn kill(&self, group: Pid) {
        let mut groups = self.groups();
        if let Some(at) = groups.iter().position(|g| *g == group) {
            let _ = kill_process_group(groups.swap_remove(at), Signal::KILL);
        }
    }

    /// Kills whatever still runs: the check has used up its time.
    pub fn kill_all(&self) {
        for group in self.groups().drain(..) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// A new place for the standard error of `who`, kept for the report.
    pub fn errors_of(&self, who: &str) -> Inbox {
        let inbox = Inbox::default();
        let mut errors = self.errors.lock().ignore_poison();
        errors.push((who.to_owned(), inbox.clone()));
        inbox
    }

    /// The last lines that each program wrote on standard error.
    pub fn errors(&self) -> Vec<(String, String)> {
        let errors = self.errors.lock().ignore_poison();
        let text = |inbox: &Inbox| String::from_utf8_lossy(&inbox.everything()).into_owned();
        errors.iter().map(|(who, inbox)| (who.clone(), text(inbox))).collect()
    }

    /// Takes over the transcript and the standard errors of `other`, whose failure
    /// this check reports.
    pub fn adopt(&self, other: &Self) {
        self.transcript.adopt(&other.transcript);
        *self.errors.lock().ignore_poison() = std::mem::take(&mut *other.errors.lock().ignore_poison());
    }

    pub fn our_command(&self, side: Side, arguments: &[&str]) -> Command {
        let mut command = Command::new(match side {
            Side::Client => &self.graded.client,
            _ => &self.graded.server,
        });
        command.args(arguments);
        self.isolated(command)
    }

    /// Our programs run in the case's own folder, untouched by the settings of
    /// the user who runs the checks.
    pub fn isolated(&self, asked: Command) -> Command {
        let mut command = Command::new(self.graded.moved(asked.get_program()));
        command.args(asked.get_args().map(|word| self.graded.moved(word)));
        for (name, value) in asked.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(asked.get_current_dir().unwrap_or(self.folder.path()));
        command.env_remove(report::VARIABLE);
        for name in
            ["NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "RUST_LOG", "CHAT_PASSWORD", "CHAT_BACKPLANE"]
        {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command
    }

    /// A command given by hand runs where it was typed, so that the file names
    /// in it mean what they say there (cargo itself moves to the package).
    /// `{folder}` is the case's own folder: no other check uses a database there.
    pub fn foreign_command(&self, command: &str, host: &str, port: u16) -> Command {
        let port = port.to_string();
        let folder = self.folder.path().to_string_lossy();
        let command = command.replace("{host}", host).replace("{port}", &port).replace("{folder}", &folder);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{WAIT_FOR_THE_COMMAND}{command}\n")]);
        shell.env_remove(report::VARIABLE);
        shell.env("HOST", host).env("PORT", &port).env("PYTHONUNBUFFERED", "1");
        if let Some(place) = std::env::var_os("PWD").filter(|place| Path::new(place).is_dir()) {
            shell.current_dir(place);
        }
        shell
    }
}
