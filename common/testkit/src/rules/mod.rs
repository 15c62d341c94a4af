//! Checks that several stages share; each stage takes the groups that it owes.

mod addresses;
mod client;
mod echo;
mod ending;
mod hardship;
mod lines;
mod log;
mod start;
mod terminal;

pub use addresses::{client_addresses, server_addresses};
pub use client::{chat_client, client_program, piped_client};
pub use echo::{echo, lock_step};
pub use ending::{ending, ending_with_clients};
pub use hardship::{hardship, hardship_of_others};
pub use lines::{empty_line_is_echoed, empty_line_is_ignored, lines};
pub use log::{log, log_file};
pub use start::start;
pub use terminal::{terminal, terminal_chat};
