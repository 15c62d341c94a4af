//! What every stage needs and no stage teaches: program arguments and exit
//! codes, addresses, the listening socket and its orderly end, the log, private
//! files, and the terminal.
//!
//! The rule for what may be here: nothing that a stage's outcome names. Framing
//! is in stage 2, threads are in stage 3, the chat room is in stage 4, and so
//! on; a later stage imports it from there.

pub mod cli;
pub mod critical_thread;
pub mod endpoint;
pub mod escape;
pub mod fd_limit;
pub mod listener;
pub mod log;
pub mod net;
pub mod poison;
pub mod private_file;
pub mod signals;
pub mod tcp_info;
pub mod terminal;
pub mod utc;
