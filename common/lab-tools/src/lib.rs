//! The part of the course's tool that is built when it is first used: everything
//! but running and checking a stage. `lab` starts it; see there.

mod attack;
mod chaos;
pub mod cli;
mod cluster;
pub mod diff;
mod grade;
mod hunt;
pub mod lessons;
mod load;
mod loopback;
pub mod parts;
mod proxy;
mod sealed;
pub mod sources;

mod start;
mod watch;
mod wire;
