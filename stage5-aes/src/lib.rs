//! Stage 5: AES-CBC with a shared key. The clients encrypt what they say, and the
//! server relays what it cannot read.
//!
//! Two modules are new. The [`cipher`] turns a text into a line that only holders
//! of the key can read, and back; the [`keyfile`] is where the key comes from.

pub mod cipher;
pub mod client;
pub mod keyfile;
pub mod server;
