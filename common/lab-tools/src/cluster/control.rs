//! How `--kill`, in another terminal, reaches the cluster that runs: a socket in a
//! folder that is this user's alone, and a file in the target folder that says where.

use super::logs::{Logs, print_line};
use super::servers::Server;
use crate::proxy::Proxy;
use anyhow::{Context, bail};
use common::poison::IgnorePoison;
use lab::registry::Stage;
use lab::say;
use lab::workspace::target;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the question for a kill may take.
const ANSWER: Duration = Duration::from_secs(10);

/// After a kill: the users of a server that died are gone elsewhere by then (P5).
const GONE: Duration = Duration::from_secs(10);

/// What a server logs when it has taken out the users of one that died.
const ENDED: &str = "a server has ended";

/// The socket. Dropping it removes it.
pub struct Control {
    _folder: TempDir,
    note: PathBuf,
}

impl Control {
    /// Takes requests, on a thread that ends with the process.
    ///
    /// # Errors
    /// When there can be no socket.
    pub fn listen(
        stage: &Stage,
        servers: &Arc<Mutex<Vec<Server>>>,
        balancer: &Arc<Proxy>,
    ) -> anyhow::Result<Control> {
        // Not in the target folder: the path of a socket may have 107 bytes only.
        let folder = tempfile::Builder::new().prefix("cluster").tempdir();
        let folder = folder.context("cannot make a temporary folder")?;
        let socket = folder.path().join("control");
        let listener = UnixListener::bind(&socket).context("cannot make a socket")?;
        let note = note(stage)?;
        fs::write(&note, socket.display().to_string())
            .with_context(|| format!("cannot write {}", note.display()))?;
        let (servers, balancer) = (servers.clone(), balancer.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // If the other side has gone, nothing is to be told.
                let _ = answer(&stream, &servers, &balancer);
            }
        });
        Ok(Control { _folder: folder, note })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.note);
    }
}

/// The file that says where the socket of the cluster is that was started last.
fn note(stage: &Stage) -> anyhow::Result<PathBuf> {
    Ok(target()?.join("lab").join(format!("cluster-{}", stage.number)))
}

/// Reads the number of a server, 0 for the one that got the last connection, and kills it.
/// Answers with its name, and then the name and log of each that still runs; or `!` and
/// why not.
fn answer(mut stream: &UnixStream, servers: &Mutex<Vec<Server>>, balancer: &Proxy) -> std::io::Result<()> {
    stream.set_read_timeout(Some(ANSWER))?;
    let mut number = String::new();
    BufReader::new(stream).read_line(&mut number)?;
    let mut servers = servers.lock().ignore_poison();
    let last = balancer.last();
    let is_wanted = |server: &Server| match number.trim() {
        "0" => Some(server.address) == last,
        n => server.name == format!("server-{n}"),
    };
    let Some(wanted) = servers.iter().position(is_wanted) else {
        return writeln!(stream, "!no client has come through the balancer yet");
    };
    let name = servers[wanted].name.clone();
    if !servers[wanted].is_running() {
        return writeln!(stream, "!{name} has ended already");
    }
    let mut others: Vec<&mut Server> = servers.iter_mut().filter(|server| server.name != name).collect();
    others.retain_mut(|server| server.is_running());
    if others.is_empty() {
        return writeln!(stream, "!{name} is the last server that runs, and is not killed");
    }
    // Said first: what the logs say from now on comes of it.
    let others = others.iter().map(|server| format!("{} {}\n", server.name, server.log.display()));
    let answer = format!("{name}\n{}", others.collect::<String>());
    stream.write_all(answer.as_bytes())?;
    servers[wanted].kill();
    Ok(())
}

/// Asks the cluster that runs to kill a server, and shows what the others log until they
/// have taken out its users.
///
/// # Errors
/// When no cluster runs, it refuses, or the users are not gone in time.
pub fn kill(stage: &Stage, server: Option<u8>) -> anyhow::Result<()> {
    let socket = fs::read_to_string(note(stage)?);
    // The note of a cluster that was killed itself leads nowhere.
    let Ok(mut stream) = socket.and_then(|socket| UnixStream::connect(Path::new(&socket))) else {
        bail!("no cluster of stage {0} runs here; `make cluster {0}` starts one", stage.number);
    };
    stream.set_read_timeout(Some(ANSWER))?;
    writeln!(stream, "{}", server.unwrap_or(0)).context("the cluster does not listen")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("the cluster does not answer")?;
    if let Some(why) = text.strip_prefix('!') {
        bail!("{}", why.trim());
    }
    let mut lines = text.lines();
    let killed = lines.next().context("the cluster has ended")?;
    let others = lines.filter_map(|line| line.split_once(' '));
    let others = others.map(|(name, log)| (name.to_owned(), PathBuf::from(log))).collect();
    watch(killed, others)
}

fn watch(killed: &str, others: Vec<(String, PathBuf)>) -> anyhow::Result<()> {
    let started = Instant::now();
    say!("{killed} was killed (SIGKILL). What the others log:");
    let mut waiting: Vec<String> = others.iter().map(|(name, _)| name.clone()).collect();
    let mut logs = Logs::from_now(others);
    while !waiting.is_empty() {
        for (name, line) in logs.take() {
            print_line(&name, ':', &line);
            if line.contains(ENDED) {
                waiting.retain(|other| *other != name);
            }
        }
        if started.elapsed() > GONE {
            bail!(
                "{} has not taken out the users of {killed} within {} s",
                waiting.join(", "),
                GONE.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
    say!(
        "After {:.1} s the users of {killed} are gone everywhere, or back on another server.",
        started.elapsed().as_secs_f32()
    );
    Ok(())
}
