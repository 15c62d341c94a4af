//! Tests that are longer than what they test, and what they share.

pub(crate) mod fake;
mod interleavings;
mod outbox;
mod registry;
mod stalled;
