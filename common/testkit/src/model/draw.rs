//! Sessions at random, with a liking for the edges of the contract.

use super::client;
use super::lines::{LONGEST, LineReader, Reaction};
use super::random::Random;
use super::session::{Act, Arrival, NAMES, Round, Session, SessionEnd, Then};

/// Bytes that programs make mistakes about. None of them is a line end.
#[rustfmt::skip]
const PIECES: &[&[u8]] = &[
    b"hello", b"hi, all", b" ", b" ", b"\t", b"\r", b"\r\r", b"a\rb", b"\0", b"\0after", b"\x07", b"\x08",
    b"\x0b", b"\x0c", b"\x1a", b"\x1b[31m", b"\x1c", b"\x1d", b"\x1e", b"\x1f", b"\x7f", b"\x04", b"\x03",
    "\u{85}".as_bytes(), "\u{a0}".as_bytes(), "\u{2028}".as_bytes(), "\u{2029}".as_bytes(),
    "\u{feff}".as_bytes(), "\u{202e}".as_bytes(), "\u{200b}".as_bytes(), "e\u{301}".as_bytes(), "é".as_bytes(),
    "ß".as_bytes(), "\u{130}".as_bytes(), "日本語".as_bytes(), "🦀".as_bytes(), "👩\u{200d}💻".as_bytes(),
    "\u{fffd}".as_bytes(), "\u{fffe}".as_bytes(), "\u{10ffff}".as_bytes(), "\u{7ff}\u{800}".as_bytes(),
    b"<b>&amp;\"'</b>", b"%s%d%n", b"{} {0} {x}", b"\\n\\r\\0", b"\\", b"$HOME `id`", b"';--", b"[", b"]",
    b"] ", b"[SERVER] ", b"[SERVER] server is shutting down", b"[SERVER] error: line is not valid UTF-8",
    b"[127.0.0.1:1] hi", b"127.0.0.1:1 joined (2 online)", b"AUTH_REQUIRED", b"null", b"None", b"undefined",
    b"0", b"/help", b"/join x", b"/quit", b"!DISCONNECT", b"quit", b"exit", b"GET / HTTP/1.1", b"\xe2\x80\x8b",
];
/// Lines near the words that end a connection, which are text.
#[rustfmt::skip]
const NEAR_MISSES: &[&[u8]] = &[
    b"/QUIT", b"/Quit", b"/quit ", b" /quit", b"/quit now", b"/quitters", b"/quit\t", b"/quit\r\r", b"//quit",
    b"quit", b"/qui", b"!disconnect", b"!Disconnect", b"!DISCONNECT ", b" !DISCONNECT", b"!DISCONNECTED",
    b"!DISCONNECT\0", b"DISCONNECT", b"/exit", b"/bye", "\u{feff}/quit".as_bytes(), "/quit\u{a0}".as_bytes(),
];
/// Bytes just outside UTF-8.
#[rustfmt::skip]
const NOT_UTF8: &[&[u8]] = &[
    b"\xff", b"\xfe\xff", b"caf\xe9", b"\xc0\xaf", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xbf", b"\xe2\x82", b"\xf0\x9f\xa6",
    b"\xf0\x80\x80\x80", b"a\xf0\x9fb", b"ok\xc3",
];
/// What a client shows spelled out: what is not seen, and marks beyond six on a letter.
#[rustfmt::skip]
const SPELLED_OUT: &[&str] = &[
    "a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", "x\u{fff9}y\u{fffa}z\u{fffb}", "\u{ad}", "\u{61c}",
    "\u{180e}", "a\u{20dd}\u{20dd}\u{20dd}\u{20dd}\u{20dd}\u{20dd}\u{20dd}\u{20dd}", "\u{2060}", "\u{2066}x\u{2069}", "\u{3164}", "\u{e0041}", "\u{34f}", "\u{200e}\u{200f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
];
/// What a client may take for a word to itself; on a pipe it is text.
const CLIENT_COMMANDS: &[&[u8]] = &[b"/help", b"/clear", b"/", b"/help me"];
/// What stands before a text that a client receives.
const PREFIXES: &[&[u8]] = &[b"", b"[127.0.0.1:50000] ", b"[[::1]:50000] ", b"[SERVER] "];
/// Draws of what one client sends, before something simple is taken.
const TRIES: usize = 50;
/// A connection that waits for the end of a pause must fit into the sockets' buffers.
const MOST_LINES: usize = 40;

/// The session with this number in the series of `seed`.
pub(crate) fn session(stage: u8, seed: u64, number: usize) -> Session {
    let mut random = Random::new(seed.wrapping_mul(0x1000_0000_01b3) ^ number as u64);
    let mut draw =
        SessionDraw { stage, inside: vec![(0, LineReader::new(stage))], next: 1, pausing: Vec::new() };
    let mut rounds = vec![draw.crowd(&mut random)];
    for _ in 0..2 + random.below(4) {
        rounds.push(draw.round(&mut random));
    }
    if !draw.pausing.is_empty() {
        rounds.push(Round { resumes: draw.pausing.clone(), ..Round::default() });
    }
    let end = if random.one_in(10) { SessionEnd::Shutdown } else { SessionEnd::Leave };
    Session { rounds, end }
}

/// The clients that are connected while a session is drawn.
struct SessionDraw {
    stage: u8,
    inside: Vec<(usize, LineReader)>,
    next: usize,
    pausing: Vec<usize>,
}

impl SessionDraw {
    fn arrive(&mut self, random: &mut Random, count: usize) -> Round {
        let mut round = Round::default();
        for _ in 0..count.min(NAMES.len() - self.next) {
            let client = self.next;
            self.next += 1;
            self.inside.push((client, LineReader::new(self.stage)));
            let pauses = random.one_in(12);
            if pauses {
                self.pausing.push(client);
            }
            round.arrivals.push(Arrival { client, pauses });
        }
        round
    }

    /// One or two arrivals, now and then many at the same instant.
    fn crowd(&mut self, random: &mut Random) -> Round {
        let count = if random.one_in(15) { 8 } else { 1 + random.below(2) };
        self.arrive(random, count)
    }

    fn round(&mut self, random: &mut Random) -> Round {
        let mut round = if random.one_in(4) { self.crowd(random) } else { Round::default() };
        let senders = if random.one_in(3) { 1 + random.below(3) } else { 1 };
        for _ in 0..senders {
            let at = random.below(self.inside.len());
            let (client, reader) = &self.inside[at];
            if round.acts.iter().any(|act| act.client == *client) {
                continue;
            }
            let stays = *client == 0 || self.pausing.contains(client);
            let act = act(random, *client, reader, stays);
            let (_, reader) = &mut self.inside[at];
            let ended = reader.take(&act.bytes).contains(&Reaction::End) || act.then != Then::Stay;
            if ended {
                self.inside.remove(at);
            }
            round.acts.push(act);
        }
        // A full close while a line of another client is under way is a reset too: then a
        // last line without its end may be lost.
        if round.acts.len() + round.arrivals.len() > 1 {
            for act in round.acts.iter_mut().filter(|act| act.then == Then::Close) {
                if !act.bytes.is_empty() && !act.bytes.ends_with(b"\n") {
                    act.bytes.push(b'\n');
                }
            }
        }
        round
    }
}

/// What one client sends. The first must stay, whatever it sends, and one that pauses
/// until it has read what was sent to it.
fn act(random: &mut Random, client: usize, reader: &LineReader, stays: bool) -> Act {
    let then = match random.below(12) {
        0 | 1 if !stays => Then::HalfClose,
        2 if !stays => Then::Close,
        // What a reset destroys is not the server's fault: nothing is under way then.
        3 if !stays => return Act { client, bytes: Vec::new(), cuts: Vec::new(), then: Then::Reset },
        _ => Then::Stay,
    };
    for _ in 0..TRIES {
        let open = then != Then::Stay || random.one_in(12);
        let bytes = bytes(random, open);
        let reactions = reader.clone().take(&bytes);
        let ends = reactions.contains(&Reaction::End);
        let told = reactions.iter().any(|reaction| matches!(reaction, Reaction::Error(_)));
        let mut after = reader.clone();
        after.take(&bytes);
        // A full close with an answer under way is a reset, which may destroy the rest.
        let left_open = after.is_behind_a_cr() || (stays && after.is_before_the_end());
        if (stays && ends) || (then == Then::Close && (told || ends)) || left_open {
            continue;
        }
        let cuts = cuts(random, bytes.len());
        let then = if ends { Then::Stay } else { then };
        return Act { client, bytes, cuts, then };
    }
    // What it has begun forbids all of that: it ends the line.
    Act { client, bytes: b"\n".to_vec(), cuts: Vec::new(), then: Then::Stay }
}

/// Some lines; the last may lack its line end.
fn bytes(random: &mut Random, open: bool) -> Vec<u8> {
    let lines = match random.below(12) {
        0 => 2 + random.below(MOST_LINES),
        1..=3 => 2 + random.below(3),
        _ => 1,
    };
    let mut bytes = Vec::new();
    for _ in 0..lines {
        // Long lines fill buffers: one in a flood is enough.
        bytes.extend(line(random, bytes.len() < LONGEST));
        bytes.extend_from_slice(if random.one_in(4) { b"\r\n" } else { b"\n" });
    }
    if open {
        bytes.extend(line(random, false));
    }
    bytes
}

fn line(random: &mut Random, may_be_long: bool) -> Vec<u8> {
    match random.below(16) {
        0 => Vec::new(),
        1 | 2 => random.pick(NEAR_MISSES).to_vec(),
        3 => random.pick(NOT_UTF8).to_vec(),
        4 => [*random.pick(PIECES), *random.pick(NOT_UTF8), *random.pick(PIECES)].concat(),
        5 | 6 if may_be_long => long(random),
        7 if random.one_in(2) => random.pick(&[&b"/quit"[..], b"!DISCONNECT"]).to_vec(),
        _ => (0..1 + random.below(4)).flat_map(|_| random.pick(PIECES).to_vec()).collect(),
    }
}

/// A text with a liking for the edges: UTF-8 without a line end, up to `longest` bytes, and
/// now and then exactly so many.
pub fn text(random: &mut Random, longest: usize) -> String {
    if random.one_in(20) {
        return "x".repeat(longest);
    }
    loop {
        let bytes = line(random, false);
        if let Ok(text) = String::from_utf8(bytes)
            && !text.contains('\n')
            && text.len() <= longest
        {
            return text;
        }
    }
}

/// A line of a client's input that is sent as it is: no CR at its end, and no word that ends
/// the client. Now and then it has exactly `longest` bytes.
pub fn typed_line(random: &mut Random, longest: usize) -> String {
    loop {
        let is_word = random.one_in(12);
        let mut line =
            if is_word { random.pick(CLIENT_COMMANDS).to_vec() } else { text(random, longest).into_bytes() };
        while line.pop_if(|last| *last == b'\r').is_some() {}
        if let Ok(line) = String::from_utf8(line)
            && !line.is_empty()
            && client::goes_on(line.as_bytes())
        {
            return line;
        }
    }
}

/// A text of another user that a client receives, up to `longest` bytes.
pub fn text_for_a_client(random: &mut Random, longest: usize) -> String {
    loop {
        if random.one_in(5) {
            return (*random.pick(SPELLED_OUT)).to_owned();
        }
        let text = text(random, longest);
        if !needs_neighbours(&text) {
            return text;
        }
    }
}

/// How joiners and marks are shown depends on what stands beside them.
fn needs_neighbours(text: &str) -> bool {
    text.contains(['\u{200d}', '\u{301}'])
}

/// Lines of a client's input: UTF-8, without a CR at their end, and none that ends it. Those
/// that are too long for a server are sent as well.
pub(super) fn typed(random: &mut Random) -> Vec<u8> {
    loop {
        let mut lines = Vec::new();
        for _ in 0..1 + random.below(3) {
            let is_word = random.one_in(12);
            let mut line = if is_word { random.pick(CLIENT_COMMANDS).to_vec() } else { line(random, true) };
            // Whether a program takes a CR before a line end for a part of it is its own affair.
            while line.pop_if(|last| *last == b'\r').is_some() {}
            lines.extend([&line[..], b"\n"].concat());
        }
        if str::from_utf8(&lines).is_ok() && client::goes_on(&lines) {
            return lines;
        }
    }
}

/// Whole lines of a server.
pub(super) fn sent_to_a_client(random: &mut Random) -> Vec<u8> {
    let lines = if random.one_in(10) { MOST_LINES } else { 1 + random.below(4) };
    let mut bytes = Vec::new();
    for _ in 0..lines {
        let prefix = *random.pick(PREFIXES);
        if random.one_in(5) {
            bytes.extend([prefix, random.pick(SPELLED_OUT).as_bytes(), b"\n"].concat());
            continue;
        }
        let text = line(random, bytes.len() < LONGEST);
        // What a server says to end a client is another step.
        let word = prefix.is_empty()
            && LineReader::new(2).take(&[&text[..], b"\n"].concat()).contains(&Reaction::End);
        let is_open = str::from_utf8(&text).is_ok_and(needs_neighbours);
        if (!word || text.len() > LONGEST) && !is_open {
            bytes.extend([prefix, &text, if random.one_in(4) { b"\r\n" } else { b"\n" }].concat());
        }
    }
    if bytes.is_empty() { b"hello\n".to_vec() } else { bytes }
}

/// About as long as a line may be.
fn long(random: &mut Random) -> Vec<u8> {
    let length = LONGEST - 2 + random.below(5);
    match random.below(4) {
        // Fewer characters than bytes.
        0 => [&b"xx"[..length % 3], "€".repeat(length / 3).as_bytes()].concat(),
        1 => [&vec![b'y'; length - 1][..], b"\r"].concat(),
        _ => vec![b'x'; length],
    }
}

pub(super) fn cuts(random: &mut Random, length: usize) -> Vec<usize> {
    match random.below(6) {
        0 if length < 40 => (1..length).collect(),
        1 | 2 if length > 1 => {
            let mut cuts: Vec<_> = (0..1 + random.below(3)).map(|_| 1 + random.below(length - 1)).collect();
            cuts.sort_unstable();
            cuts
        }
        // Between a CR and its LF.
        3 if length > 1 => vec![length - 1],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_sessions() {
        let drawn = |seed| format!("{:?}", (0..20).map(|n| session(4, seed, n)).collect::<Vec<_>>());
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn the_edges_are_met_within_two_hundred_sessions() {
        let sessions: Vec<_> = (0..200).map(|n| session(4, 1, n)).collect();
        let sent: Vec<u8> = sessions
            .iter()
            .flat_map(|s| &s.rounds)
            .flat_map(|r| &r.acts)
            .flat_map(|a| a.bytes.clone())
            .collect();
        for piece in PIECES.iter().chain(NEAR_MISSES).chain(NOT_UTF8) {
            assert!(
                sent.windows(piece.len()).any(|bytes| bytes == *piece),
                "{:?}",
                String::from_utf8_lossy(piece)
            );
        }
        let acts = || sessions.iter().flat_map(|s| &s.rounds).flat_map(|r| &r.acts);
        for then in [Then::HalfClose, Then::Close, Then::Reset] {
            assert!(acts().filter(|act| act.then == then).count() > 10, "{then:?}");
        }
        assert!(sessions.iter().filter(|s| s.end == SessionEnd::Shutdown).count() > 10);
    }
}
