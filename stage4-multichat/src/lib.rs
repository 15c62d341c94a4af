//! Stage 4: a chat room. What a client sends reaches every other client.
//!
//! Two modules carry it. The [`registry`] knows who is here, and delivers what
//! was said in one order to all. Each client has an [`outbox`], into which
//! anybody may put lines without ever waiting for that client.

pub mod audience;
mod backlog;
pub mod client;
mod member;
pub mod outbox;
pub mod paper;
pub mod rate;
pub mod registry;
pub mod server;
pub mod stalled;
mod sync;
#[cfg(test)]
mod tests;
pub mod wire;
