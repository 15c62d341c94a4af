//! Stage 5: AES-CBC with a shared key. The clients encrypt what they say, and the
//! server relays what it cannot read.
//!
//! Two modules are new. The [`cipher`] turns a text into a line that only holders
//! of the key can read, and back; the [`keyfile`] is where the key comes from.

pub mod cipher;
pub mod client;
pub mod keyfile;

/// The server's flow: stage 4's, unchanged. It never looked into a text, so it
/// need not know that there is nothing to read there any more. Encryption goes
/// in at the ends of a conversation, and what is in the middle stays as it was.
pub use stage4_multichat::server;
