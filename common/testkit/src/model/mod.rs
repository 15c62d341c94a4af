//! The contract in code: what a server and a client may do in any session.
//!
//! The named checks try one requirement each. This is the other way round: a
//! [`session::Session`] is anything that clients can do, drawn at random with a
//! liking for edges, and the model says what each of them may then receive. Where
//! the contract leaves freedom, so does the model (two senders' lines in any order).
//!
//! - [`rules`]: the rules, by the names that `docs/src/contract.md` gives them.
//! - [`lines`]: what a server makes of one client's bytes.
//! - [`room`]: who receives what, in stages 4 and 5.
//! - [`expected`]: what one client must and may receive.
//! - [`session`], [`draw`], [`shrink`]: sessions, drawn and made shorter.
//! - [`play`]: a session, played against a real server.
//! - [`echo`]: the same with the servers of stages 2 and 3.
//! - [`series`]: sessions that each take a program of their own.
//! - [`client`]: what a chat client owes, with sessions of its own.

pub(crate) mod client;
pub(crate) mod draw;
pub(crate) mod echo;
pub(crate) mod expected;
pub(crate) mod lines;
pub(crate) mod play;
pub(crate) mod random;
pub(crate) mod room;
pub mod rules;
pub(crate) mod run;
pub(crate) mod series;
pub(crate) mod session;
pub(crate) mod shrink;
