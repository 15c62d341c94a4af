//! The contract of stages 6, 7 and 8 in code: what users may do in any session, and what
//! each of them must then receive.
//!
//! The named checks try one requirement each. This is the other way round: a
//! [`session::Session`] is anything that users can do, drawn at random with a liking for
//! edges. It is played step by step; after each step every user must have received what the
//! model says, and nothing else. Lists of users may come late, as the contract allows.
//!
//! - [`rules`]: the rules, by the names that `docs/src/contract.md` gives them.
//! - [`world`]: the server's accounts, sessions, rooms and connections.
//! - [`login_protocol`]: from `AUTH_REQUIRED` to a name.
//! - [`room`]: who receives what a user says, and who is told of arrivals and departures.
//! - [`commands`]: what stage 7 adds; [`keys`]: what stage 8 adds.
//! - [`expected`], [`history`]: what one connection must and may receive.
//! - [`session`], [`bad`]: what the clients of a session do.
//! - [`draw`], [`login`], [`inputs`]: sessions at random.
//! - [`play`]: a session, played against a real server.
//! - [`client`]: the same for clients.

mod bad;
pub mod client;
mod commands;
mod draw;
mod expected;
mod history;
mod inputs;
mod keys;
mod login;
mod login_protocol;
mod play;
mod room;
pub mod rules;
mod session;
mod world;

pub use inputs::wrong_commands;
pub use play::ChatSessions;
