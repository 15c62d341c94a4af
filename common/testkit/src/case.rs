//! One check's workplace: its folder, its transcript, what it has started.

use crate::checks::{Check, Kind};
use crate::inbox::Inbox;
use crate::peer::Peer;
use crate::program::Program;
use crate::scripted::ScriptedServer;
use crate::server::Server;
use crate::terminal::Terminal;
use crate::transcript::Transcript;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which program a check is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// `stageN-server`, or what `STAGEn_SERVER` names.
    Server,
    /// `stageN-client`, or what `STAGEn_CLIENT` names.
    Client,
    /// Both of them together.
    Both,
    /// A further program of the stage; it has no substitute.
    Tool,
}

/// What a suite grades: our binaries, and the commands that replace them.
#[derive(Clone, Debug)]
pub(crate) struct Graded {
    pub stage: u8,
    pub server: PathBuf,
    pub client: PathBuf,
    pub foreign_server: Option<String>,
    pub foreign_client: Option<String>,
}

/// The part of a case that its programs and peers hold on to.
pub(crate) struct Bench {
    pub graded: Graded,
    pub transcript: Arc<Transcript>,
    folder: tempfile::TempDir,
    groups: Mutex<Vec<Pid>>,
    errors: Mutex<Vec<(String, Inbox)>>,
}

impl Graded {
    /// True when the check says nothing about the program that is to be graded:
    /// with a server in another language, neither the checks of our client nor
    /// those of our server's flags.
    pub fn ignores(&self, check: &Check) -> bool {
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

impl Bench {
    pub fn new(graded: Graded) -> std::io::Result<Arc<Self>> {
        let folder = tempfile::Builder::new().prefix("check-").tempdir()?;
        let transcript = Arc::new(Transcript::new());
        let (groups, errors) = Default::default();
        Ok(Arc::new(Self { graded, transcript, folder, groups, errors }))
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn register(&self, who: &str, group: Pid) {
        self.groups().push(group);
        self.transcript.note(who, format!("is process {group}"));
    }

    /// Kills one process group, once: its number may be somebody else's later.
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
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.push((who.to_owned(), inbox.clone()));
        inbox
    }

    /// The last lines that each program wrote on standard error.
    pub fn errors(&self) -> Vec<(String, String)> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |inbox: &Inbox| String::from_utf8_lossy(&inbox.everything()).into_owned();
        errors.iter().map(|(who, inbox)| (who.clone(), text(inbox))).collect()
    }

    pub fn our_command(&self, side: Side, arguments: &[&str]) -> Command {
        let mut command = Command::new(match side {
            Side::Client => &self.graded.client,
            _ => &self.graded.server,
        });
        command.args(arguments);
        self.settle(command)
    }

    /// Our programs run in the case's own folder, untouched by the settings of
    /// the person who runs the checks.
    pub fn settle(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path());
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "RUST_LOG", "CHAT_PASSWORD"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command
    }

    /// A command given by hand runs where it was typed, so that the file names
    /// in it mean what they say there (cargo itself moves to the package).
    pub fn foreign_command(&self, command: &str, host: &str, port: u16) -> Command {
        let port = port.to_string();
        let command = command.replace("{host}", host).replace("{port}", &port);
        let mut shell = Command::new("sh");
        // Without `exec` a signal would reach the shell only.
        shell.args(["-c", &format!("exec {command}")]);
        shell.env("HOST", host).env("PORT", &port).env("PYTHONUNBUFFERED", "1");
        if let Some(place) = std::env::var_os("PWD").filter(|place| Path::new(place).is_dir()) {
            shell.current_dir(place);
        }
        shell
    }
}

/// What a check gets: everything it may start, connect and look at.
pub struct Case {
    pub(crate) bench: Arc<Bench>,
}

impl Case {
    /// The number of the stage.
    pub fn stage(&self) -> u8 {
        self.bench.graded.stage
    }

    /// The folder in which our programs run; it is empty at first.
    pub fn folder(&self) -> &Path {
        self.bench.folder.path()
    }

    /// Writes a remark into the transcript.
    pub fn note(&self, what: impl Into<String>) {
        self.bench.transcript.note("check", what);
    }

    /// Starts the graded server on a free port of 127.0.0.1 and waits until it listens.
    #[track_caller]
    pub fn server(&self) -> Server {
        match &self.bench.graded.foreign_server {
            Some(command) => Server::start_foreign(&self.bench, command),
            None => self.server_with(&["--listen", "127.0.0.1:0"]),
        }
    }

    /// Starts our server with exactly these arguments and waits until it listens.
    #[track_caller]
    pub fn server_with(&self, arguments: &[&str]) -> Server {
        Server::start_ours(&self.bench, arguments)
    }

    /// Starts our server and waits for nothing: for starts that should fail.
    #[track_caller]
    pub fn run_server(&self, arguments: &[&str]) -> Program {
        let command = self.bench.our_command(Side::Server, arguments);
        Program::start(&self.bench, "server", command)
    }

    /// Starts our client with exactly these arguments.
    #[track_caller]
    pub fn run_client(&self, arguments: &[&str]) -> Program {
        let command = self.bench.our_command(Side::Client, arguments);
        Program::start(&self.bench, "client", command)
    }

    /// Starts any program in the case's folder.
    #[track_caller]
    pub fn run(&self, who: &str, command: Command) -> Program {
        Program::start(&self.bench, who, self.bench.settle(command))
    }

    /// Our server's path, for a check that starts it in a special way.
    pub fn our_server(&self) -> &Path {
        &self.bench.graded.server
    }

    /// Our client's path, for a check that starts it in a special way.
    pub fn our_client(&self) -> &Path {
        &self.bench.graded.client
    }

    /// Starts the graded client with a pipe on its standard input.
    #[track_caller]
    pub fn client(&self, server: SocketAddr) -> Program {
        match &self.bench.graded.foreign_client {
            Some(command) => {
                let host = server.ip().to_string();
                let shell = self.bench.foreign_command(command, &host, server.port());
                Program::start(&self.bench, "client", shell)
            }
            None => self.run_client(&["--connect", &server.to_string()]),
        }
    }

    /// Starts our client on a terminal of its own.
    #[track_caller]
    pub fn terminal(&self, server: impl Display, environment: &[(&str, &str)]) -> Terminal {
        let arguments = ["--connect", &server.to_string()];
        let mut command = self.bench.our_command(Side::Client, &arguments);
        command.envs(environment.iter().copied());
        Terminal::start(&self.bench, command)
    }

    /// Connects to `server` and reads what it sends.
    #[track_caller]
    pub fn connect(&self, name: &str, server: &Server) -> Peer {
        self.connect_to(name, server.address())
    }

    /// Connects to any address and reads what comes.
    #[track_caller]
    pub fn connect_to(&self, name: &str, address: SocketAddr) -> Peer {
        Peer::connect(&self.bench, name, address)
    }

    /// Connects to `server`, with a small receive buffer, and never reads.
    #[track_caller]
    pub fn connect_unread(&self, name: &str, server: &Server) -> Peer {
        Peer::connect_unread(&self.bench, name, server.address())
    }

    /// A server played by the check, on a free port of 127.0.0.1.
    pub fn scripted_server(&self) -> ScriptedServer {
        ScriptedServer::listen(&self.bench, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A server played by the check, on this address.
    pub fn scripted_server_on(&self, address: SocketAddr) -> ScriptedServer {
        ScriptedServer::listen(&self.bench, address)
    }
}
