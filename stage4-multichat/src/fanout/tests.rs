use super::*;
use crate::limits::ClientSlots;
use crate::tests::fake::{FakeTransport, config};
use proptest::prelude::*;

/// A fan-out, and what each of `count` clients, numbered from 0, is sent.
fn fanout(count: u64) -> (Fanout, Vec<FakeTransport>) {
    with_limit(count, 1 << 20)
}

/// The same, and so many bytes may wait for each client.
fn with_limit(count: u64, limit: usize) -> (Fanout, Vec<FakeTransport>) {
    let (config, _) = config(limit);
    let mut fanout = Fanout::new(&config, None);
    let slots = ClientSlots::new(100);
    let client = |id| {
        let transport = FakeTransport::default();
        let outbox = Outbox::new(Arc::new(transport.clone()), config.clone());
        fanout.add(id, Member::new("name".into(), outbox, slots.try_acquire().unwrap()));
        transport
    };
    let transports = (0..count).map(client).collect();
    (fanout, transports)
}

#[test]
fn a_client_that_said_nothing_gets_everything_in_one_piece() {
    let (mut fanout, _) = fanout(2);
    fanout.broadcast("one\n", Some(0));
    fanout.broadcast("two\n", None);
    fanout.broadcast("three\n", Some(0));
    assert_eq!(fanout.members[&1].parts.len(), 1);
    assert_eq!(fanout.members[&0].parts.len(), 1);
    let mut addressed = fanout.addressed.clone();
    addressed.sort();
    assert_eq!(addressed, [0, 1], "each client once, however many lines there are for it");
}

#[test]
fn what_is_for_no_client_is_not_encoded_and_what_is_for_one_reaches_no_other() {
    let (mut fanout, clients) = fanout(2);
    fanout.send("nothing\n", []);
    assert!(fanout.buffer.is_empty());
    fanout.send("one\n", [1, 7]);
    fanout.deliver();
    assert_eq!((clients[0].text(), clients[1].text()), (String::new(), "one\n".to_owned()));
}

#[test]
fn more_than_a_client_can_be_sent_at_once_is_delivered_before() {
    for (limit, batch) in [(1 << 20, 256 << 10), (64 << 10, 16 << 10)] {
        let (mut fanout, clients) = with_limit(1, limit);
        fanout.broadcast("gathers\n", None);
        assert_eq!(clients[0].lines().len(), 0);
        fanout.broadcast(&format!("{}\n", "x".repeat(batch)), None);
        assert_eq!(clients[0].lines().len(), 2);
    }
}

proptest! {
    /// Against the definition: each line goes to all but its sender, in this
    /// order, however the lines are divided into batches.
    #[test]
    fn each_client_gets_what_is_for_it(
        said in prop::collection::vec((0..5u64, any::<bool>()), 1..30),
    ) {
        let (mut fanout, clients) = fanout(5);
        for (n, &(sender, ends_batch)) in said.iter().enumerate() {
            fanout.broadcast(&format!("{n} by {sender}\n"), Some(sender));
            if ends_batch {
                fanout.deliver();
            }
        }
        fanout.deliver();
        for (id, client) in clients.iter().enumerate() {
            let lines = said.iter().enumerate().filter(|(_, (sender, _))| *sender != id as u64);
            let expected: String = lines.map(|(n, (sender, _))| format!("{n} by {sender}\n")).collect();
            prop_assert_eq!(client.text(), expected);
        }
    }
}
