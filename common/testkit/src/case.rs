//! One check's workplace: its folder, its transcript, what it has started.

use crate::context::Context;
use crate::peer::{Carried, Peer, Way, reach};
use crate::program::Program;
use crate::scripted::ScriptedServer;
use crate::server::Server;
use crate::terminal::Terminal;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

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

/// What a check gets: everything it may start, connect and look at.
pub struct Case {
    pub(crate) context: Arc<Context>,
}

impl Case {
    /// The number of the stage.
    pub fn stage(&self) -> u8 {
        self.context.graded.stage
    }

    /// The folder in which our programs run; it is empty at first.
    pub fn folder(&self) -> &Path {
        self.context.folder.path()
    }

    /// Writes a remark into the transcript.
    pub fn note(&self, what: impl Into<String>) {
        self.context.transcript.note("check", what);
    }

    /// Starts the graded server on a free port of 127.0.0.1 and waits until it listens.
    #[track_caller]
    pub fn server(&self) -> Server {
        match &self.context.graded.foreign_server {
            Some(command) => Server::start_foreign(&self.context, command),
            None => self.server_with(&["--listen", "127.0.0.1:0"]),
        }
    }

    /// Starts the graded server on the IPv6 address `host`, to be reached by `by`. `None`
    /// where the machine has no IPv6 or a server in another language knows only IPv4,
    /// which the contract allows.
    #[track_caller]
    pub fn server_on_ipv6(&self, host: Ipv6Addr, by: IpAddr) -> Option<Server> {
        std::net::TcpListener::bind((host, 0)).ok()?;
        match &self.context.graded.foreign_server {
            Some(command) => Server::start_foreign_on_ipv6(&self.context, command, host, by),
            None => {
                Some(self.server_with(&["--listen", &SocketAddr::from((host, 0)).to_string()]).reached_by(by))
            }
        }
    }

    /// Starts our server with exactly these arguments and waits until it listens.
    #[track_caller]
    pub fn server_with(&self, arguments: &[&str]) -> Server {
        Server::start_ours(&self.context, arguments)
    }

    /// Starts our server and waits for nothing: for starts that should fail.
    #[track_caller]
    pub fn run_server(&self, arguments: &[&str]) -> Program {
        let command = self.context.our_command(Side::Server, arguments);
        Program::start(&self.context, "server", command)
    }

    /// Starts our client with exactly these arguments.
    #[track_caller]
    pub fn run_client(&self, arguments: &[&str]) -> Program {
        let command = self.context.our_command(Side::Client, arguments);
        Program::start(&self.context, "client", command)
    }

    /// Starts any program in the case's folder.
    #[track_caller]
    pub fn run(&self, who: &str, command: Command) -> Program {
        Program::start(&self.context, who, self.context.isolated(command))
    }

    /// Our server's path, for a check that starts it in a special way.
    pub fn our_server(&self) -> &Path {
        &self.context.graded.server
    }

    /// Our client's path, for a check that starts it in a special way.
    pub fn our_client(&self) -> &Path {
        &self.context.graded.client
    }

    /// Our program `stageN-WHAT`, which is built beside the server.
    pub fn our_tool(&self, what: &str) -> PathBuf {
        self.our_server().with_file_name(format!("stage{}-{what}", self.stage()))
    }

    /// Returns `true` if `STAGEn_SERVER` takes the place of our server.
    pub fn foreign_server(&self) -> bool {
        self.context.graded.foreign_server.is_some()
    }

    /// Returns `true` if `STAGEn_CLIENT` takes the place of our client.
    pub fn foreign_client(&self) -> bool {
        self.context.graded.foreign_client.is_some()
    }

    /// Starts the graded client with a pipe on its standard input.
    #[track_caller]
    pub fn client(&self, server: SocketAddr) -> Program {
        self.client_with(server, &[])
    }

    /// The same with these variables in its environment.
    #[track_caller]
    pub fn client_with(&self, server: SocketAddr, environment: &[(&str, &str)]) -> Program {
        let mut command = match &self.context.graded.foreign_client {
            Some(command) => self.context.foreign_command(command, &server.ip().to_string(), server.port()),
            None => self.context.our_command(Side::Client, &["--connect", &server.to_string()]),
        };
        command.envs(environment.iter().copied());
        Program::start(&self.context, "client", command)
    }

    /// Starts our client on a terminal of its own.
    #[track_caller]
    pub fn terminal(&self, server: impl Display, environment: &[(&str, &str)]) -> Terminal {
        self.terminal_with(&["--connect", &server.to_string()], environment)
    }

    /// Starts our client with exactly these arguments on a terminal of its own.
    #[track_caller]
    pub fn terminal_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let mut command = self.context.our_command(Side::Client, arguments);
        command.envs(environment.iter().copied());
        Terminal::start(&self.context, command)
    }

    /// Connects to `server` and reads what it sends.
    #[track_caller]
    pub fn connect(&self, name: &str, server: &Server) -> Peer {
        self.connect_to(name, server.address())
    }

    /// Connects to `address` from another address of this machine, such as
    /// 127.0.0.2, and reads what comes.
    #[track_caller]
    pub fn connect_from(&self, name: &str, address: SocketAddr, from: IpAddr) -> Peer {
        Peer::connect_from(&self.context, name, address, from)
    }

    /// Connects to any address and reads what comes.
    #[track_caller]
    pub fn connect_to(&self, name: &str, address: SocketAddr) -> Peer {
        Peer::connect(&self.context, name, address)
    }

    /// Connects to `server`, with a small receive buffer, and never reads.
    #[track_caller]
    pub fn connect_unread(&self, name: &str, server: &Server) -> Peer {
        Peer::connect_unread(&self.context, name, server.address())
    }

    /// A bare connection, for whatever is to lie on it: [`Case::carry`] makes a
    /// peer of both.
    #[track_caller]
    pub fn stream_to(&self, name: &str, address: SocketAddr) -> TcpStream {
        reach(name, address, &Way::Usual)
    }

    /// The same from another address of this machine.
    #[track_caller]
    pub fn stream_from(&self, name: &str, address: SocketAddr, from: IpAddr) -> TcpStream {
        reach(name, address, &Way::From(from))
    }

    /// The same with a small receive buffer.
    #[track_caller]
    pub fn stream_with_small_buffer(&self, name: &str, address: SocketAddr) -> TcpStream {
        reach(name, address, &Way::SmallBuffer)
    }

    /// A peer over a connection that something lies on. It reads from its
    /// [`read_on`](Peer::read_on) on.
    pub fn carry(&self, name: &str, carried: Carried) -> Peer {
        Peer::carried(&self.context, name, carried)
    }

    /// A server played by the check, on a free port of 127.0.0.1.
    pub fn scripted_server(&self) -> ScriptedServer {
        ScriptedServer::listen(&self.context, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A server played by the check, on this address.
    pub fn scripted_server_on(&self, address: SocketAddr) -> ScriptedServer {
        ScriptedServer::listen(&self.context, address)
    }
}
