//! Stage 6: accounts, sessions and a database.

pub mod envelope;
