//! Tests that are longer than what they test, and what they share.

mod drainer;
pub(crate) mod fake;
mod interleavings;
mod outbox;
mod room;
