//! What a client may send once it is in a room, and what a database may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage7_rooms_pubsub::addressed_message::Address;
use stage7_rooms_pubsub::commands::Command;

fuzz_target!(|input: (&str, &str, &str)| {
    let (line, kind, place) = input;
    let parsed = Command::parse(line, &["/dm"]);
    if !line.starts_with('/') {
        assert!(matches!(parsed, Ok(Command::Say(said)) if said == line));
    } else if let Err(error) = parsed {
        // The answer goes to its author on one line.
        assert!(error.to_string().len() < 1000);
    }
    let _ = Address::parse(kind, place, line, &[]);
});
