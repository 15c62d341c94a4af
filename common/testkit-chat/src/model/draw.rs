//! Sessions at random, with a liking for the edges of the contract.

use super::dialogue::Dialogue;
use super::session::{Act, Bad, Session, Step};
use super::words::{self, SLOTS};
use super::world::{END_WORDS, Phase, ROOMS, User, World};
use crate::envelope::LONGEST_TEXT;
use testkit::sessions::{Random, text};

const STEPS: usize = 60;
/// More wrong passwords than this have to wait in a server, by the contract.
const MOST_WRONG: usize = 6;

/// The session with this number in the series of `seed`.
pub(super) fn session(stage: u8, seed: u64, number: usize) -> Session {
    let random = Random::new(seed.wrapping_mul(0x1000_0000_01b3) ^ number as u64);
    let mut draw = Draw { random, world: World::new(stage), steps: Vec::new(), wrong: 0 };
    draw.step(0, Act::Connect);
    draw.step(0, Act::say("REGISTER alice~ correct horse"));
    while draw.steps.len() < STEPS {
        let client = draw.random.below(SLOTS.len());
        for act in draw.acts(client) {
            draw.step(client, act);
        }
    }
    Session { steps: draw.steps, shutdown: draw.random.one_in(3) }
}

/// A session while it is drawn.
struct Draw {
    random: Random,
    world: World,
    steps: Vec<Step>,
    wrong: usize,
}

impl Draw {
    fn step(&mut self, client: usize, act: Act) {
        let step = Step { client, act };
        if self.world.allows(&step) {
            self.world.step(&step);
            self.steps.push(step);
        }
    }

    /// What a client does next: some steps that belong together.
    fn acts(&mut self, client: usize) -> Vec<Act> {
        match self.world.clients[client].phase.clone() {
            Phase::Away => vec![Act::Connect],
            Phase::Dialogue(Dialogue::First) => self.login(),
            Phase::Dialogue(_) => vec![Act::say("a name and a password")],
            Phase::In(_) if self.random.one_in(9) => vec![self.leaves()],
            Phase::In(user) if self.world.stage >= ROOMS && !self.random.one_in(3) => {
                vec![self.command(&user)]
            }
            Phase::In(_) => vec![self.talk()],
        }
    }

    fn login(&mut self) -> Vec<Act> {
        if self.random.one_in(12) {
            return vec![self.leaves()];
        }
        if self.random.one_in(10) {
            return vec![Act::say(*self.random.pick(words::BAD_REQUESTS))];
        }
        let tokens = self.world.tokens.len();
        if tokens > 0 && self.random.one_in(5) {
            return vec![Act::say(format!("RESUME #{}", self.random.below(tokens)))];
        }
        let (word, name, password) = self.credentials();
        // Whether a bad name fails before its password or behind it is open.
        if self.random.one_in(2) || words::BAD_NAMES.contains(&name.as_str()) {
            return vec![self.say_all(vec![format!("{word} {name} {password}")], true)];
        }
        let mut texts = vec![word.to_owned(), name, password];
        if self.random.one_in(3) {
            texts.insert(self.random.below(3), String::new());
        }
        if self.random.one_in(6) {
            texts.insert(1 + self.random.below(2), (*self.random.pick(&END_WORDS)).to_owned());
        }
        if self.random.one_in(3) {
            return vec![self.say_all(texts, true)];
        }
        texts.into_iter().map(Act::say).collect()
    }

    /// What a client says who it is by. Most are right.
    fn credentials(&mut self) -> (&'static str, String, String) {
        let random = &mut self.random;
        let accounts: Vec<_> = self.world.accounts.values().cloned().collect();
        if random.one_in(3) || accounts.len() < 2 {
            let password = if random.one_in(5) { words::BAD_PASSWORDS } else { words::PASSWORDS };
            let name = if random.one_in(4) { words::BAD_NAMES } else { words::NAMES };
            return ("REGISTER", self.some_case(name), (*self.random.pick(password)).to_owned());
        }
        let account = random.pick(&accounts).clone();
        let name = self.some_case(&[&account.name]);
        if self.wrong >= MOST_WRONG || !self.random.one_in(5) {
            return ("LOGIN", name, account.password);
        }
        self.wrong += 1;
        let wrong = [
            account.password.to_uppercase() + "X",
            account.password.clone() + " ",
            account.password.trim().to_owned() + "x",
            account.password.chars().take(8).collect::<String>() + "y",
        ];
        let name = if self.random.one_in(3) { "nobody~".to_owned() } else { name };
        ("LOGIN", name, self.random.pick(&wrong).clone())
    }

    fn some_case(&mut self, names: &[&str]) -> String {
        let name = *self.random.pick(names);
        match self.random.below(4) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    fn leaves(&mut self) -> Act {
        let bad = [Bad::Plain, Bad::Tampered, Bad::LineEnd, Bad::NotUtf8, Bad::Cut, Bad::TooLong];
        match self.random.below(8) {
            0 => Act::HalfClose,
            1 => Act::Reset,
            2 => Act::Bad(*self.random.pick(&bad)),
            3 => Act::LastLine(self.text()),
            4 => Act::say("/logout"),
            _ => {
                let word = (*self.random.pick(&END_WORDS)).to_owned();
                self.say_all(vec![word, "after the end".to_owned()], false)
            }
        }
    }

    /// A text that is a message in every stage.
    fn text(&mut self) -> String {
        let text = text(&mut self.random, LONGEST_TEXT);
        if text.starts_with('/') && self.world.stage >= ROOMS || text == "/logout" {
            return format!(" {}", text.chars().take(20).collect::<String>());
        }
        if END_WORDS.contains(&text.as_str()) { text + "!" } else { text }
    }

    fn talk(&mut self) -> Act {
        let texts = (0..1 + self.random.below(3)).map(|_| self.text()).collect();
        self.say_all(texts, false)
    }

    /// One write, cut or not; behind a login perhaps the first message with it.
    fn say_all(&mut self, mut texts: Vec<String>, login: bool) -> Act {
        if login && self.random.one_in(4) {
            texts.push("said at once".to_owned());
        }
        Act::Say { texts, cr_lf: self.random.one_in(5), cut: self.random.one_in(5) }
    }

    fn command(&mut self, user: &User) -> Act {
        let random = &mut self.random;
        let names: Vec<_> = self.world.accounts.values().map(|account| account.name.clone()).collect();
        let name = random.pick(&names).clone();
        let name = self.some_case(&[&name]);
        let blank = if self.random.one_in(3) { " " } else { "" };
        let text = self.text().trim_start().to_owned() + blank;
        let text = if text.trim().is_empty() { "hello".to_owned() } else { text };
        let text: String = if text.len() > 2900 { text.chars().take(700).collect() } else { text };
        Act::say(match self.random.below(16) {
            0..=2 => format!("/join {}", self.random.pick(words::ROOM_NAMES)),
            3 if user.room != super::world::LOBBY => "/leave".to_owned(),
            3 => "/join lobby".to_owned(),
            4 => (*self.random.pick(&["/rooms", "/users", "/help", "/leave"])).to_owned(),
            5 => "/rooms".to_owned(),
            6 => (*self.random.pick(&["/history", "/history 1", "/history 2", "/history 3"])).to_owned(),
            7 | 8 => format!("/subscribe {name}"),
            9 => format!("/unsubscribe {name}"),
            10 => "/subs".to_owned(),
            11 | 12 => format!("/publish {text}"),
            13 | 14 => format!("/msg {name} {text}"),
            _ if self.random.one_in(4) => format!("/join {}", self.random.pick(words::BAD_ROOMS)),
            _ => (*self.random.pick(words::NO_COMMANDS)).to_owned(),
        })
    }
}
