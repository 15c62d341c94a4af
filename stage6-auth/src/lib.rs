//! Stage 6: accounts, sessions and a database.

pub mod accounts;
pub mod admin;
pub mod committer;
pub mod envelope;
pub mod gate;
pub mod sessions;
pub mod store;
pub mod throttle;
