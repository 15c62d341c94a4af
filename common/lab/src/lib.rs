//! The course's own tool. `lab --help` says what it can do; the Makefile is its
//! face.
//!
//! It starts the stages as programs and never links to them: it builds in
//! seconds, a stage that does not compile cannot take it along, and what it
//! sees of a stage is what a user sees.

mod attack;
mod classmate;
pub mod cli;
pub mod diff;
mod doctor;
mod grade;
pub mod lessons;
mod load;
mod loopback;
mod output;
mod process;
pub mod registry;
mod run_context;
mod script;
mod sealed;
pub mod sources;
mod start;
mod terminal;
mod watch;
mod wire;
pub mod workspace;
