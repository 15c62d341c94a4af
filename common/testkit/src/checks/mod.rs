//! Checks that several stages share; each stage takes the groups that it owes.

mod addresses;
mod basics;
mod client;
mod client_usage;
mod echo;
mod empty_lines;
mod hostile;
mod lines;
mod log;
mod robustness;
mod sessions;
mod shutdown;
mod start;
mod terminal;

pub use addresses::{client_addresses, server_addresses};
pub use basics::{client_starts, server_starts};
pub use client::{A_WHILE, chat_client, piped_client};
pub use client_usage::client_program;
pub use echo::{echo, lock_step};
pub use empty_lines::{empty_line_is_echoed, empty_line_is_ignored};
pub use hostile::hostile_server;
pub use lines::lines;
pub use log::{log, log_file};
pub use robustness::{SILENCE, isolation, robustness};
pub use sessions::{client_sessions, server_sessions};
pub use shutdown::{shutdown, shutdown_with_clients};
pub use start::start;
pub use terminal::{terminal, terminal_chat};
