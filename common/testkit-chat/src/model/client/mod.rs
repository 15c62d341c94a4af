//! The contract for clients of stages 6, 7 and 8 in code: what a client sends and shows,
//! whatever happens to it. The check is the server.
//!
//! - [`rules`]: the rules, by the names that `docs/src/contract.md` gives them.
//! - [`session`], [`draw`]: what happens to a client, and sessions at random.
//! - [`play`]: a session from the login on, with a real client.
//! - [`private`], [`contacts`]: messages that the server cannot read, and those who send them.
//! - [`ends`]: how a session ends.

mod contacts;
mod draw;
mod ends;
mod play;
mod private;
pub mod rules;
mod session;

pub use play::ClientSessions;
