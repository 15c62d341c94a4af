//! The server's flow: stage 4's, unchanged.
//!
//! It never looked into a text, so it need not know that there is none to look
//! into any more. Encryption goes in at the ends of a conversation, and what is
//! in the middle stays as it was.

pub use stage4_multichat::server::{Options, run};
