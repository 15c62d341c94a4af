//! All attacks, in the order of the course.

use super::attempt::Attempt;
use super::exploits as by;
use super::finding::Finding;

/// An attack on what a stage does not protect.
pub struct Attack {
    /// As it is typed.
    pub name: &'static str,
    /// What the attacker wants and has, in a sentence.
    pub tries: &'static str,
    /// The stage from which on it is defeated; none where it still works at the end.
    pub ended_by: Option<u16>,
    /// How that stage does it, or why none does, in a sentence.
    pub how: &'static str,
    /// It measures time: nothing else may run beside it.
    pub alone: bool,
    /// Tries it.
    pub run: fn(&Attempt<'_>) -> anyhow::Result<Finding>,
}

/// The attacks.
pub const ATTACKS: [Attack; 17] = [
    Attack {
        name: "queue",
        tries: "mallory connects, says nothing and stays, so that no other client is served.",
        ended_by: Some(3),
        how: "Each client has a thread of its own, and a thread that waits stops no other.",
        alone: true,
        run: by::queue::run,
    },
    Attack {
        name: "race",
        tries: "Many do the same thing at the same moment, so that something that they share gets lost.",
        ended_by: Some(4),
        how: "What is shared has one owner: the room thread takes one event after the other, and all others send it events.",
        alone: false,
        run: by::race::run,
    },
    Attack {
        name: "eavesdrop",
        tries: "mallory carries the packets, has no key, and wants to read what is said.",
        ended_by: Some(5),
        how: "The text is encrypted before it leaves the machine.",
        alone: false,
        run: by::eavesdrop::run,
    },
    Attack {
        name: "spoof",
        tries: "mallory is in the room and wants to be taken for alice.",
        ended_by: Some(6),
        how: "Names are proved by a password, and the server puts the sender's name before each line.",
        alone: false,
        run: by::spoof::run,
    },
    Attack {
        name: "fixed-iv",
        tries: "mallory listens without a key and wants to see that a user sends the same text twice.",
        ended_by: Some(6),
        how: "No client has --fixed-iv any more: each line has random bytes of its own. In stage 5 that is the default.",
        alone: false,
        run: by::fixed_iv::run,
    },
    Attack {
        name: "bit-flip",
        tries: "mallory is in the middle, has no key, and wants to turn 00100 EUR into 90100 EUR.",
        ended_by: Some(6),
        how: "A tag over each line, checked before anything is decrypted; in stage 8 every TLS record has one.",
        alone: false,
        run: by::bit_flip::run,
    },
    Attack {
        name: "replay",
        tries: "mallory has recorded what alice sent, has no key, and sends it again when alice has left.",
        ended_by: Some(8),
        how: "Each TLS connection has keys of its own and each record a number: recorded bytes fit nowhere else.",
        alone: false,
        run: by::replay::run,
    },
    Attack {
        name: "password",
        tries: "mallory is a user, listens on the wire, and wants to know alice's password.",
        ended_by: Some(8),
        how: "No key is shared: each connection has its own, which only its two ends know.",
        alone: false,
        run: by::password::run,
    },
    Attack {
        name: "guessing",
        tries: "mallory tries thirty passwords on alice's name, ten at a time; the last is the right one.",
        ended_by: Some(6),
        how: "After twenty failures a minute each further guess at a name, or from an address, waits three seconds.",
        alone: false,
        run: by::guessing::run,
    },
    Attack {
        name: "man-in-the-middle",
        tries: "mallory is in the middle, has what every user has, and wants to read and rewrite what is said.",
        ended_by: Some(8),
        how: "The client verifies the server's certificate, and a server without a certified key is refused.",
        alone: false,
        run: by::man_in_the_middle::run,
    },
    Attack {
        name: "server-reads",
        tries: "mallory runs the server, and looks into its database for private messages.",
        ended_by: Some(8),
        how: "Private messages are sealed by one client for the other's key, and the server stores ciphertext.",
        alone: false,
        run: by::server_reads::run,
    },
    Attack {
        name: "compression",
        tries: "mallory has an account, sees how long alice's records are, and wants the token that the server sends her.",
        ended_by: Some(8),
        how: "Nothing is compressed unless both sides ask for it with --compress; then the token is found.",
        alone: false,
        run: by::compression::run,
    },
    Attack {
        name: "slow-reader",
        tries: "mallory never reads what the server sends, so that it waits for her and the others for it.",
        ended_by: Some(3),
        how: "Stage 3 waits for her in her own thread; from stage 4 on a bounded outbox takes her lines, and then she is cut off.",
        alone: true,
        run: by::slow_reader::run,
    },
    Attack {
        name: "login-flood",
        tries: "mallory has no account and floods the server with logins, so that the users in the room have to wait.",
        ended_by: Some(6),
        how: "At most as many hashes are computed as there are processors, failures are slowed, and the login has a deadline.",
        alone: true,
        run: by::login_flood::run,
    },
    Attack {
        name: "half-open",
        tries: "mallory has no account, opens as many connections as the server takes, and says nothing on any of them.",
        ended_by: Some(6),
        how: "Of connections that are not logged in, one of the address with the most of them makes room for a client from another.",
        alone: true,
        run: by::half_open::run,
    },
    Attack {
        name: "lock-out",
        tries: "mallory guesses at alice's name from many addresses, so that alice herself cannot log in.",
        ended_by: Some(6),
        how: "The limit for a name does not hold for an address that has not failed at it: failures slow those that fail.",
        alone: true,
        run: by::lock_out::run,
    },
    Attack {
        name: "traffic",
        tries: "mallory carries the packets, has no key, and wants to tell a yes from a no by its length.",
        ended_by: None,
        how: "To hide it, every line would have to be as long as the longest, and be sent when nothing is said too.",
        alone: false,
        run: by::traffic::run,
    },
];
