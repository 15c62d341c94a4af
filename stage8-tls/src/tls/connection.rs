//! A client's connection, as the client of stage 6 uses one.

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
    /// Connects again after a connection was lost. `None` if that failed and is worth
    /// another attempt.
    ///
    /// # Errors
    /// When another server answers now ([`ConnectError::is_distrust`]).
    pub fn reconnect(&self, to: &Endpoint) -> Result<Option<TlsStream>, ConnectError> {
        match self.connect(to) {
            Err(e) if e.is_distrust() => Err(e),
            connected => Ok(connected.ok()),
        }
    }
}
