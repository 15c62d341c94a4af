//! Private messages: nothing opens that was not sealed by the sender for this user.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage8_tls::identity::Identity;
use std::sync::LazyLock;

static USERS: LazyLock<[Identity; 2]> = LazyLock::new(|| [Identity::random(), Identity::random()]);

fuzz_target!(|input: (&str, usize, u8, &str)| {
    let (text, at, change, garbage) = input;
    let [alice, bob] = &*USERS;
    assert!(bob.open(&alice.public(), "alice", "bob", garbage).is_err());
    let Ok(sealed) = alice.seal(&bob.public(), "alice", "bob", text) else { return };
    assert!(bob.open(&alice.public(), "bob", "alice", &sealed).is_err(), "the names are bound to it");
    let mut changed = sealed.into_bytes();
    let at = at % changed.len();
    changed[at] ^= change;
    let opened = bob.open(&alice.public(), "alice", "bob", &String::from_utf8_lossy(&changed));
    assert_eq!(opened.is_ok(), change == 0);
});
