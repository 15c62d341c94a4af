//! Stage 6: accounts, sessions and a database.
