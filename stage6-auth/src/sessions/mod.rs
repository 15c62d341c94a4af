//! Sessions: what a login is worth, and for how long.

mod session_tokens;

pub use session_tokens::{SessionTokens, Token};
