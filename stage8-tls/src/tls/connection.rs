//! A client's connection: what stage 6 asks of one, answered with TLS.

use super::{ConnectError, ServerTrust, TlsStream};
use common::endpoint::Endpoint;
use stage6_auth::connection::Connection;
use std::io::Read;

impl Connection for TlsStream {
    fn send(&self, bytes: &[u8]) -> usize {
        TlsStream::send(self, bytes)
    }

    fn finish(&self) {
        TlsStream::finish(self);
    }

    fn reader(&self) -> Box<dyn Read + '_> {
        Box::new(self)
    }
}

impl ServerTrust {
    /// Connects once more, for a connection that was lost; `None` when that is worth
    /// another attempt.
    ///
    /// # Errors
    /// When who answers now is not to be trusted.
    pub fn reconnect(&self, to: &Endpoint) -> Result<Option<TlsStream>, ConnectError> {
        match self.connect(to) {
            Err(e) if e.is_distrust() => Err(e),
            connected => Ok(connected.ok()),
        }
    }
}
