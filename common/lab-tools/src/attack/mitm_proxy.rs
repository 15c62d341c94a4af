//! A man in the middle: a client that is given the proxy's address talks to the
//! server through it. It records what passes, can change it, and can stop
//! carrying what the server says.

use super::protocol::Protocol;
use anyhow::Context;
use common::poison::IgnorePoison;
use socket2::{Domain, Socket, Type};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// How long a connection may take to be accepted.
const CONNECT: Duration = Duration::from_secs(5);

/// Which way a unit went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// What changes a unit on its way; what it returns is carried on.
pub type Editor = Box<dyn FnMut(Way, Vec<u8>) -> Vec<u8> + Send>;

/// A running proxy. Dropping it cuts all connections through it.
pub struct MitmProxy {
    /// Where it listens.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    server: SocketAddr,
    /// The address that a connection comes from, by its number.
    source: fn(usize) -> Ipv4Addr,
    /// Whether units are TLS records; else they are lines.
    records: bool,
    /// Written by the carrying threads, read by the attack.
    passed: Mutex<Vec<(Way, Vec<u8>)>>,
    editor: Mutex<Option<Editor>>,
    /// Nothing of what the server says is read any more.
    reads_nothing: AtomicBool,
    ended: AtomicBool,
    /// Connections that the server has closed.
    closed_by_server: AtomicBool,
    /// All sockets, to be shut down at the end: that wakes the threads that read them.
    sockets: Mutex<Vec<TcpStream>>,
}

impl MitmProxy {
    /// A proxy in front of `server`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn before(server: SocketAddr, protocol: Protocol) -> anyhow::Result<MitmProxy> {
        MitmProxy::with_source(server, protocol, |_| Ipv4Addr::LOCALHOST)
    }

    /// A proxy whose connections come from other addresses than the clients' own: the
    /// first from `source(0)`, and so on.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn with_source(
        server: SocketAddr,
        protocol: Protocol,
        source: fn(usize) -> Ipv4Addr,
    ) -> anyhow::Result<MitmProxy> {
        let listener = TcpListener::bind("127.0.0.1:0").context("the proxy cannot listen")?;
        let address = listener.local_addr().context("the proxy has no address")?;
        let inner = Arc::new(Inner {
            server,
            source,
            records: protocol == Protocol::Tls,
            passed: Mutex::default(),
            editor: Mutex::default(),
            reads_nothing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            closed_by_server: AtomicBool::new(false),
            sockets: Mutex::default(),
        });
        // Ends at the first connection after `ended` is set; `drop` makes it.
        thread::spawn({
            let inner = inner.clone();
            move || {
                for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
                    if inner.ended.load(Ordering::SeqCst) {
                        return;
                    }
                    // A server that is gone: the client sees its connection end.
                    let _ = inner.join(client, number);
                }
            }
        });
        Ok(MitmProxy { address, inner })
    }

    /// From now on `editor` decides what is carried on.
    pub fn edit(&self, editor: impl FnMut(Way, Vec<u8>) -> Vec<u8> + Send + 'static) {
        *lock(&self.inner.editor) = Some(Box::new(editor));
    }

    /// What has passed so far, as it came, unit by unit.
    pub fn passed(&self, way: Way) -> Vec<Vec<u8>> {
        let passed = lock(&self.inner.passed);
        passed.iter().filter(|(w, _)| *w == way).map(|(_, unit)| unit.clone()).collect()
    }

    /// How many bytes have passed, both ways.
    pub fn bytes(&self) -> usize {
        lock(&self.inner.passed).iter().map(|(_, unit)| unit.len()).sum()
    }

    /// From now on nothing is read of what the server says: to the server its
    /// client looks like one that has stopped reading.
    pub fn stop_reading(&self) {
        self.inner.reads_nothing.store(true, Ordering::SeqCst);
    }

    /// Cuts all connections. New ones are carried as before.
    pub fn cut(&self) {
        self.inner.cut();
    }

    /// Returns `true` if the server has closed a connection.
    pub fn closed_by_server(&self) -> bool {
        self.inner.closed_by_server.load(Ordering::SeqCst)
    }
}

impl Drop for MitmProxy {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        self.inner.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect_timeout(&self.address, CONNECT);
    }
}

impl Inner {
    /// Connects a client with the server and carries between them. Two threads,
    /// one for each way, until either side closes or the proxy is dropped.
    fn join(self: &Arc<Self>, client: TcpStream, number: usize) -> io::Result<()> {
        let server = connect_from((self.source)(number), self.server)?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
            lock(&self.sockets).push(socket.try_clone()?);
        }
        let (to_client, to_server) = (client.try_clone()?, server.try_clone()?);
        let (one, other) = (self.clone(), self.clone());
        thread::spawn(move || one.carry(Way::ToServer, &client, &to_server));
        thread::spawn(move || other.carry(Way::ToClient, &server, &to_client));
        Ok(())
    }

    fn cut(&self) {
        for socket in lock(&self.sockets).drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn carry(&self, way: Way, from: &TcpStream, mut to: &TcpStream) {
        let mut from = BufReader::new(from);
        loop {
            if way == Way::ToClient && self.reads_nothing.load(Ordering::SeqCst) {
                // The socket stays open and unread until the proxy is dropped.
                return;
            }
            let Ok(Some(unit)) = self.next_unit(&mut from) else { break };
            lock(&self.passed).push((way, unit.clone()));
            let unit = match lock(&self.editor).as_mut() {
                Some(editor) => editor(way, unit),
                None => unit,
            };
            if to.write_all(&unit).is_err() {
                break;
            }
        }
        if way == Way::ToClient {
            self.closed_by_server.store(true, Ordering::SeqCst);
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// The next line, with its end, or the next TLS record (RFC 8446, 5.1: type,
    /// version, length, and that many bytes).
    fn next_unit(&self, from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        let mut unit = Vec::new();
        if !self.records {
            let read = from.read_until(b'\n', &mut unit)?;
            return Ok((read > 0).then_some(unit));
        }
        from.take(5).read_to_end(&mut unit)?;
        let [_, _, _, high, low] = unit[..] else { return Ok(None) };
        let length = u16::from_be_bytes([high, low]);
        from.take(length.into()).read_to_end(&mut unit)?;
        Ok(Some(unit))
    }
}

/// Connects from a loopback address of one's choice: on Linux all of 127.0.0.0/8 is
/// this machine. On other systems, and to an IPv6 server, from the usual one.
///
/// # Errors
/// When the server takes no connection.
pub fn connect_from(source: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if to.is_ipv4() {
        let _ = socket.bind(&SocketAddr::from((source, 0)).into());
    }
    socket.connect_timeout(&to.into(), CONNECT)?;
    Ok(socket.into())
}

/// What the locks here protect is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().ignore_poison()
}
