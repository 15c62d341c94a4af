//! Stage 6: accounts, sessions and a database.
//!
//! Who comes in goes through these, in this order: the [`envelope`] opens what
//! it sends, the [`dialogue`] asks who it is, [`accounts`] and [`sessions`]
//! decide whether that is so ([`door`] holds them together), [`people`] sees to it
//! that nobody is there twice. What it says is stored by the [`store`],
//! through the [`committer`], before the [`room`] delivers it.

pub mod accounts;
pub mod admin;
pub mod client;
pub mod committer;
pub mod connection;
pub mod dialogue;
pub mod door;
pub mod envelope;
mod floor;
pub mod gate;
pub mod history;
pub mod lists;
pub mod login_client;
pub mod members;
pub mod outages;
pub mod people;
pub mod reconnect;
pub mod room;
pub mod send_queue;
pub mod server;
pub mod sessions;
pub mod speaker;
pub mod store;
pub mod throttle;
