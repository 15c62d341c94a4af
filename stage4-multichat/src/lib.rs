//! Stage 4: a chat room. What a client sends reaches every other client.
//!
//! Two modules carry it. The [`registry`] knows who is here and in which order
//! things were said. Each client has an [`outbox`], into which anybody may put
//! lines without ever waiting for that client.

pub mod client;
pub mod outbox;
pub mod rate;
pub mod registry;
pub mod server;
pub mod stalled;
mod sync;
pub mod wire;
