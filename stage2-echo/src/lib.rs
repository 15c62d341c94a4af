//! Stage 2: lines over a byte stream, in lock-step.
//!
//! TCP carries bytes, not messages. [`mod@line`] makes lines of them. The
//! [`server`] answers each with the same line, and the [`client`] waits for the
//! answer before it sends the next.

pub mod client;
pub mod line;
pub mod operator;
pub mod server;
