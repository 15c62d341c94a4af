//! Stage 6: accounts, sessions and a database.
//!
//! A client goes through these parts in this order: the [`envelope`] opens its
//! lines, [`auth`] asks for a name and a proof, [`accounts`] and [`sessions`]
//! check them, and [`people`] sees to it that no name is there twice. The
//! [`store`] keeps each message, through the [`committer`], before the [`room`]
//! delivers it.

pub mod accounts;
pub mod admin;
pub mod auth;
pub mod client;
pub mod committer;
pub mod connection;
pub mod envelope;
mod floor;
pub mod history;
pub mod lists;
pub mod login_client;
pub mod members;
pub mod outage_log;
pub mod people;
pub mod reconnect;
pub mod room;
pub mod semaphore;
pub mod send_queue;
pub mod server;
pub mod sessions;
pub mod speaker;
pub mod store;
