//! The engine: TLS as bytes in, bytes out. It knows no socket, no thread and no
//! lock, and waits for nothing.
//!
//! rustls has two interfaces. The simple one keeps buffers of its own, one of
//! 4 KiB for each connection even when nothing comes, which ten thousand people
//! who listen would pay for. With this one the buffers are ours, and here are
//! none as long as nothing is in them.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error};

/// One end of a connection.
pub(super) struct Engine {
    side: Side,
    /// What was received and is not decrypted.
    incoming: Vec<u8>,
    /// What is decrypted and not read yet; `plain[..read]` is.
    plain: Vec<u8>,
    read: usize,
    /// What is to be sent, encrypted.
    pub outgoing: Vec<u8>,
    /// The other side has said that nothing more comes.
    pub ended: bool,
    /// Why nothing goes any more.
    failed: Option<Error>,
}

/// Which end it is. The library has a type for each, with the same functions.
pub(super) enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// The most that a record holds, and what one adds to it, with some to spare.
const RECORD: usize = 16 << 10;
const OVERHEAD: usize = 64;

/// What the engine is encrypting at most at once.
const AT_ONCE: usize = 4 * RECORD;

/// What to do when nothing else is left to do.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Nothing,
    /// Encrypt this.
    Send(&'a [u8]),
    /// Say that nothing more comes.
    End,
    /// Take a new key, and ask the other side for one.
    #[cfg(test)]
    NewKey,
}

/// What one step came to.
enum Step {
    /// There may be more to do.
    GoOn,
    /// The other side has finished.
    Ended,
    /// The wish is fulfilled, or has to wait until the handshake is over.
    Settled,
}

impl Engine {
    pub fn new(side: Side) -> Engine {
        Engine {
            side,
            incoming: Vec::new(),
            plain: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            ended: false,
            failed: None,
        }
    }

    /// What was agreed on, and whether all of it is.
    pub fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(client) => client,
            Side::Server(server) => server,
        }
    }

    /// Where to put what is received, before [`advance`](Engine::advance).
    pub fn incoming(&mut self) -> &mut Vec<u8> {
        &mut self.incoming
    }

    /// Works on what was received. Afterwards something may be there to be read,
    /// or to be sent: after an error, the alert that says so.
    pub fn advance(&mut self) -> Result<(), Error> {
        self.go(Wish::Nothing)
    }

    /// Encrypts `bytes`, or the first part of them. How many.
    pub fn encrypt(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let bytes = &bytes[..bytes.len().min(AT_ONCE)];
        self.go(Wish::Send(bytes)).map(|()| bytes.len())
    }

    /// Adds the word that nothing more comes.
    pub fn end(&mut self) -> Result<(), Error> {
        self.go(Wish::End)
    }

    /// Takes a new key, and asks the other side for one: for the tests, since the
    /// library does that by itself, after billions of records.
    #[cfg(test)]
    pub fn renew_key(&mut self) -> Result<(), Error> {
        self.go(Wish::NewKey)?;
        self.advance()
    }

    fn go(&mut self, wish: Wish<'_>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut used = 0;
        let done = loop {
            let (taken, step) = self.step(used, wish);
            used += taken;
            match step {
                Ok(Step::GoOn) => {}
                Ok(Step::Ended) => self.ended = true,
                Ok(Step::Settled) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        if let Err(error) = &done {
            self.failed = Some(error.clone());
            // The alert that says so. Not a step more than that: the library must
            // not see the bytes again that it could not understand.
            while self.common().wants_write() {
                let _ = self.step(used, Wish::Nothing);
            }
        }
        // What is left is part of a record, or nothing.
        self.incoming.drain(..used);
        done
    }

    fn step(&mut self, used: usize, wish: Wish<'_>) -> (usize, Result<Step, Error>) {
        let (plain, outgoing) = (&mut self.plain, &mut self.outgoing);
        let incoming = &mut self.incoming[used..];
        match &mut self.side {
            Side::Client(client) => turn(client.process_tls_records(incoming), wish, plain, outgoing),
            Side::Server(server) => turn(server.process_tls_records(incoming), wish, plain, outgoing),
        }
    }

    /// Whether there are decrypted bytes that nobody has read.
    pub fn has_plain(&self) -> bool {
        self.read < self.plain.len()
    }

    /// Decrypted bytes, as many as there are and `into` takes.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let left = &self.plain[self.read..];
        let n = left.len().min(into.len());
        into[..n].copy_from_slice(&left[..n]);
        self.read += n;
        if self.read == self.plain.len() {
            self.read = 0;
            self.plain.clear();
        }
        n
    }

    /// Whether there is something to be read, or the end.
    pub fn holds_more(&self) -> bool {
        self.read < self.plain.len() || self.ended
    }

    /// Gives back the buffers that hold nothing.
    pub fn rest(&mut self) {
        for buffer in [&mut self.incoming, &mut self.plain, &mut self.outgoing] {
            if buffer.is_empty() {
                *buffer = Vec::new();
            }
        }
    }
}

/// One step of the library, of either side.
fn turn<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wish: Wish<'_>,
    plain: &mut Vec<u8>,
    outgoing: &mut Vec<u8>,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state, .. } = status;
    let step = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                discard += record.discard;
                plain.extend_from_slice(record.payload);
            }
            Ok(Step::GoOn)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            append(outgoing, 0, |out| data.encode(out))?;
            Ok(Step::GoOn)
        }
        ConnectionState::TransmitTlsData(data) => {
            // It is in `outgoing`, and will be.
            data.done();
            Ok(Step::GoOn)
        }
        ConnectionState::WriteTraffic(mut traffic) => {
            match wish {
                Wish::Nothing => {}
                Wish::Send(bytes) => {
                    let room = bytes.len() + (bytes.len() / RECORD + 1) * OVERHEAD;
                    append(outgoing, room, |out| traffic.encrypt(bytes, out))?;
                }
                Wish::End => append(outgoing, OVERHEAD, |out| traffic.queue_close_notify(out))?,
                #[cfg(test)]
                Wish::NewKey => traffic.refresh_traffic_keys()?,
            }
            Ok(Step::Settled)
        }
        ConnectionState::PeerClosed => Ok(Step::Ended),
        ConnectionState::Closed | ConnectionState::BlockedHandshake => Ok(Step::Settled),
        // Data before the end of the handshake, which can be replayed. Nobody has
        // been told that we take it.
        _ => Err(Error::General("early data".to_owned())),
    });
    (discard, step)
}

/// Has `write` put something behind what is in `out`, in the room that it
/// guesses, or in as much as it turns out to need.
fn append<E: TooSmall>(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), Error> {
    let start = out.len();
    let mut room = room;
    loop {
        out.resize(start + room, 0);
        let written = write(&mut out[start..]);
        out.truncate(start + written.as_ref().copied().unwrap_or(0));
        match written {
            Ok(_) => return Ok(()),
            Err(e) => room = e.needs()?,
        }
    }
}

/// The library's two kinds of saying how much room it needs.
trait TooSmall {
    fn needs(self) -> Result<usize, Error>;
}

impl TooSmall for EncodeError {
    fn needs(self) -> Result<usize, Error> {
        match self {
            EncodeError::InsufficientSize(size) => Ok(size.required_size),
            EncodeError::AlreadyEncoded => Err(Error::General(self.to_string())),
        }
    }
}

impl TooSmall for EncryptError {
    fn needs(self) -> Result<usize, Error> {
        match self {
            EncryptError::InsufficientSize(size) => Ok(size.required_size),
            // Billions of records in, under TLS 1.2, which cannot renew its key.
            EncryptError::EncryptExhausted => Err(Error::EncryptError),
        }
    }
}
