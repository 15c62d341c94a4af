//! Stage 8: TLS, and private messages that the server cannot read.

pub mod certs;
pub mod identity;
pub mod tls;
