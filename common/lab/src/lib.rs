//! The course's own tool. `lab --help` says what it can do; the Makefile calls it.
//!
//! It is two programs. `lab` has what the first minute needs: run a stage, its
//! server, its client, its checks, and the doctor. It has few dependencies and
//! builds in seconds. What needs more (diagrams, ciphers, spreadsheets) is in the
//! program `lab-tools`, which `lab` builds when it is first used.
//!
//! Both start the stages as programs and never link to them: a stage that does
//! not compile cannot take the tool along, and the tool sees of a stage what a
//! user sees.

mod check_run;
pub mod classmate;
pub mod cli;
mod doctor;
pub mod failure;
pub mod new_checks;
pub mod output;
pub mod process;
pub mod progress;
pub mod registry;
pub mod run_context;
pub mod script;
pub mod terminal;
mod test_run;
pub mod workspace;
