//! Random sessions of a client whose texts are encrypted: the check is the server.

use super::wire::Key;
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{
    Broken, Random, Rule, Sessions, escaped, play_series, text_for_a_client, typed_line,
};
use testkit::{Case, Exit, Next, Peer, Program, checks, shown};

/// What a client owes from stage 5 on.
pub mod rules {
    testkit::rules! {
    ENCRYPTED "encrypted":
        "Each line of a client's input that is not empty is sent encrypted, and nothing of it in another way",
        "base64 of the IV and the ciphertext, in the standard alphabet and with padding; the text as it was typed, blanks too.";
    LONGEST_TEXT "longest-text":
        "A text of more than 3055 bytes is not sent, and ends the client with 1; the longest is sent; bytes count, not characters",
        "Measure the encoded text (in Python len(text.encode()), not len(text)), and stop there: no part of it is sent.";
    DECRYPTED "decrypted":
        "`[IP:PORT] LINE` is shown as `[IP:PORT] TEXT`, escaped after decrypting",
        "Take what stands behind the first `] `, decrypt it, decode it as UTF-8, and escape all of that.";
    CANNOT_DECRYPT "cannot-decrypt":
        "A line with anything wrong is shown as `[IP:PORT] (cannot decrypt)`, and the client goes on",
        "Check the base64 strictly, the length, every byte of the padding, and the UTF-8; all of them end in the same words.";
    }
}

checks! {
/// Sessions at random.
pub client_sessions:

/// The session above breaks a rule of the contract.
wire(client) fn random_sessions_of_a_client_keep_to_the_contract(case) {
    play_series(case, &ClientSessions);
}
}

const LONGEST: usize = 3055;
const SENDERS: &[&str] = &["192.0.2.7:40001", "[::1]:40002", "[2001:db8::7]:65535", "127.0.0.1:1"];
/// What another user's text must not be taken for.
const TEXTS: &[&str] = &[
    "exactly 16 bytes",
    "a\nb",
    "a\r\n[SERVER] no line of its own\n",
    "ends with CR\r",
    "] ",
    "[SERVER] hi",
    "[192.0.2.9:1] hi",
    "!DISCONNECT",
    "/quit",
    "(cannot decrypt)",
    " ",
    "\u{1}",
    "\u{10}",
    "AAAAAAAA",
    "\u{feff}x",
];

/// What is wrong with a line.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Of a user who has no key.
    Plain(&'static str),
    /// One CR more than belongs to the line end.
    CrAtTheEnd,
    /// A character that base64 does not have, in the middle.
    Odd(char),
    NoPadding,
    UrlSafe,
    Cut,
    Longer,
    /// So many bytes, of which nothing can be decrypted.
    Bytes(usize),
    /// Whole blocks, as they are before encryption.
    Blocks(&'static [u8]),
    AnotherKey,
    NotUtf8(&'static [u8]),
}

#[rustfmt::skip]
const WRONGS: &[Wrong] = &[
    Wrong::Plain("I have no key"), Wrong::Plain("[SERVER] server is shutting down"), Wrong::Plain("] hello"),
    Wrong::Odd('*'), Wrong::Odd(' '), Wrong::Odd('-'), Wrong::Odd('\t'), Wrong::CrAtTheEnd, Wrong::NoPadding,
    Wrong::UrlSafe, Wrong::Cut, Wrong::Longer, Wrong::Bytes(1), Wrong::Bytes(16), Wrong::Bytes(31), Wrong::Bytes(40),
    Wrong::Blocks(b"hello world!\x01\x02\x03\x04"), Wrong::Blocks(b"hello world 12.\0"),
    Wrong::Blocks(b"hello world 12.\x11"), Wrong::Blocks(b"hello world 12\x01\x02"), Wrong::Blocks(&[0; 16]), Wrong::Blocks(&[32; 32]), Wrong::Blocks(&[17; 32]),
    Wrong::AnotherKey, Wrong::NotUtf8(b"caf\xe9"), Wrong::NotUtf8(b"\xc0\xaf"), Wrong::NotUtf8(b"\xed\xa0\x80"),
    Wrong::NotUtf8(b"\xf0\x9f\xa6"),
];

#[derive(Clone, Debug)]
enum Received {
    Text(&'static str, String),
    Wrong(&'static str, Wrong),
    /// The server speaks in the clear.
    Notice(String),
}

#[derive(Clone, Debug)]
enum Step {
    /// Lines with this line end.
    Receive(Vec<Received>, &'static str),
    Type(Vec<String>),
}

#[derive(Clone, Debug)]
enum End {
    OfInput,
    /// The last line has no line end.
    Unfinished(String),
    Word(&'static str),
    ServerCloses,
    TooLong(String),
    InputNotUtf8,
}

#[derive(Clone, Debug)]
struct Session {
    steps: Vec<Step>,
    end: End,
}

/// Sessions of a client of stage 5.
struct ClientSessions;

impl Sessions for ClientSessions {
    type Session = Session;
    const COUNT: usize = 60;
    const OTHERWISE: Rule = rules::ENCRYPTED;

    fn draw(&self, seed: u64, number: usize) -> Session {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b1) ^ number as u64);
        let steps = (0..3 + random.below(6)).map(|_| step(&mut random)).collect();
        Session { steps, end: end(&mut random, number) }
    }

    fn is_sure(&self, broken: &Broken) -> bool {
        !broken.is_nothing()
    }

    fn simpler(&self, session: &Session) -> Vec<Session> {
        let mut all = Vec::new();
        for at in 0..session.steps.len() {
            let mut shorter = session.clone();
            shorter.steps.remove(at);
            all.push(shorter);
            let lines = match &session.steps[at] {
                Step::Receive(lines, _) => lines.len(),
                Step::Type(lines) => lines.len(),
            };
            for line in (0..lines).filter(|_| lines > 1) {
                let mut shorter = session.clone();
                match &mut shorter.steps[at] {
                    Step::Receive(lines, _) => drop(lines.remove(line)),
                    Step::Type(lines) => drop(lines.remove(line)),
                }
                all.push(shorter);
            }
        }
        all
    }

    fn play(&self, case: &Case, session: &Session, patience: Duration) -> Result<(), Broken> {
        let key = Key::for_client(case);
        let server = case.scripted_server();
        let client = case.client(server.address());
        let us = server.accept();
        let mut player = Player { key, client, us, patience };
        for step in &session.steps {
            match step {
                Step::Receive(lines, end) => player.receives(lines, end)?,
                Step::Type(lines) => player.types(lines)?,
            }
        }
        player.ends(&session.end)
    }
}

fn step(random: &mut Random) -> Step {
    let count = 1 + random.below(4);
    if random.one_in(3) {
        let line = |random: &mut Random| match random.below(8) {
            0 => String::new(),
            1 => " ".to_owned(),
            2 => of_bytes(random, LONGEST),
            _ => typed_line(random, LONGEST),
        };
        return Step::Type((0..count).map(|_| line(random)).collect());
    }
    let line = |random: &mut Random| {
        let sender = *random.pick::<&str>(SENDERS);
        match random.below(6) {
            0 => Received::Notice(text_for_a_client(random, LONGEST)),
            1 | 2 => Received::Wrong(sender, *random.pick(WRONGS)),
            3 => Received::Text(sender, (*random.pick(TEXTS)).to_owned()),
            4 if random.one_in(4) => Received::Text(sender, of_bytes(random, LONGEST)),
            _ => {
                let text = text_for_a_client(random, LONGEST);
                // How a text of no bytes is shown is left open.
                Received::Text(sender, if text.is_empty() { "x".to_owned() } else { text })
            }
        }
    };
    let lines = (0..count).map(|_| line(random)).collect();
    Step::Receive(lines, if random.one_in(3) { "\r\n" } else { "\n" })
}

fn end(random: &mut Random, number: usize) -> End {
    match number % 7 {
        0 => End::OfInput,
        1 => End::Word("/quit"),
        2 | 5 => {
            let bytes = LONGEST + 1 + random.below(3);
            End::TooLong(of_bytes(random, bytes))
        }
        3 => End::Unfinished("without a line end".to_owned()),
        4 => End::Word("!DISCONNECT"),
        _ if random.one_in(2) => End::InputNotUtf8,
        _ => End::ServerCloses,
    }
}

/// So many bytes, of few characters or of many.
fn of_bytes(random: &mut Random, bytes: usize) -> String {
    let character = *random.pick(&["é", "€", "z"]);
    "x".repeat(bytes % character.len()) + &character.repeat(bytes / character.len())
}

/// A line that cannot be decrypted with this key.
fn wrong_line(key: &Key, wrong: Wrong) -> String {
    let sealed = key.encrypt("hello");
    match wrong {
        Wrong::Plain(text) => text.to_owned(),
        Wrong::CrAtTheEnd => sealed + "\r\r",
        Wrong::Odd(character) => format!("{}{character}{}", &sealed[..20], &sealed[20..]),
        Wrong::NoPadding => sealed.trim_end_matches('=').to_owned(),
        Wrong::UrlSafe => {
            let with_both = || Some(key.encrypt("hello")).filter(|line| line.contains(['+', '/']));
            let line = std::iter::from_fn(|| Some(with_both())).flatten().next();
            line.unwrap_or_default().replace('+', "-").replace('/', "_")
        }
        Wrong::Cut => sealed[..sealed.len() - 4].to_owned(),
        Wrong::Longer => sealed + "AAAA",
        Wrong::Bytes(count) => super::wire::in_base64(&vec![b'x'; count]),
        Wrong::Blocks(blocks) => key.encrypt_blocks(blocks),
        Wrong::AnotherKey => {
            let forged = || Some(Key::random().encrypt("hello")).filter(|line| !key.decrypts(line));
            std::iter::from_fn(|| Some(forged())).flatten().next().unwrap_or_default()
        }
        Wrong::NotUtf8(bytes) => key.encrypt(bytes),
    }
}

/// The client, and the server's end of its connection.
struct Player {
    key: Key,
    client: Program,
    us: Peer,
    patience: Duration,
}

impl Player {
    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    fn receives(&mut self, lines: &[Received], end: &str) -> Result<(), Broken> {
        let mut bytes = String::new();
        for line in lines {
            bytes += &match line {
                Received::Text(sender, text) => format!("[{sender}] {}", self.key.encrypt(text)),
                Received::Wrong(sender, wrong) => format!("[{sender}] {}", wrong_line(&self.key, *wrong)),
                Received::Notice(text) => format!("[SERVER] {text}"),
            };
            bytes += end;
        }
        let _ = self.us.try_send(bytes.as_bytes());
        lines.iter().try_for_each(|line| match line {
            Received::Text(sender, text) => self.prints(&format!("[{sender}] {text}"), rules::DECRYPTED),
            Received::Wrong(sender, _) => {
                self.prints(&format!("[{sender}] (cannot decrypt)"), rules::CANNOT_DECRYPT)
            }
            Received::Notice(text) => {
                // One CR belongs to the line end.
                let text = text.strip_suffix('\r').filter(|_| end == "\n").unwrap_or(text);
                self.prints(&format!("[SERVER] {text}"), plain::SHOWN)
            }
        })
    }

    fn prints(&self, text: &str, rule: Rule) -> Result<(), Broken> {
        let expected = escaped(text);
        match self.client.next_line(self.deadline()) {
            Next::Line(line) if line == expected => Ok(()),
            other => Err(Broken::new(rule, format!("{} on stdout", shown(&expected)), &other)),
        }
    }

    fn types(&mut self, lines: &[String]) -> Result<(), Broken> {
        let typed: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.client.try_type(typed.as_bytes());
        lines.iter().filter(|line| !line.is_empty()).try_for_each(|line| self.sends(line))
    }

    fn sends(&self, text: &str) -> Result<(), Broken> {
        let next = self.us.next_by(self.deadline());
        let rule = if text.len() == LONGEST { rules::LONGEST_TEXT } else { rules::ENCRYPTED };
        let expected = format!("a line that decrypts to {}", shown(text));
        match &next {
            // A CR before the line end belongs to it.
            Next::Line(line) => match self.key.decrypt(line.trim_end_matches('\r')) {
                (_, decrypted) if decrypted == text => Ok(()),
                (_, other) => Err(Broken { rule, expected, got: shown(other) }),
            },
            _ => Err(Broken::new(rule, expected, &next)),
        }
    }

    fn ends(mut self, end: &End) -> Result<(), Broken> {
        let rule = match end {
            End::OfInput => {
                self.client.end_input();
                plain::END_OF_INPUT
            }
            End::Unfinished(line) => {
                self.client.try_type(line.as_bytes());
                self.client.end_input();
                self.sends(line)?;
                plain::END_OF_INPUT
            }
            End::Word(word) => {
                // What is typed after the word is not sent.
                self.client.try_type(format!("{word}\nnot to be sent\n").as_bytes());
                plain::CLIENT_WORDS
            }
            End::ServerCloses => {
                self.us.half_close();
                return self.exits(0, plain::SERVER_CLOSES);
            }
            End::TooLong(text) => {
                self.client.try_type(format!("{text}\nnot to be sent\n").as_bytes());
                self.sends_its_end(rules::LONGEST_TEXT)?;
                return self.exits(1, rules::LONGEST_TEXT);
            }
            End::InputNotUtf8 => {
                self.client.try_type(b"caf\xe9\nnot to be sent\n");
                self.sends_its_end(plain::TYPED)?;
                return self.exits(1, plain::TYPED);
            }
        };
        self.sends_its_end(rule)?;
        let still = "what still comes".to_owned();
        self.receives(&[Received::Text(SENDERS[0], still)], "\n")
            .map_err(|broken| Broken { rule: plain::END_OF_INPUT, ..broken })?;
        self.us.half_close();
        self.exits(0, rule)
    }

    /// `!DISCONNECT` in the clear, where a word asked for it, and then the end of what the client sends.
    fn sends_its_end(&self, rule: Rule) -> Result<(), Broken> {
        loop {
            match self.us.next_by(self.deadline()) {
                Next::Line(line) if rule == plain::CLIENT_WORDS && line == "!DISCONNECT" => {}
                Next::End(_, rest) if rest.is_empty() => return Ok(()),
                other => return Err(Broken::new(rule, "nothing more from the client but its end", &other)),
            }
        }
    }

    fn exits(&self, code: i32, rule: Rule) -> Result<(), Broken> {
        let Some(exit) = self.client.ended_by(self.deadline()) else {
            return Err(Broken::new(rule, "the client to end", &Next::Nothing));
        };
        if exit != Exit::Code(code) {
            return Err(Broken { rule, expected: format!("exit code {code}"), got: exit.to_string() });
        }
        match self.client.next_line(self.deadline()) {
            Next::End(..) => Ok(()),
            other => Err(Broken::new(plain::SHOWN, "nothing more on stdout", &other)),
        }
    }
}
