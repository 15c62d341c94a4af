//! A client of a measurement.

use crate::sealed::{Keys, Message, TAG};
use anyhow::{Context, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A login waits for a password hash of the lowest cost.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many lines go out in one write.
const LINES: usize = 16;

/// A client that is in the lobby.
pub struct Client {
    /// To its server.
    pub stream: TcpStream,
    /// What it says when it says much.
    lines: Vec<u8>,
}

impl Client {
    /// Registers at this server.
    ///
    /// # Errors
    /// When it is not let in.
    pub fn connect(server: SocketAddr, keys: &Keys, name: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).context("a client cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        (&stream).write_all(&keys.seal(format!("REGISTER {name} a good password"), true).line())?;
        // Not a byte more than the greeting: the rest is for the reader.
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            (&stream).read_exact(&mut byte).with_context(|| format!("{name} is not let in"))?;
            line.push(byte[0]);
            if byte[0] == b'\n' {
                let text = text(keys, line.trim_ascii_end());
                if text.starts_with("[USERS_LIST] ") {
                    break;
                }
                ensure!(!text.starts_with("AUTH_FAILED"), "{name} is not let in: {text}");
                line.clear();
            }
        }
        let line = keys.seal("sixty-four bytes in each line, as many as in other measurements.", true);
        Ok(Client { stream, lines: line.line().repeat(LINES) })
    }

    /// Says the same line again and again, until the time has come or the connection ends.
    pub fn talk_until(&self, ended: &AtomicBool) {
        while !ended.load(Ordering::SeqCst) && (&self.stream).write_all(&self.lines).is_ok() {}
    }
}

/// The text of a sealed line, or none.
pub fn text(keys: &Keys, line: &[u8]) -> String {
    let text = Message::parse(line, TAG).and_then(|message| keys.open(&message));
    String::from_utf8(text.unwrap_or_default()).unwrap_or_default()
}
