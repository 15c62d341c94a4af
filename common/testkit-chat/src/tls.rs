//! TLS for the check's own end of a connection, whichever end that is.
//!
//! `rustls` has no halves to read and write at the same time, and a check must go
//! on reading while it writes: two locks, of which none is held while waiting for
//! the network to bring something.

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore};
use rustls::{SignatureScheme, SupportedProtocolVersion};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use testkit::IgnorePoison;
use testkit::{Carried, Case, Transport, fail};

/// The name that every server's certificate is for.
pub const LOCALHOST: &str = "localhost";

/// Where our programs keep the certificate that a client trusts.
pub(crate) const CA_FILE: &str = "certs/ca.pem";

/// Whom a client of the check's own trusts.
#[derive(Clone)]
pub struct TrustedCa(Arc<ClientConfig>);

impl TrustedCa {
    /// The authority that the graded server names: `certs/ca.pem` in the case's
    /// folder, or the file that `STAGEn_CA` names, where `{folder}` is that folder.
    #[track_caller]
    pub fn of_server(case: &Case) -> Self {
        let path = ca_file(case);
        // A server in another language may listen before it has written it.
        let deadline = Instant::now() + testkit::patience();
        while !path.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Our client looks for it in one place.
        let usual = case.folder().join(CA_FILE);
        if path != usual {
            let _ = fs::create_dir_all(usual.with_file_name(""));
            let _ = fs::copy(&path, usual);
        }
        Self::in_file(&path, rustls::ALL_VERSIONS)
    }

    /// The authorities in this file, and these versions of TLS.
    #[track_caller]
    pub fn in_file(path: &Path, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        match CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(found) => roots.add_parsable_certificates(found),
            Err(e) => fail(format!("certificates to trust in {}", path.display()), e.to_string()),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("ring has both versions");
        Self(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }

    /// The same trust, and a flag that is set when a server asks the client for a
    /// certificate. The client has none.
    pub fn noticing_requests(&self) -> (Self, Arc<AtomicBool>) {
        let asked = Arc::new(AtomicBool::new(false));
        let mut config = ClientConfig::clone(&self.0);
        config.client_auth_cert_resolver = Arc::new(NoticesRequests(asked.clone()));
        (Self(Arc::new(config)), asked)
    }

    /// A handshake that must succeed.
    #[track_caller]
    pub fn connect(&self, who: &str, stream: TcpStream, name: &str) -> Carried {
        let connected = self.try_connect(stream, name);
        connected.unwrap_or_else(|e| fail(format!("a TLS handshake of {who} with {name:?}"), e.to_string()))
    }

    /// A handshake, and why it failed.
    pub fn try_connect(&self, stream: TcpStream, name: &str) -> io::Result<Carried> {
        let name = ServerName::try_from(name.to_owned()).expect("a name as the check gives it");
        let connection = ClientConnection::new(self.0.clone(), name).map_err(io::Error::other)?;
        carried(stream, connection.into())
    }
}

/// Is asked for a client's certificate when the server's handshake asks for one.
#[derive(Debug)]
struct NoticesRequests(Arc<AtomicBool>);

impl ResolvesClientCert for NoticesRequests {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// The file that holds the graded server's authority.
pub fn ca_file(case: &Case) -> PathBuf {
    let named = std::env::var(format!("STAGE{}_CA", case.stage())).unwrap_or_default();
    let named = named.replace("{folder}", &case.folder().to_string_lossy());
    let usual = case.folder().join(CA_FILE);
    if named.is_empty() || !case.foreign_server() { usual } else { named.into() }
}

/// TLS over this connection, after the handshake.
pub(crate) fn carried(mut stream: TcpStream, mut connection: Connection) -> io::Result<Carried> {
    connection.set_buffer_limit(None);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(testkit::patience()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    // The last words of the handshake.
    while connection.wants_write() {
        connection.write_tls(&mut stream)?;
    }
    stream.set_read_timeout(None)?;
    let (incoming, out) = (stream.try_clone()?, stream.try_clone()?);
    let out = Mutex::new(Out { socket: out, pending: Vec::new() });
    let core = Arc::new(Tls { core: Mutex::new(connection), out });
    let source = Source { socket: incoming, tls: core.clone(), raw: vec![0; 4096], left: 0..0 };
    Ok(Carried { stream, transport: Some(core), source: Some(Box::new(source)) })
}

/// The two sides of a connection share this.
struct Tls {
    /// Held for memory operations only.
    core: Mutex<Connection>,
    /// Held from encryption to the write, so that records leave in order.
    out: Mutex<Out>,
}

struct Out {
    socket: TcpStream,
    /// What a write that ran out of time has left over.
    pending: Vec<u8>,
}

impl Out {
    fn write(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().ignore_poison()
}

impl Tls {
    fn push(&self, act: impl FnOnce(&mut Connection) -> io::Result<()>) -> io::Result<()> {
        let mut out = locked(&self.out);
        {
            let mut core = locked(&self.core);
            act(&mut core)?;
            while core.wants_write() {
                core.write_tls(&mut out.pending)?;
            }
        }
        out.write()
    }
}

impl Transport for Tls {
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.push(|core| core.writer().write_all(bytes))
    }

    fn half_close(&self) {
        let _ = self.push(|core| {
            core.send_close_notify();
            Ok(())
        });
    }
}

/// What comes in, decrypted.
struct Source {
    socket: TcpStream,
    tls: Arc<Tls>,
    raw: Vec<u8>,
    /// What of `raw` the connection has not taken yet.
    left: Range<usize>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match locked(&self.tls.core).reader().read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.left.is_empty() {
                self.left = 0..self.socket.read(&mut self.raw)?;
            }
            let mut core = locked(&self.tls.core);
            // It takes only what it has room for.
            self.left.start += core.read_tls(&mut &self.raw[self.left.clone()])?;
            let processed =
                core.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e));
            let answers = core.wants_write();
            drop(core);
            // A key update, or the alert that says what is wrong.
            if answers {
                let _ = self.tls.push(|_| Ok(()));
            }
            processed?;
        }
    }
}
