//! What is readable of a TLS handshake: the two hellos, the names of messages
//! and of alerts (RFC 8446, sections 4 and 6).

use crate::wire::annotation::shown;

/// TLS 1.3, as it stands in `supported_versions`; in all older places it calls
/// itself TLS 1.2.
pub const TLS_1_3: u16 = 0x0304;

/// The type of a client's hello.
pub const CLIENT_HELLO: u8 = 1;
/// The type of a server's hello.
pub const SERVER_HELLO: u8 = 2;

const SERVER_NAME: u16 = 0;
const SUPPORTED_VERSIONS: u16 = 43;

/// The "random" of a server's hello that asks the client for another one: the
/// SHA-256 of `HelloRetryRequest` (RFC 8446, 4.1.3). Its beginning will do.
const RETRY: [u8; 8] = [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11];

/// What a client offers.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The name that it wants to reach; an address has none.
    server_name: Option<String>,
    versions: Vec<u16>,
    suites: usize,
}

/// What a server has chosen.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The version from here on.
    pub version: u16,
    suite: u16,
    retry: bool,
}

/// Takes a message apart from its front; `None` as soon as it is too short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn u16(&mut self) -> Option<u16> {
        self.number(2).and_then(|n| n.try_into().ok())
    }

    /// What follows behind its own length, a number of `bytes` bytes.
    fn vector(&mut self, bytes: usize) -> Option<Reader<'a>> {
        let length = self.number(bytes)?;
        self.take(length).map(Reader)
    }

    /// The extensions of a hello, one by one, up to the first that is cut off.
    fn extensions(&mut self) -> Option<Vec<(u16, Reader<'a>)>> {
        let mut found = Vec::new();
        // TLS 1.2 may have none at all.
        if self.0.is_empty() {
            return Some(found);
        }
        let mut extensions = self.vector(2)?;
        while !extensions.0.is_empty() {
            found.push((extensions.u16()?, extensions.vector(2)?));
        }
        Some(found)
    }
}

impl ClientHello {
    /// Reads the message behind its head.
    pub fn parse(body: &[u8]) -> Option<ClientHello> {
        let mut reader = Reader(body);
        let mut hello = ClientHello { server_name: None, versions: vec![reader.u16()?], suites: 0 };
        let _random = reader.take(32)?;
        let _session = reader.vector(1)?;
        hello.suites = reader.vector(2)?.0.len() / 2;
        let _compression = reader.vector(1)?;
        for (kind, mut extension) in reader.extensions()? {
            match kind {
                SERVER_NAME => {
                    let mut list = extension.vector(2)?;
                    let _kind = list.take(1)?;
                    hello.server_name = Some(shown(list.vector(2)?.0));
                }
                SUPPORTED_VERSIONS => {
                    let mut list = extension.vector(1)?;
                    hello.versions.clear();
                    while let Some(version) = list.u16() {
                        hello.versions.push(version);
                    }
                }
                _ => {}
            }
        }
        Some(hello)
    }

    /// In a sentence.
    pub fn describe(&self) -> String {
        let versions: Vec<_> = self.versions.iter().map(|v| version_name(*v)).collect();
        let wanted = match &self.server_name {
            Some(name) => format!("wants {name}, "),
            None => String::new(),
        };
        format!("{wanted}offers {} and {} cipher suites", versions.join(", "), self.suites)
    }
}

impl ServerHello {
    /// Reads the message behind its head.
    pub fn parse(body: &[u8]) -> Option<ServerHello> {
        let mut reader = Reader(body);
        let version = reader.u16()?;
        let retry = reader.take(32)?.starts_with(&RETRY);
        let _session = reader.vector(1)?;
        let suite = reader.u16()?;
        let _compression = reader.take(1)?;
        let mut hello = ServerHello { version, suite, retry };
        for (kind, mut extension) in reader.extensions()? {
            if kind == SUPPORTED_VERSIONS {
                hello.version = extension.u16()?;
            }
        }
        Some(hello)
    }

    /// In a sentence.
    pub fn describe(&self) -> String {
        let asks = if self.retry { "asks for another hello, " } else { "" };
        format!("{asks}has chosen {} with {}", version_name(self.version), suite_name(self.suite))
    }
}

fn version_name(version: u16) -> String {
    match version {
        TLS_1_3 => "TLS 1.3".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0300 => "SSL 3".to_owned(),
        other => format!("version 0x{other:04x}"),
    }
}

/// The suites that rustls has, and with it stage 8.
fn suite_name(suite: u16) -> String {
    match suite {
        0x1301 => "TLS_AES_128_GCM_SHA256",
        0x1302 => "TLS_AES_256_GCM_SHA384",
        0x1303 => "TLS_CHACHA20_POLY1305_SHA256",
        0xc02b => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        0xc02c => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        0xc02f => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        0xc030 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        0xcca8 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        0xcca9 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        other => return format!("cipher suite 0x{other:04x}"),
    }
    .to_owned()
}

/// The name of a handshake message, of TLS 1.2 and 1.3.
pub fn message_name(kind: u8) -> &'static str {
    match kind {
        0 => "HelloRequest",
        CLIENT_HELLO => "ClientHello",
        SERVER_HELLO => "ServerHello",
        4 => "NewSessionTicket",
        8 => "EncryptedExtensions",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        22 => "CertificateStatus",
        24 => "KeyUpdate",
        _ => "unknown message",
    }
}

/// An alert in words.
pub fn alert(level: u8, description: u8) -> String {
    let name = match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        other => return format!("{other} (level {level})"),
    };
    let level = if level == 2 { "fatal " } else { "" };
    format!("{level}{name}")
}
