//! Stage 5: AES-CBC with a shared key. The clients encrypt what they send, and the
//! server relays what it cannot read.
//!
//! Two modules are new. The [`cipher`] turns a text into a line that only users
//! with the key can read, and back; the [`keyfile`] is where the key comes from.

pub mod cipher;
pub mod client;
pub mod keyfile;

/// The server's flow is stage 4's, unchanged. It never looked into a text, so it
/// need not know that the text is now encrypted. Only the two ends of a
/// conversation change, and what is between them stays as it was.
pub use stage4_multichat::server;
