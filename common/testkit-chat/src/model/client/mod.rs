//! The contract for clients of stages 6, 7 and 8 in code: what a client sends and shows,
//! whatever happens to it. The check is the server.
//!
//! - [`rules`]: the rules, by the names that `docs/src/contract.md` gives them.
//! - [`session`], [`draw`]: what happens to a client, and sessions at random.
//! - [`play`]: a session, step by step, with a real client; [`login`], [`reconnect`]: how it comes in
//!   and comes back; [`lines`]: what it sends and shows.
//! - [`private`], [`contacts`], [`keys`]: messages that the server cannot read, those who send them, and
//!   their keys; [`remarks`]: what the client says of all that.
//! - [`ends`]: how a session ends.

mod contacts;
mod draw;
mod ends;
mod keys;
mod lines;
mod login;
mod play;
mod private;
mod reconnect;
mod remarks;
pub mod rules;
mod session;

pub use play::ClientSessions;
