//! What the graded checks of the stages with names share: users who log in and
//! talk, over sealed lines (stages 6 and 7) or over TLS (stage 8), and the rules
//! that hold from stage 6 on.
//!
//! This is a crate of its own beside the harness, so that the checks of the first
//! stages build neither a database nor TLS. Like them it knows the contract and
//! nothing of our code: the envelope, for example, is written down a second time.

pub mod chat;
pub mod checks;
pub mod connection;
pub mod envelope;
pub mod grading;
pub mod hpke;
pub mod mock_server;
pub mod model;
pub mod suite;
pub mod test_ca;
pub mod tls;
pub mod user;
#[path = "../../../stage5-aes/tests/checks/wire.rs"]
#[allow(dead_code, reason = "the key file is stage 5's, and the rest of its checks stays there")]
#[allow(missing_docs, reason = "in stage 5 this is no library")]
pub mod wire;
pub mod wrong_servers;

use testkit::Case;

/// The first stage with TLS in place of the shared key.
const FIRST_TLS: u8 = 8;

/// Returns `true` where lines are plain inside TLS.
pub fn over_tls(case: &Case) -> bool {
    case.stage() >= FIRST_TLS
}

/// Puts into the case's folder what our programs look for there: a key file. From
/// stage 8 on a server makes what it needs.
pub fn prepare(case: &Case) {
    if !over_tls(case) {
        envelope::put_key(case);
    }
}

/// The same for a client alone, which from stage 8 on needs an authority to trust.
fn prepare_client(case: &Case) {
    prepare(case);
    if over_tls(case) {
        test_ca::TestCa::new().put(case);
    }
}
