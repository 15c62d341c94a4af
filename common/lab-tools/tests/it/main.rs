//! Tests of the tool from outside, in one binary: it links once, and the slow
//! ones overlap.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion, in its helpers too")]

mod attack;
mod budget;
mod chaos;
mod cluster;
mod command_line;
mod diff;
mod grade;
mod hunt;
mod lessons;
mod load;
mod parts;
mod start;
mod watch;
mod wire;
