//! Sessions: what a login is worth, and for how long.
//!
//! A [`session`] is a client that has logged in; [`presence`] sees to it that each
//! user is online once ([`name_registry`]). With a token ([`SessionTokens`]) a
//! client whose connection broke comes back without the password.

pub mod name_registry;
pub mod presence;
pub mod session;
mod session_tokens;

pub use session_tokens::{SessionTokens, Token};
