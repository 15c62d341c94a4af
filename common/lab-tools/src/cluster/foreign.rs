//! Another server in place of ours: the shell command in `STAGE7_SERVER`, as for the
//! graded checks.

use anyhow::{Context, bail};
use lab::process::{ProcessGroup, Program, leashed, wait_for};
use lab::run_context::RunContext;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long it may take until it listens: the checks give as much.
const START: Duration = Duration::from_secs(10);

/// Another program may take a free port just before the server does.
const PORTS_TRIED: usize = 3;

/// The command for this stage, if the user has set one.
///
/// # Errors
/// When it is blank or no text: our own server would be tried in place of it.
pub fn command(stage: u16) -> anyhow::Result<Option<String>> {
    let name = format!("STAGE{stage}_SERVER");
    let Some(value) = std::env::var_os(&name) else { return Ok(None) };
    match value.into_string() {
        Ok(command) if !command.trim().is_empty() => Ok(Some(command)),
        _ => bail!("{name} is blank or no text: name a server's command, or unset it"),
    }
}

/// The folder where the user typed the command: `chat.key` is there.
pub fn working_folder() -> PathBuf {
    let typed = std::env::var_os("PWD").map(PathBuf::from).filter(|folder| folder.is_dir());
    typed.unwrap_or_else(|| PathBuf::from("."))
}

/// Starts it on a free port, and waits until it listens there.
///
/// # Errors
/// When it does not; the text says where its log is.
pub fn start(
    context: &RunContext<'_>,
    command: &str,
    log: &str,
    environment: &[(&str, &str)],
) -> anyhow::Result<(Program, SocketAddr)> {
    let folder = context.folder().display().to_string();
    for _ in 0..PORTS_TRIED {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let filled_in =
            command.replace("{host}", &host).replace("{port}", &port).replace("{folder}", &folder);
        let output = File::create(context.path(log)).context("cannot make the server's log file")?;
        let mut shell = leashed(Path::new("sh"))?;
        shell.arg("-c").arg(filled_in).current_dir(working_folder());
        shell.env("HOST", host).env("PORT", port).env("PYTHONUNBUFFERED", "1");
        shell.envs(environment.iter().copied());
        shell.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut program = Program::start(&mut shell, ProcessGroup::Background)?;
        let waited = wait_for(START, &format!("a server that listens on {address}"), || {
            program.ended().is_some() || TcpStream::connect(address).is_ok()
        });
        waited.with_context(|| format!("its log is {}", context.file_name(log)))?;
        if program.ended().is_none() {
            return Ok((program, address));
        }
    }
    bail!("the command ends at once; what it said is in {}", context.file_name(log))
}
