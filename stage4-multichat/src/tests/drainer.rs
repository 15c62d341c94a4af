//! The drainer, on real connections that are full.

use crate::drainer::PollDrainer;
use crate::line_codec::Plaintext;
use crate::outbox::{Outbox, OutboxConfig};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Both ends of a connection, the second one behind an outbox.
fn pair(config: &Arc<OutboxConfig>) -> (TcpStream, Arc<Outbox>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, Outbox::new(Arc::new(server), config.clone()))
}

fn config(limit: usize) -> Arc<OutboxConfig> {
    Arc::new(OutboxConfig { limit, drainer: PollDrainer::start().unwrap(), codec: Arc::new(Plaintext) })
}

/// Numbered lines until the socket takes no more and `bytes` wait; how many.
fn fill(outbox: &Arc<Outbox>) -> usize {
    let line = |n: usize| format!("{n:01000}");
    let mut n = 0;
    while outbox.is_idle() {
        outbox.send_line(&line(n));
        n += 1;
    }
    for _ in 0..100 {
        outbox.send_line(&line(n));
        n += 1;
    }
    assert!(!outbox.is_overrun());
    n
}

fn require_lines(mut client: &TcpStream, count: usize) {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), count);
    for (n, line) in text.lines().enumerate() {
        assert_eq!(line.parse(), Ok(n));
    }
}

#[test]
fn clients_that_did_not_read_get_everything_when_they_do() {
    let config = config(1 << 20);
    let pairs: Vec<_> = (0..3).map(|_| pair(&config)).collect();
    let counts: Vec<_> = pairs.iter().map(|(_, outbox)| fill(outbox)).collect();
    // The last one reads first: no client waits for another.
    for ((client, outbox), count) in pairs.iter().zip(counts).rev() {
        outbox.close();
        require_lines(client, count);
        assert!(outbox.wait_closed());
    }
}

#[test]
fn a_client_that_is_gone_is_found_out_and_the_others_are_served_on() {
    let config = config(1 << 20);
    let (gone, lost) = pair(&config);
    let (client, outbox) = pair(&config);
    fill(&lost);
    let count = fill(&outbox);
    drop(gone);
    assert!(!lost.wait_closed(), "the connection is gone");
    outbox.close();
    require_lines(&client, count);
    // And the thread has let go of it.
    while Arc::strong_count(&lost) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_is_cut_off_leaves_the_thread() {
    let config = config(200_000);
    let (_client, outbox) = pair(&config);
    let count = fill(&outbox);
    while !outbox.is_overrun() {
        outbox.send_line(&"x".repeat(1000));
    }
    assert!(count > 0);
    while Arc::strong_count(&outbox) > 1 {
        std::thread::yield_now();
    }
}
