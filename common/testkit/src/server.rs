//! A server that listens: ours, or the one that `STAGEn_SERVER` names.

use crate::case::Side;
use crate::context::Context;
use crate::failure::{fail, fail_late};
use crate::listening::{free_port, is_listening, listening_addresses};
use crate::program::{Exit, Program};
use rustix::process::Signal;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A program in another language may start slowly (or be compiled first). On a busy machine
/// it has more time.
const FOREIGN_START: Duration = Duration::from_secs(10);
/// Another program may take a free port just before the server does.
const PORTS_TRIED: usize = 3;

/// A server that accepts connections.
pub struct Server {
    /// The program behind it.
    pub program: Program,
    address: SocketAddr,
}

impl Server {
    /// Starts our server with `arguments` and waits until it listens.
    #[track_caller]
    pub(crate) fn start_ours(context: &Arc<Context>, arguments: &[&str]) -> Self {
        let program = Program::start(context, "server", context.our_command(Side::Server, arguments));
        let mark = "Listening on ";
        let line = program.prints_some("\"Listening on IP:PORT\"", |l| l.starts_with(mark));
        match line[mark.len()..].parse() {
            Ok(address) => Self { program, address },
            Err(_) => crate::fail("\"Listening on IP:PORT\"", line),
        }
    }

    /// Starts the server named by the environment and waits until its port listens.
    #[track_caller]
    pub(crate) fn start_foreign(context: &Arc<Context>, command: &str) -> Self {
        let mut tries = PORTS_TRIED;
        loop {
            tries -= 1;
            let port = free_port();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let shell = context.foreign_command(command, "127.0.0.1", port);
            let program = Program::start(context, "server", shell);
            match wait_listening(&program, port) {
                Ok(()) => {
                    context.transcript.note("server", format!("listens on {address}"));
                    return Self { program, address };
                }
                Err(Some(_)) if tries > 0 => {}
                Err(exit) => fail_not_listening(&program, exit, address),
            }
        }
    }

    /// The same on the IPv6 address `host`. `None` if it does not listen there, or cannot
    /// be reached by the address `by`.
    #[track_caller]
    pub(crate) fn start_foreign_on_ipv6(
        context: &Arc<Context>,
        command: &str,
        host: Ipv6Addr,
        by: IpAddr,
    ) -> Option<Self> {
        let port = free_port();
        let address = SocketAddr::from((host, port));
        let shell = context.foreign_command(command, &host.to_string(), port);
        let program = Program::start(context, "server", shell);
        wait_listening(&program, port).ok()?;
        // It may have gone its own way and listen on an IPv4 address.
        let listens = listening_addresses(program.group()).contains(&address.to_string());
        let server = Self { program, address }.reached_by(by);
        // Whether a server on `::` takes IPv4 connections too is a setting of its socket.
        (listens && TcpStream::connect(server.address).is_ok()).then_some(server)
    }

    /// The same server, by another of its addresses.
    pub(crate) fn reached_by(mut self, address: IpAddr) -> Self {
        self.address.set_ip(address);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop, as a service manager would.
    pub fn terminate(&self) {
        self.program.signal(Signal::TERM);
    }

    /// Fails when the server has ended.
    #[track_caller]
    pub fn still_runs(&self) {
        if let Some(exit) = self.program.ended() {
            crate::fail("a server that goes on", exit.to_string());
        }
    }
}

/// Fails, with what the program did instead of listening on `address`.
#[track_caller]
fn fail_not_listening(program: &Program, exit: Option<Exit>, address: SocketAddr) -> ! {
    let expected = format!("a server that listens on {address} within {FOREIGN_START:?}");
    let got = match exit {
        Some(Exit::Code(127)) => "there is no such command (exit code 127)".to_owned(),
        Some(Exit::Code(126)) => "the file cannot be executed (exit code 126): chmod +x".to_owned(),
        Some(exit) => format!("the server ended before it listened: {exit}"),
        None => match listening_addresses(program.group()).join(" and ") {
            none if none.is_empty() => fail_late(expected, "it runs, but does not listen on any port"),
            others => format!("it listens on {others}; the command gets {{host}} and {{port}} filled in"),
        },
    };
    fail(expected, got)
}

/// `Err` holds the exit of a program that ended, or `None` for one that runs
/// without listening.
fn wait_listening(program: &Program, port: u16) -> Result<(), Option<Exit>> {
    let started = Instant::now();
    loop {
        if is_listening(port, program.group()) {
            return Ok(());
        }
        if let Some(exit) = program.ended() {
            return Err(Some(exit));
        }
        // Each time anew: a machine that was busy for a moment only must not make this longer
        // than the whole check may take.
        if started.elapsed() >= crate::on_this_machine(FOREIGN_START) {
            return Err(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
