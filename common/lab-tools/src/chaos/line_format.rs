//! How the lines of scripted users look on the wire: sealed in stage 7, inside TLS in stage 8.
//!
//! TLS is OpenSSL's: for each connection a process `openssl s_client` stands between the user
//! and the link to its server. Its input and output are a connection of the loopback
//! interface, so that nothing has to be carried between the two.

use crate::sealed::{Keys, Message, TAG};
use anyhow::{Context, ensure};
use lab::process::leashed;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// See the [module](self).
pub enum LineFormat {
    /// Each line is encrypted and has a tag, under the key of the key file.
    Sealed(Keys),
    /// As it is: TLS is around it.
    Plain,
}

impl LineFormat {
    /// The bytes of a line.
    pub fn line(&self, text: &str) -> Vec<u8> {
        match self {
            LineFormat::Sealed(keys) => keys.seal(text, true).line(),
            LineFormat::Plain => format!("{text}\n").into_bytes(),
        }
    }

    /// The text of a line; `None` for half a line, as a server that was killed may leave.
    pub fn text(&self, line: &[u8]) -> Option<String> {
        let text = match self {
            LineFormat::Sealed(keys) => keys.open(&Message::parse(line, TAG)?)?,
            LineFormat::Plain => line.to_vec(),
        };
        String::from_utf8(text).ok()
    }
}

/// With it a line that begins with Q or R is no command for `openssl s_client` itself.
const NO_COMMANDS: &str = "-nocommands";

/// Returns an error if `openssl` is not installed, or too old.
///
/// # Errors
/// A sentence with the command that installs it.
pub fn check_tls() -> anyhow::Result<()> {
    let asked = Command::new("openssl").args(["s_client", "-help"]).stdin(Stdio::null()).output();
    let help = asked.context("`openssl` is missing; on Debian: apt-get install openssl")?;
    let knows = String::from_utf8_lossy(&help.stderr).contains(NO_COMMANDS);
    ensure!(knows, "`openssl` is too old: version 3 or a newer one is needed");
    Ok(())
}

/// Listens, and connects each client to `server` over TLS. `ca` is the file with the
/// authority. It listens to the end of the process.
///
/// # Errors
/// When it cannot listen.
pub fn listen_for_tls(server: SocketAddr, ca: &Path) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen for users")?;
    let address = listener.local_addr()?;
    let ca = ca.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let ca = ca.clone();
            // Ends with the process, which ends with either side. Where it cannot be started
            // the client's connection is closed.
            thread::spawn(move || over_tls(client, server, &ca));
        }
    });
    Ok(address)
}

/// Waits for the end of a connection.
fn over_tls(client: TcpStream, server: SocketAddr, ca: &Path) -> anyhow::Result<()> {
    let output = OwnedFd::from(client.try_clone()?);
    let mut openssl = leashed(Path::new("openssl"))?;
    openssl.args(["s_client", "-quiet", "-no_ign_eof", NO_COMMANDS, "-verify_return_error"]);
    openssl.args(["-verify_hostname", "localhost", "-servername", "localhost"]);
    openssl.arg("-CAfile").arg(ca).arg("-connect").arg(server.to_string());
    openssl.stdin(OwnedFd::from(client)).stdout(output).stderr(Stdio::null());
    let mut running = openssl.spawn().context("cannot start openssl")?;
    // It holds the only copies of the client's connection.
    drop(openssl);
    running.wait()?;
    Ok(())
}
