//! Sessions of a client at random, with a liking for the edges.

mod private;

use super::contacts::{LONGEST_PRIVATE, NAMES};
use super::session::{
    Answer, Attempt, ClientSession, End, Forgery, Heard, LineEnd, Login, Loss, Outcome, Pieces, Received,
    Step,
};
use crate::envelope::LONGEST_TEXT;
use crate::model::world::TLS;
use testkit::sessions::{Random, text_for_a_client, typed_line};

/// What a client receives begins with one of these.
const PREFIXES: &[&str] = &[
    "bob: ",
    "bob: ",
    "Carol: ",
    "[SERVER] ",
    "[HISTORY] 2026-01-31T09:30:00Z bob: ",
    "[pub] bob: ",
    "[#rust] bob: ",
    "[USERS_LIST] ",
    // Users, who may be called so.
    "AUTH_FAILED: ",
    "AUTH_REQUIRED: ",
    "AUTH_SUCCESS: ",
    "KEY: ",
];
/// What another user says, and a client may take for the server's word.
#[rustfmt::skip]
const SAID: &[&str] = &[
    "you logged in elsewhere", "[SERVER] you logged in elsewhere", "[SERVER] you were kicked by carol",
    "AUTH_FAILED wrong name or password", "AUTH_REQUIRED", "ENTER_PASSWORD", "AUTH_SUCCESS bob token-0", "!DISCONNECT",
    "[SERVER] you are in cellar (1 online)", "[KEY] bob AAAA", "[DM] bob AAAA", "[private] bob: psst",
    "[SERVER] server is shutting down", "[SERVER] error: message rejected", "/quit", "/msg alice psst",
];
/// What the server says of others.
const NOTICES: &[&str] = &[
    "[SERVER] bob was kicked",
    "[SERVER] announcement by carol: you were kicked by carol",
    "[SERVER] announcement by carol: you logged in elsewhere",
    "[SERVER] error: carol is not online",
];
/// What is typed in the room and means nothing to a client.
#[rustfmt::skip]
const SAID_IN_THE_ROOM: &[&str] = &[
    "/logout now", "/LOGOUT", "/logout ", "RESUME token-1", "LOGIN alice correct horse", "AUTH_REQUIRED", "/join cellar", "/join attic", "/join attic",
    "/leave", " /msg bob psst", "you logged in elsewhere",
];
/// Reasons for a refusal. A server in another language may choose its own words.
const REASONS: &[&str] = &[
    "wrong name or password",
    "name already taken",
    "already logged in",
    "session unknown or over, log in again",
    "Zugang verweigert",
    "no",
];
/// A login that was never done ends here, too. Whether a client that was in tries again, as the
/// server asks for here, is left open.
const LATER: &str = "too many logins at once, try again later";
const PASSWORDS: &[&str] =
    &["correct horse", " two  blanks ", "LOGIN a b", "/help me", "éééééééé", "12345678"];
/// The session with this number in the series of `seed`.
pub(super) fn session(stage: u8, seed: u64, number: usize) -> ClientSession {
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number as u64);
    let friend = random.below(NAMES.len());
    let mut draw = Draw { stage, private: 0, friend };
    let login = draw.login(&mut random, number);
    let count = if login.outcome == Outcome::In { 6 + random.below(10) } else { 0 };
    let mut steps: Vec<_> = (0..count).map(|_| draw.step(&mut random)).collect();
    // Coming back takes a client its pause: once in a session is enough.
    if number % 4 == 1 && count > 0 {
        let at = count / 2 + random.below(count / 2);
        let mut around = vec![draw.loss(&mut random, number / 4)];
        if stage >= TLS {
            around.insert(0, Step::Hear(friend, vec![draw.heard(&mut random)]));
            around.push(Step::Hear(friend, vec![Heard::Again]));
        }
        steps.splice(at..at, around);
    }
    // Another key of a user whose key is known, and what is said and heard then.
    if stage >= TLS && number % 6 == 5 && count > 0 {
        let text = |draw: &mut Draw, random: &mut Random| draw.whisper(random, friend, Answer::Key);
        steps.push(text(&mut draw, &mut random));
        steps.extend([Step::Rekey(friend), Step::Rekey(friend)]);
        steps.push(text(&mut draw, &mut random));
        steps.push(Step::Hear(friend, vec![draw.heard(&mut random)]));
    }
    let end = draw.end(&mut random, number);
    // A key that there is not, of a user of whom nothing is known.
    if stage >= TLS && number % 6 == 2 && count > 0 {
        steps.insert(0, draw.whisper(&mut random, friend, private::no_key(number / 6)));
    }
    // Each way to move, or not to move, before a connection is lost.
    if let Some(at) = steps.iter().position(|step| stage >= 7 && matches!(step, Step::Lose(..))) {
        let (command, result) = MOVES[number / 4 % MOVES.len()];
        steps.insert(at, Step::Move(command, result));
    }
    ClientSession { login, steps, end }
}

struct Draw {
    stage: u8,
    /// So many private texts there are.
    private: usize,
    /// Most private messages are for this user, or come from there.
    friend: usize,
}

impl Draw {
    /// The most bytes of a text.
    fn longest(&self) -> usize {
        if self.stage >= TLS { 4096 } else { LONGEST_TEXT }
    }

    fn login(&mut self, random: &mut Random, number: usize) -> Login {
        let word = *random.pick(&["LOGIN", "REGISTER"]);
        let password = *random.pick(PASSWORDS);
        let answers = if random.one_in(3) {
            vec![format!("{word} alice {password}")]
        } else {
            vec![word.to_owned(), "alice".to_owned(), password.to_owned()]
        };
        let mut typed = Vec::new();
        for answer in answers {
            if random.one_in(4) {
                typed.push(String::new());
            }
            if self.stage >= TLS && random.one_in(8) {
                typed.push("/msg bob a secret".to_owned());
            }
            typed.push(answer);
        }
        let outcome = match number % 8 {
            3 if random.one_in(4) => Outcome::Failed(LATER),
            3 => Outcome::Failed(one_of(random, REASONS)),
            5 if random.one_in(2) => Outcome::InputEnds,
            1 if number % 16 == 9 => return self.login_too_long(random),
            7 if number % 16 == 7 => Outcome::Closes,
            7 if self.stage < TLS => Outcome::Forged(forgery(number / 16)),
            _ => Outcome::In,
        };
        if outcome == Outcome::InputEnds {
            typed.pop();
        }
        let early =
            if outcome != Outcome::InputEnds && random.one_in(2) { self.typed(random) } else { Vec::new() };
        let name = *random.pick(&["alice", "Alice"]);
        let request = format!("{word} alice {password}");
        Login { typed, is_slow: random.one_in(4), request, early, pieces: pieces(random), name, outcome }
    }

    /// An answer that is not sent.
    fn login_too_long(&self, random: &mut Random) -> Login {
        let name = "alice";
        let bytes = self.longest() + 1 + random.below(3) - "LOGIN alice ".len();
        let request = format!("LOGIN {name} {}", self.of_bytes(random, bytes));
        let (typed, early) = Default::default();
        let outcome = Outcome::TooLong;
        Login { typed, is_slow: false, request, early, pieces: Pieces::Whole, name, outcome }
    }

    fn step(&mut self, random: &mut Random) -> Step {
        if self.stage >= TLS && random.one_in(2) {
            return self.private_step(random);
        }
        if self.stage >= 7 && random.one_in(6) {
            return movement(random);
        }
        if random.one_in(2) {
            return Step::Type(self.typed(random), pieces(random));
        }
        let count = if random.one_in(8) { 20 } else { 1 + random.below(4) };
        Step::Receive((0..count).map(|_| self.received(random)).collect(), pieces(random))
    }

    fn typed(&self, random: &mut Random) -> Vec<String> {
        let line = |random: &mut Random| match random.below(8) {
            0 => String::new(),
            1 => (*random.pick(SAID_IN_THE_ROOM)).to_owned(),
            2 if random.one_in(3) => self.of_bytes(random, self.longest()),
            _ => loop {
                let line = typed_line(random, self.longest());
                let is_ours = ["/msg", "/logout"].iter().any(|word| line.to_lowercase().starts_with(word));
                if !is_ours {
                    break line;
                }
            },
        };
        (0..1 + random.below(3)).map(|_| line(random)).collect()
    }

    /// So many bytes, of few characters or of many.
    fn of_bytes(&self, random: &mut Random, bytes: usize) -> String {
        match random.below(3) {
            0 => "x".repeat(bytes % 2) + &"é".repeat(bytes / 2),
            1 => "x".repeat(bytes % 3) + &"€".repeat(bytes / 3),
            _ => "z".repeat(bytes),
        }
    }

    fn received(&self, random: &mut Random) -> Received {
        if self.stage >= TLS && random.one_in(16) {
            return Received::NotUtf8;
        }
        let text = match random.below(6) {
            0 => format!("bob: {}", *random.pick(SAID)),
            1 if random.one_in(3) => format!("bob: {}", self.of_bytes(random, self.longest())),
            1 if random.one_in(3) => (*random.pick(NOTICES)).to_owned(),
            // All in a room of many: more than line readers take by default.
            1 if random.one_in(6) => {
                let names =
                    (0..*random.pick(&[300, 2200])).map(|n| format!("user-with-a-rather-long-name-{n:03}"));
                format!("[USERS_LIST] {}", names.collect::<Vec<_>>().join(","))
            }
            2 if self.stage < TLS => {
                // Only a sealed line can have a line end in it.
                format!("bob: {}\n[SERVER] no line of its own\n", text_for_a_client(random, 100))
            }
            _ => format!("{}{}", *random.pick(PREFIXES), text_for_a_client(random, self.longest())),
        };
        Received::Line(text, if random.one_in(4) { LineEnd::CrLf } else { LineEnd::Lf })
    }

    fn loss(&self, random: &mut Random, number: usize) -> Step {
        let loss = *random.pick(&[Loss::Breaks, Loss::Closed, Loss::Shutdown]);
        let attempts = [Attempt::Succeeds, Attempt::AreRefused, Attempt::Succeeds, Attempt::AreReset(2)];
        let typed = if random.one_in(2) { self.typed(random) } else { Vec::new() };
        Step::Lose(loss, attempts[number % attempts.len()], typed)
    }

    fn end(&mut self, random: &mut Random, number: usize) -> End {
        let too_long = self.longest() + 1 + random.below(3);
        match number % 11 {
            0 => End::OfInput(String::new()),
            1 => End::Word("/quit"),
            2 => End::TooLong(self.of_bytes(random, too_long)),
            3 => End::Told("[SERVER] you logged in elsewhere"),
            4 if self.stage < TLS => End::Forged(forgery(number / 11)),
            5 => End::OfInput("without a line end".to_owned()),
            6 => End::Word("!DISCONNECT"),
            7 => End::TokenRefused(REASONS[number / 11 % REASONS.len()]),
            // From the last one on.
            8 if self.stage < TLS => End::Forged(forgery(7 + 7 * (number / 11))),
            8 => End::InputNotUtf8,
            9 if self.stage >= 7 => End::Told("[SERVER] you were kicked by carol"),
            9 => End::InputNotUtf8,
            10 => End::Logout,
            _ => {
                let bytes = LONGEST_PRIVATE + 1 + random.below(3);
                End::PrivateTooLong(self.of_bytes(random, bytes))
            }
        }
    }
}

fn forgery(number: usize) -> Forgery {
    Forgery::ALL[number % Forgery::ALL.len()]
}

/// One of these words.
fn one_of(random: &mut Random, words: &[&'static str]) -> &'static str {
    random.pick::<&'static str>(words)
}

fn pieces(random: &mut Random) -> Pieces {
    match random.below(4) {
        0 => Pieces::EachByte,
        1 => Pieces::Two(random.below(1000)),
        _ => Pieces::Whole,
    }
}

/// Commands, and the room in which the server says that the user is then, or an error.
const MOVES: &[(&str, Result<&str, &str>)] = &[
    ("/join no room", Err("a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -")),
    ("/join rust", Ok("Rust")),
    ("/join a-b.c_d", Ok("a-b.c_d")),
    ("/join den", Err("the database is out of reach, try again later")),
    ("/leave", Ok("lobby")),
    ("/join Lobby", Ok("lobby")),
    ("/join RUST", Ok("Rust")),
];

fn movement(random: &mut Random) -> Step {
    let (command, result) = *random.pick(MOVES);
    Step::Move(command, result)
}
