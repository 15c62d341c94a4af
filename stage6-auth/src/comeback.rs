//! Coming back after a lost connection.

use crate::link::Link;
use common::endpoint::Endpoint;
use common::net;
use std::net::TcpStream;
use std::time::Duration;

/// The first pause before coming back, and the longest. Each is about twice as
/// long as the one before, so that a server that has trouble gets less of it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A new connection, after one attempt or many; `None` when it is not wanted any more.
pub(crate) fn come_back(connect: &Endpoint, attempts: &mut u32, link: &Link) -> Option<TcpStream> {
    loop {
        let pause = LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow((*attempts).min(16)));
        *attempts += 1;
        // Not all clients of a server that was started again at the same moment.
        let jitter = rand::random_range(0.75..1.0);
        if !link.pause(pause.mul_f64(jitter)) {
            return None;
        }
        if let Ok(stream) = net::connect(connect) {
            return Some(stream);
        }
    }
}
