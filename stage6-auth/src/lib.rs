//! Stage 6: accounts, sessions and a database.
//!
//! A client goes through these parts in this order: the [`envelope`] opens its
//! lines, [`auth`] asks for a name and a proof, [`accounts`] checks them, and
//! [`sessions`] sees to it that each user is online once. The [`store`] keeps each
//! message, through the [`committer`], before the [`room`] delivers it.

pub mod accounts;
pub mod admin;
pub mod auth;
pub mod client;
pub mod committer;
pub mod envelope;
pub mod pipeline;
pub mod read_line;
pub mod room;
pub mod semaphore;
pub mod server;
pub mod server_args;
pub mod sessions;
pub mod store;
