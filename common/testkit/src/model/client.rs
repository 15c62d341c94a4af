//! What a chat client makes of its input and of what it receives ("Clients" and
//! "Stage 4: The client" in the contract): the harness plays the server.

use super::draw;
use super::expected::Broken;
use super::random::Random;
use super::rules::{self, Rule};
use super::series::Sessions;
use crate::case::Case;
use crate::inbox::Next;
use crate::peer::Peer;
use crate::program::Program;
use crate::transcript::shown;
use std::time::{Duration, Instant};

/// What happens to a client, step by step.
#[derive(Clone, Debug)]
pub(crate) struct ClientSession {
    pub steps: Vec<ClientStep>,
    pub end: ClientEnd,
}

#[derive(Clone, Debug)]
pub(crate) enum ClientStep {
    /// The server sends these bytes, cut at these places.
    Receive(Vec<u8>, Vec<usize>),
    /// These lines are its input.
    Type(Vec<u8>),
}

/// How the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientEnd {
    EndOfInput,
    ServerCloses,
    Word(&'static str),
}

/// Sessions of a chat client.
pub(crate) struct ClientSessions;

impl Sessions for ClientSessions {
    type Session = ClientSession;
    const COUNT: usize = 120;
    const OTHERWISE: Rule = rules::SHOWN;

    fn draw(&self, seed: u64, number: usize) -> ClientSession {
        session(seed, number)
    }

    /// A line that should not have come is a fault in any case.
    fn is_sure(&self, broken: &Broken) -> bool {
        !broken.is_nothing()
    }

    fn simpler(&self, session: &ClientSession) -> Vec<ClientSession> {
        simpler(session)
    }

    fn play(&self, case: &Case, session: &ClientSession, patience: Duration) -> Result<(), Broken> {
        play(case, session, patience)
    }
}

/// The session with this number in the series of `seed`.
fn session(seed: u64, number: usize) -> ClientSession {
    let mut random = Random::new(seed.wrapping_mul(0x9e37_79b1) ^ number as u64);
    let step = |random: &mut Random| {
        if random.one_in(3) {
            return ClientStep::Type(draw::typed(random));
        }
        let bytes = draw::sent_to_a_client(random);
        let cuts = draw::cuts(random, bytes.len());
        ClientStep::Receive(bytes, cuts)
    };
    let steps = (0..4 + random.below(8)).map(|_| step(&mut random)).collect();
    let ends = [
        ClientEnd::EndOfInput,
        ClientEnd::ServerCloses,
        ClientEnd::Word("/quit"),
        ClientEnd::Word("!DISCONNECT"),
    ];
    ClientSession { steps, end: *random.pick(&ends) }
}

/// All sessions that are one step shorter or simpler.
fn simpler(session: &ClientSession) -> Vec<ClientSession> {
    let mut all = Vec::new();
    for at in 0..session.steps.len() {
        let mut shorter = session.clone();
        shorter.steps.remove(at);
        all.push(shorter);
    }
    for (at, step) in session.steps.iter().enumerate() {
        let (ClientStep::Receive(bytes, _) | ClientStep::Type(bytes)) = step;
        let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let parts = if lines.len() > 1 {
            lines
        } else {
            bytes[..bytes.len() - 1].chunks(1.max(bytes.len() / 3)).collect()
        };
        for left_out in 0..parts.len() {
            let rest = parts.iter().enumerate().filter(|(i, _)| *i != left_out);
            let mut rest: Vec<u8> = rest.flat_map(|(_, part)| part.to_vec()).collect();
            rest.pop_if(|last| *last == b'\n');
            rest.push(b'\n');
            let mut shorter = session.clone();
            shorter.steps[at] = match step {
                ClientStep::Receive(..) => ClientStep::Receive(rest, Vec::new()),
                ClientStep::Type(_) if str::from_utf8(&rest).is_ok() => ClientStep::Type(rest),
                ClientStep::Type(_) => continue,
            };
            if shorter.size() < session.size() {
                all.push(shorter);
            }
        }
    }
    all
}

impl ClientSession {
    pub fn size(&self) -> usize {
        let size = |step: &ClientStep| match step {
            ClientStep::Receive(bytes, cuts) => 10 + bytes.len() + cuts.len(),
            ClientStep::Type(bytes) => 10 + bytes.len(),
        };
        self.steps.iter().map(size).sum()
    }
}

/// So many combining marks on one letter are shown.
const MARKS: usize = 6;

/// What is not seen. Of the characters that depend on their neighbours none is drawn
/// for a client ([`draw::sent_to_a_client`]).
fn is_not_seen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{34e}' | '\u{20dd}'..='\u{20e0}')
}

/// How a received text is shown.
pub fn escaped(text: &str) -> String {
    // Marks that stand behind the last letter; those that are drawn all have one.
    let mut marks = 0;
    let escape = |c: char| {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        match c {
            '\0'..='\x1f' | '\x7f'..='\u{9f}' => format!("\\x{:02x}", u32::from(c)),
            c if is_not_seen(c) || marks > MARKS => format!("\\u{{{:04x}}}", u32::from(c)),
            other => other.to_string(),
        }
    };
    text.chars().map(escape).collect()
}

/// Plays one session with the graded client.
fn play(case: &Case, session: &ClientSession, patience: Duration) -> Result<(), Broken> {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    let mut played = Played { client, us, patience };
    for step in &session.steps {
        match step {
            ClientStep::Receive(bytes, cuts) => played.receives(bytes, cuts)?,
            ClientStep::Type(bytes) => played.types(bytes)?,
        }
    }
    played.ends(session.end)
}

/// The client, and the server's end of its connection.
struct Played {
    client: Program,
    us: Peer,
    patience: Duration,
}

impl Played {
    /// Each line is one line of standard output; one that is not UTF-8 is none.
    fn receives(&mut self, bytes: &[u8], cuts: &[usize]) -> Result<(), Broken> {
        let mut start = 0;
        for end in cuts.iter().copied().chain([bytes.len()]).filter(|end| *end > 0) {
            let _ = self.us.try_send(&bytes[start.min(end)..end]);
            start = end;
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Ok(text) = str::from_utf8(line) {
                self.prints(text)?;
            }
        }
        Ok(())
    }

    fn prints(&self, text: &str) -> Result<(), Broken> {
        let expected = escaped(text);
        let next = self.client.next_line(Instant::now() + self.patience);
        let rule = if expected == text { rules::SHOWN } else { rules::ESCAPED };
        match next {
            Next::Line(line) if line == expected => Ok(()),
            other => Err(Broken::new(rule, format!("{} on stdout", shown(&expected)), &other)),
        }
    }

    /// Each line is sent, but for empty ones.
    fn types(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.client.try_type(bytes);
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
            if !text.is_empty() {
                self.sends(&text, rules::TYPED)?;
            }
        }
        Ok(())
    }

    fn sends(&self, text: &str, rule: Rule) -> Result<(), Broken> {
        match self.us.next_by(Instant::now() + self.patience) {
            Next::Line(line) if line == *text || line.strip_suffix('\r') == Some(text) => Ok(()),
            other => Err(Broken::new(rule, format!("the client to send {}", shown(text)), &other)),
        }
    }

    fn ends(mut self, end: ClientEnd) -> Result<(), Broken> {
        let rule = match end {
            ClientEnd::EndOfInput => rules::END_OF_INPUT,
            ClientEnd::ServerCloses => rules::SERVER_CLOSES,
            ClientEnd::Word(_) => rules::CLIENT_WORDS,
        };
        match end {
            ClientEnd::EndOfInput => self.client.end_input(),
            // What is typed after the word is not sent.
            ClientEnd::Word(word) => self.client.try_type(format!("{word}\nnot to be sent\n").as_bytes()),
            ClientEnd::ServerCloses => {}
        }
        if end != ClientEnd::ServerCloses {
            self.sends_the_end(rule)?;
            let still = self.receives(b"what still comes\n", &[]);
            still.map_err(|broken| Broken { rule: rules::END_OF_INPUT, ..broken })?;
        }
        self.us.half_close();
        if self.client.ended_by(Instant::now() + self.patience).is_none() {
            return Err(Broken::new(rule, "the client to end", &Next::Nothing));
        }
        match self.client.next_line(Instant::now() + self.patience) {
            Next::End(..) => Ok(()),
            other => Err(Broken::new(rules::SHOWN, "nothing more on stdout".to_owned(), &other)),
        }
    }

    /// `!DISCONNECT` or not, and then the end of what the client sends.
    fn sends_the_end(&self, rule: Rule) -> Result<(), Broken> {
        loop {
            match self.us.next_by(Instant::now() + self.patience) {
                Next::Line(line) if rule == rules::CLIENT_WORDS && line == "!DISCONNECT" => {}
                Next::End(_, rest) if rest.is_empty() => return Ok(()),
                other => {
                    return Err(Broken::new(rule, "the client to close its sending half".to_owned(), &other));
                }
            }
        }
    }
}

/// Returns `true` if none of these lines of input ends the client. One that is too long for a
/// server does not.
pub(crate) fn goes_on(bytes: &[u8]) -> bool {
    !bytes.split(|&byte| byte == b'\n').any(|line| [&b"/quit"[..], b"!DISCONNECT"].contains(&line))
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn the_example_of_the_contract() {
        let shown = r"\x1b[2J\x09\x9b \u{202e}txt al\u{200b}ice";
        assert_eq!(escaped("\x1b[2J\t\u{9b} \u{202e}txt al\u{200b}ice"), shown);
        let six = "a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}";
        assert_eq!(escaped(&format!("{six}\u{301}b\u{301}")), format!("{six}\\u{{0301}}b\u{301}"));
    }
}
