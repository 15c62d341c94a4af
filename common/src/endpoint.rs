//! `HOST:PORT` as users type it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// A host (a name, an IPv4 or an IPv6 address) and a TCP port.
///
/// Parsed once, on the command line: a port above 65535 is wrong usage and never
/// becomes a connection attempt. The name is looked up when it is used, since a
/// name can have several addresses and they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// Why a text is not an [`Endpoint`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// No colon, or nothing before or after it.
    #[error("expected HOST:PORT, for example 127.0.0.1:9004 or [::1]:9004")]
    Malformed,
    /// An IPv6 address whose end cannot be told from its port.
    #[error("an IPv6 address needs brackets, for example [::1]:9004")]
    Brackets,
    /// The part after the last colon is not a number from 0 to 65535.
    #[error("a port is a number from 0 to 65535")]
    Port,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::Malformed)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or(EndpointError::Brackets)?,
            None if host.contains(':') => return Err(EndpointError::Brackets),
            None => host,
        };
        if host.is_empty() || port.is_empty() {
            return Err(EndpointError::Malformed);
        }
        if host.contains(['[', ']']) {
            return Err(EndpointError::Brackets);
        }
        // `u16::from_str` would take "+80" too.
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EndpointError::Port);
        }
        let port = port.parse().map_err(|_| EndpointError::Port)?;
        Ok(Endpoint { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Endpoint {
    /// The host as it was typed, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Every address that the host has, in the resolver's order.
    ///
    /// # Errors
    /// What the resolver says; an empty list is an error too.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        // A literal address needs no resolver, which may be slow to say so.
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let found: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_both_kinds_of_address() {
        for (text, host, port) in [
            ("127.0.0.1:9004", "127.0.0.1", 9004),
            ("localhost:0", "localhost", 0),
            ("[::1]:65535", "::1", 65535),
        ] {
            let e: Endpoint = text.parse().unwrap();
            assert_eq!((e.host(), e.port), (host, port));
            assert_eq!(e.to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("", EndpointError::Malformed),
            ("localhost", EndpointError::Malformed),
            (":9004", EndpointError::Malformed),
            ("localhost:", EndpointError::Malformed),
            ("::1:9004", EndpointError::Brackets),
            ("0::1", EndpointError::Brackets),
            ("[::1:9004", EndpointError::Brackets),
            ("[[::1]:9004", EndpointError::Brackets),
            ("localhost:65536", EndpointError::Port),
            ("localhost:-1", EndpointError::Port),
            ("localhost:+1", EndpointError::Port),
            ("localhost:http", EndpointError::Port),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(why), "{text:?}");
        }
    }
}
