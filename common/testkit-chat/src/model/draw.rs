//! Sessions at random, with a liking for the edges of the contract.

use super::bad::Bad;
use super::inputs::{self, SLOTS};
use super::login_protocol::LoginState;
use super::session::{Act, Session, Step};
use super::world::{END_WORDS, Phase, ROOMS, TLS, User, World};
use crate::connection::LONGEST_LINE;
use crate::envelope::LONGEST_TEXT;
use std::collections::{BTreeMap, BTreeSet};
use testkit::sessions::{Random, text};

const STEPS: usize = 150;
/// So many ways to go on are drawn for each step. The one is taken that is new to the
/// session, or was taken least often.
const CANDIDATES: usize = 6;

/// The session with this number in the series of `seed`.
pub(super) fn session(stage: u8, seed: u64, number: usize) -> Session {
    let random = Random::new(seed.wrapping_mul(0x1000_0000_01b3) ^ number as u64);
    let mut draw = Draw { random, world: World::new(stage), steps: Vec::new(), seen: BTreeMap::new() };
    for (client, name) in ["alice~", "Bob~", "kasia~"].into_iter().enumerate() {
        let register = Act::say(format!("REGISTER {name} correct horse"));
        draw.take(&[Step { client, act: Act::Connect }, Step { client, act: register }]);
    }
    while draw.steps.len() < STEPS {
        draw.go_on();
    }
    let shutdown = draw.random.one_in(3);
    draw.last_change();
    Session { steps: draw.steps, shutdown }
}

/// A session while it is drawn.
pub(super) struct Draw {
    pub random: Random,
    pub world: World,
    steps: Vec<Step>,
    /// How often this has happened in the session, by what followed from it.
    seen: BTreeMap<String, usize>,
}

impl Draw {
    fn take(&mut self, steps: &[Step]) {
        self.world = after(&self.world, steps);
        self.steps.extend_from_slice(steps);
    }

    /// The next steps.
    fn go_on(&mut self) {
        let mut candidates = Vec::new();
        for _ in 0..CANDIDATES {
            let client = self.random.below(SLOTS.len());
            let steps: Vec<_> = self.acts(client).into_iter().map(|act| Step { client, act }).collect();
            if is_allowed(&self.world, &steps) {
                candidates.push((what_follows(&self.world, &steps), steps));
            }
        }
        let seen = |follows: &String| self.seen.get(follows).copied().unwrap_or_default();
        if let Some((follows, steps)) = candidates.into_iter().min_by_key(|(follows, _)| seen(follows)) {
            self.take(&steps);
            *self.seen.entry(follows).or_default() += 1;
        }
    }

    /// In the end a user moves, or leaves, where others see it: the lists that follow from
    /// it are looked at.
    fn last_change(&mut self) {
        let mut acts = vec![Act::HalfClose];
        if self.world.stage >= ROOMS && !self.random.one_in(4) {
            let rooms = self.world.users().map(|(_, user)| user.room.as_str()).chain(["den~", "attic~"]);
            acts.splice(0..0, rooms.map(|room| Act::say(format!("/join {room}"))).collect::<Vec<_>>());
        }
        let is_seen = |step: &[Step; 1]| {
            let client = step[0].client;
            let is_in = self.world.user(client).is_some();
            is_in && lists(&self.world, client) != lists(&after(&self.world, step), client)
        };
        let steps = acts
            .into_iter()
            .flat_map(|act| (0..SLOTS.len()).map(move |client| [Step { client, act: act.clone() }]));
        if let Some(step) = steps.into_iter().find(|step| is_seen(step) && is_allowed(&self.world, step)) {
            self.take(&step);
        }
    }

    /// What a client does next: some steps that belong together.
    fn acts(&mut self, client: usize) -> Vec<Act> {
        match self.world.clients[client].phase.clone() {
            Phase::Away => vec![Act::Connect],
            Phase::Login(LoginState::First) => self.login(),
            Phase::Login(_) if self.random.one_in(4) => vec![self.leaves()],
            Phase::Login(_) if self.random.one_in(3) => vec![Act::say(self.no_text())],
            Phase::Login(LoginState::Name(_)) => vec![Act::say(*self.random.pick(inputs::NAMES))],
            Phase::Login(_) => vec![Act::say(*self.random.pick(inputs::PASSWORDS))],
            Phase::In(_) if self.random.one_in(16) => vec![self.leaves()],
            Phase::In(_) if self.world.stage >= TLS && self.random.one_in(16) => vec![Act::Bad(Bad::NotUtf8)],
            Phase::In(user) if self.world.stage >= ROOMS && !self.random.one_in(4) => {
                vec![self.command(&user)]
            }
            Phase::In(_) => vec![self.talk()],
        }
    }

    pub(super) fn some_case(&mut self, names: &[&str]) -> String {
        let name = *self.random.pick(names);
        match self.random.below(4) {
            0 => name.to_uppercase(),
            1 => name.to_ascii_lowercase(),
            _ => name.to_owned(),
        }
    }

    pub(super) fn leaves(&mut self) -> Act {
        match self.random.below(9) {
            0 => Act::HalfClose,
            1 => Act::Reset,
            2..=4 if self.world.stage >= TLS => Act::Bad(*self.random.pick(&Bad::TOO_LONG)),
            2..=4 => Act::Bad(*self.random.pick(&Bad::ALL)),
            5 => Act::LastLine(self.text()),
            6 => Act::say("/logout"),
            _ => {
                let word = (*self.random.pick(&END_WORDS)).to_owned();
                self.say_all(vec![word, "after the end".to_owned()], false)
            }
        }
    }

    /// An empty line, or a sealed text of no bytes.
    pub(super) fn no_text(&mut self) -> String {
        (*self.random.pick(&["", inputs::NO_BYTES])).to_owned()
    }

    /// A text that is a message in every stage.
    fn text(&mut self) -> String {
        let text = if self.random.one_in(4) {
            (*self.random.pick(inputs::NEAR_MISSES)).to_owned()
        } else {
            let longest = if self.world.stage >= TLS { LONGEST_LINE } else { LONGEST_TEXT };
            text(&mut self.random, longest)
        };
        let is_command = text.starts_with('/') && self.world.stage >= ROOMS || text == "/logout";
        let text = if is_command { format!(" {}", text.chars().take(20).collect::<String>()) } else { text };
        // Where lines are not sealed, this CR would belong to the line end.
        let text = if self.world.stage >= TLS { text.trim_end_matches('\r').to_owned() } else { text };
        if END_WORDS.contains(&text.as_str()) || text.is_empty() { text + "!" } else { text }
    }

    fn talk(&mut self) -> Act {
        let mut texts: Vec<_> = (0..1 + self.random.below(3)).map(|_| self.text()).collect();
        if self.random.one_in(6) {
            texts.push(self.no_text());
        }
        // Twice the same is twice.
        if self.random.one_in(8) {
            texts.push(texts[0].clone());
        }
        self.say_all(texts, false)
    }

    /// One write, cut or not; behind a login perhaps the first message with it.
    pub(super) fn say_all(&mut self, mut texts: Vec<String>, login: bool) -> Act {
        if login && self.random.one_in(4) {
            texts.push("said at once".to_owned());
        }
        Act::Say { texts, cr_lf: self.random.one_in(5), cut: self.random.one_in(5) }
    }

    fn command(&mut self, user: &User) -> Act {
        let names: Vec<_> = if self.random.one_in(4) {
            self.world.accounts.values().map(|account| account.name.clone()).collect()
        } else {
            self.world.users().map(|(_, user)| user.name.clone()).collect()
        };
        let name = self.random.pick(&names).clone();
        let name = match self.random.below(24) {
            0 => inputs::pattern(&name),
            1 => inputs::lookalike(&name),
            _ => self.some_case(&[&name]),
        };
        let mine = self.world.publishers_of(&user.name);
        let publisher = if mine.is_empty() { name.clone() } else { self.random.pick(&mine).clone() };
        let text = self.private_text();
        if self.world.stage >= TLS && self.random.one_in(5) {
            let texts = self.command_of_keys(user, &name);
            return self.say_all(texts, false);
        }
        let before_and_behind = *self.random.pick(&[("", ""), ("", ""), ("", " "), (" ", ""), ("  ", "  ")]);
        let blanks = |name: &str| format!("{}{name}{}", before_and_behind.0, before_and_behind.1);
        Act::say(match self.random.below(17) {
            0 | 1 => format!("/join {}", blanks(self.random.pick::<&str>(inputs::ROOM_NAMES))),
            // Only an answer that comes at once has the list of the first room.
            2 => {
                let rooms = [inputs::ROOM_NAMES, inputs::ROOM_NAMES].map(|names| *self.random.pick(names));
                return self.say_all(rooms.map(|room| format!("/join {room}")).to_vec(), false);
            }
            3 if user.room != super::world::LOBBY => "/leave".to_owned(),
            3 => (*self.random.pick(&["/join lobby", "/join LOBBY"])).to_owned(),
            4 => (*self.random.pick(&["/rooms", "/users", "/help", "/leave"])).to_owned(),
            5 => "/rooms".to_owned(),
            6 => (*self.random.pick(inputs::HISTORIES)).to_owned(),
            7 | 8 => format!("/subscribe {}", blanks(&name)),
            9 if self.random.one_in(4) => format!("/unsubscribe {}", blanks(&name)),
            9 => format!("/unsubscribe {}", blanks(&publisher)),
            10 => "/subs".to_owned(),
            11 | 12 => format!("/publish {text}"),
            13 | 14 => format!("/msg {}{name} {text}", before_and_behind.0),
            15 => format!("/join {}", self.random.pick(inputs::BAD_ROOMS)),
            _ => (*self.random.pick(inputs::NO_COMMANDS)).to_owned(),
        })
    }

    /// A text with nothing in front of it that could belong to the command.
    fn private_text(&mut self) -> String {
        let blank = if self.random.one_in(3) { " " } else { "" };
        let text = self.text().trim_start().to_owned() + blank;
        let text = if text.trim().is_empty() { "hello".to_owned() } else { text };
        // It has to fit beside the command.
        if text.len() > 2900 { text.chars().take(700).collect() } else { text }
    }
}

/// The lists of users that are right for all but this client.
fn lists(world: &World, client: usize) -> Vec<String> {
    world.users().filter(|(other, _)| *other != client).map(|(_, user)| world.list(&user.room)).collect()
}

fn after(world: &World, steps: &[Step]) -> World {
    let mut after = world.clone();
    for step in steps {
        after.step(step);
        after.clients.iter_mut().for_each(|client| client.expected.clear());
    }
    after
}

/// Returns `true` if these steps can be done one after the other.
fn is_allowed(world: &World, steps: &[Step]) -> bool {
    (0..steps.len()).all(|done| after(world, &steps[..done]).allows(&steps[done]))
}

/// What is done, which rules speak of what follows, for the client itself and for all
/// others, and how many subscriptions it has then.
fn what_follows(world: &World, steps: &[Step]) -> String {
    let Some((last, first)) = steps.split_last() else { return String::new() };
    let mut after = after(world, first);
    after.step(last);
    let mut others = BTreeSet::new();
    for (_, other) in after.clients.iter().enumerate().filter(|(client, _)| *client != last.client) {
        others.extend(other.expected.rules());
    }
    let own: Vec<_> = after.clients[last.client].expected.rules().collect();
    let subscriptions = after.user(last.client).map_or(0, |user| after.publishers_of(&user.name).len());
    format!("{} {} {own:?} {others:?} {subscriptions}", last.act.word(), after.about.name)
}
