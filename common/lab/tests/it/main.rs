//! Tests of the tool from outside, in one binary: it links once, and the slow
//! ones overlap.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion, in its helpers too")]

mod book;
mod command_line;
mod make;
mod names;
mod progress;
mod run;
mod terminal;
mod workspace;
mod wrong;
