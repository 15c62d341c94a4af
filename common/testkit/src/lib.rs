//! The harness of the graded checks: it runs a server or a client as a black
//! box, talks to it over real sockets, pipes and terminals, and explains a
//! failure the way a patient tutor would.
//!
//! A check knows `docs/src/contract.md` and nothing of our code, so the same checks
//! grade a program in any language: `STAGE4_SERVER='python3 server.py {host}
//! {port}' cargo test -p stage4-multichat`.
//!
//! From the outside in: [`Suite`] runs [`Check`]s, each with a [`Case`] of its
//! own (folder, time limit, transcript); a case starts [`Program`]s and
//! [`Server`]s, and connects [`Peer`]s to them. [`checks`] holds the checks that
//! several stages share.

#[macro_use]
mod check;
mod case;
mod change;
mod chat;
pub mod checks;
mod context;
mod expect;
mod failure;
pub mod hostile;
mod inbox;
pub mod ivs;
mod judge;
mod listening;
pub mod mariadb;
mod model;
mod peer;
mod poison;
mod program;
mod reading;
pub mod redis;
mod report;
mod run_check;
mod scripted;
mod self_test;
mod server;
mod settings;
mod suite;
mod terminal;
#[cfg(test)]
mod tests;
mod transcript;

pub use case::{Case, Side};
pub use change::{NotOnce, changed};
pub use chat::DeliveryPath;
pub use check::{Check, Kind};
pub use failure::{fail, fail_late, require, require_in_time};
pub use inbox::{End, Inbox, Next};
pub use peer::{Carried, Peer, Transport};
pub use poison::IgnorePoison;
pub use program::{Exit, Program};
pub use rustix::process::Signal;
pub use scripted::{ClosedServer, ScriptedServer};
pub use self_test::{in_ci, self_test};
pub use server::Server;
pub use suite::Suite;
pub use terminal::Terminal;
pub use transcript::shown;

use std::time::Duration;

/// Random sessions and the rules that they are held against, for checks of other crates.
pub mod sessions {
    pub use crate::model::client::escaped;
    pub use crate::model::draw::{text, text_for_a_client, typed_line};
    pub use crate::model::expected::Broken;
    pub use crate::model::play::NOTHING;
    pub use crate::model::random::Random;
    pub use crate::model::rules::{self, Rule, not_in_the_contract};
    pub use crate::model::series::{Sessions, play_series};
}

/// How long a check waits for something that must come.
///
/// A right program answers within milliseconds, so only a failing check ever
/// waits this long; `CHECK_PATIENCE_MS` sets another figure, for a test of the
/// checks themselves. On a busy machine it is longer ([`slowness`]).
pub fn patience() -> Duration {
    let usual = std::env::var("CHECK_PATIENCE_MS").ok().and_then(|ms| ms.parse().ok());
    on_this_machine(usual.map_or(Duration::from_secs(4), Duration::from_millis))
}

/// As much time as `usual` is on an idle machine.
pub fn on_this_machine(usual: Duration) -> Duration {
    usual.mul_f64(slowness())
}

/// How many times longer than on an idle machine something takes at this moment, from
/// 1 to [`SLOWEST`]: programs that want to run, for each core.
pub(crate) fn slowness() -> f64 {
    let (of_a_minute, now) = load();
    of_a_minute.max(now).clamp(1.0, SLOWEST)
}

/// Returns `true` if for a minute more programs have wanted to run than there are cores.
/// Our own checks alone do not bring it so far.
pub(crate) fn is_busy() -> bool {
    load().0 > 1.0
}

/// Programs that want to run, for each core: over the last minute, and now (proc_loadavg(5)).
fn load() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut fields = text.split(' ');
    let of_a_minute: f64 = fields.next().and_then(|field| field.parse().ok()).unwrap_or_default();
    let now: f64 = fields.nth(2).and_then(|field| field.split('/').next()?.parse().ok()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    (of_a_minute / cores, now / cores)
}

/// Longer than this a user does not wait for a verdict.
const SLOWEST: f64 = 5.0;
