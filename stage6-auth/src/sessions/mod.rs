//! Sessions: what a login is worth, and for how long.
//!
//! A [`Session`] is a client that has logged in. [`Presence`] sees to it that each user
//! is online once (`name_registry.rs`). With a token ([`SessionTokens`]) a client whose
//! connection broke comes back without the password.

mod name_registry;
mod presence;
mod session;
mod session_tokens;

pub use name_registry::OnDuplicate;
pub use presence::{ChatRoom, ELSEWHERE, Presence, PresenceGuard};
pub use session::{Eviction, Session};
pub use session_tokens::{SessionTokens, Token};
