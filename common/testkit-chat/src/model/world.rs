//! The server as the model sees it: accounts, sessions, rooms and connections.

use super::expected::{Expected, Stream, What};
use super::inputs::{NO_BYTES, SLOTS};
use super::login_protocol::{LoginState, is_name};
use super::rules;
use std::collections::{BTreeMap, BTreeSet};
use testkit::Next;
use testkit::sessions::Rule;

/// The first stage with rooms.
pub(super) const ROOMS: u8 = 7;
/// The first stage with TLS, and with keys for messages that the server cannot read.
pub(super) const TLS: u8 = 8;
pub(super) const LOBBY: &str = "lobby";
/// What ends a connection, during the login and in the room.
pub(super) const END_WORDS: [&str; 2] = ["/quit", "!DISCONNECT"];

/// All that the server knows.
#[derive(Clone)]
pub(super) struct World {
    pub stage: u8,
    /// By the name in lower case.
    pub accounts: BTreeMap<String, Account>,
    /// By number.
    pub tokens: Vec<Token>,
    /// Author and text of what was said, by the room's name in lower case.
    pub said: BTreeMap<String, Vec<(String, String)>>,
    /// Subscriber and publisher, both in lower case.
    pub subscriptions: BTreeSet<(String, String)>,
    /// By the number of the connection.
    pub clients: Vec<Client>,
    /// The rule of what was done last.
    pub about: Rule,
    /// The client that did it, and whether it had a name before.
    pub actor: usize,
    pub actor_had_a_name: bool,
    pub answers: usize,
    /// How many passwords were wrong: the contract lets a server slow down who guesses.
    pub wrong: usize,
    /// How often the contract left open what follows.
    pub open: usize,
}

/// An account.
#[derive(Clone)]
pub(super) struct Account {
    /// As it was registered.
    pub name: String,
    pub password: String,
    /// What was published last, from stage 8 on.
    pub public_key: Option<String>,
}

/// A session.
#[derive(Clone)]
pub(super) struct Token {
    pub name: String,
    pub state: TokenState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenState {
    Good,
    Over,
    /// Its user has left and logged in anew: where that ends the session of an older
    /// connection, it is the server's affair whether it had noticed that one's end.
    Open,
}

/// One connection.
#[derive(Clone)]
pub(super) struct Client {
    pub phase: Phase,
    pub expected: Expected,
}

/// How far it has come.
#[derive(Clone)]
pub(super) enum Phase {
    Away,
    Login(LoginState),
    In(User),
}

/// A user who is logged in.
#[derive(Clone)]
pub(super) struct User {
    pub name: String,
    /// The number of the session.
    pub token: usize,
    /// As the user who opened the room wrote it.
    pub room: String,
}

impl World {
    pub fn new(stage: u8) -> Self {
        let away = Client { phase: Phase::Away, expected: Expected::default() };
        Self {
            stage,
            accounts: BTreeMap::new(),
            tokens: Vec::new(),
            said: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            clients: vec![away; SLOTS.len()],
            about: rules::NOTHING_MORE,
            actor: 0,
            actor_had_a_name: false,
            answers: 0,
            wrong: 0,
            open: 0,
        }
    }

    pub fn user(&self, client: usize) -> Option<&User> {
        match &self.clients[client].phase {
            Phase::In(user) => Some(user),
            _ => None,
        }
    }

    /// All users who are logged in, by the number of the connection.
    pub fn users(&self) -> impl Iterator<Item = (usize, &User)> {
        (0..self.clients.len()).filter_map(|client| Some((client, self.user(client)?)))
    }

    /// The connection of the user with this name, in any case.
    pub fn connection_of(&self, name: &str) -> Option<usize> {
        let mut all = self.users();
        all.find(|(_, user)| user.name.eq_ignore_ascii_case(name)).map(|(client, _)| client)
    }

    /// The connections in a room.
    pub fn in_room(&self, room: &str) -> Vec<usize> {
        self.users()
            .filter(|(_, user)| user.room.eq_ignore_ascii_case(room))
            .map(|(client, _)| client)
            .collect()
    }

    pub fn must(&mut self, client: usize, rule: Rule, stream: Stream, what: What) {
        self.clients[client].expected.must(rule, stream, what);
    }

    /// The answer to one command; answers come in any order.
    pub fn answer(&mut self, client: usize, rule: Rule, what: What) {
        self.answers += 1;
        let number = self.answers;
        self.must(client, rule, Stream::Answer(number), what);
    }

    /// The rule that is broken when this client receives `next`, and should not.
    pub fn rule_of_surplus(&self, client: usize, next: &Next) -> Rule {
        let Next::Line(line) = next else { return self.about };
        let has_no_name = matches!(self.clients[client].phase, Phase::Login(_));
        let login_fails = !self.actor_had_a_name && self.user(self.actor).is_none();
        let notice = line.strip_prefix("[SERVER] ").unwrap_or_default();
        let has_left = |(name, _): (&str, &str)| self.connection_of(name).is_none();
        if notice.contains(" joined (") && !has_no_name {
            if login_fails { self.about } else { rules::COMES }
        } else if notice.split_once(" left (").is_some_and(has_left) {
            rules::GOES
        } else if self.user(client).is_some_and(|user| line.starts_with(&format!("{}: ", user.name))) {
            rules::NOT_BACK
        } else if !notice.is_empty() && !notice.starts_with("error: ") {
            rules::NOTHING_MORE
        } else if client == self.actor {
            let is_error = !notice.is_empty();
            if is_error || self.about == rules::NO_TEXT { self.about } else { rules::NOTHING_MORE }
        } else if has_no_name || !self.actor_had_a_name {
            rules::NAMELESS
        } else {
            self.about
        }
    }

    /// A client connects.
    pub fn connect(&mut self, client: usize) {
        self.about = rules::QUESTIONS;
        self.clients[client] =
            Client { phase: Phase::Login(LoginState::First), expected: Expected::default() };
        self.must(client, rules::QUESTIONS, Stream::Login, What::Line("AUTH_REQUIRED".to_owned()));
    }

    /// The server reads one text.
    pub fn receive(&mut self, client: usize, text: &str) {
        if text.is_empty() || text == NO_BYTES {
            self.about = rules::NO_TEXT;
            return;
        }
        match self.clients[client].phase.clone() {
            // What comes after the end is thrown away.
            Phase::Away => {}
            // A name that cannot be may have failed already.
            Phase::Login(LoginState::Password(_, name)) if END_WORDS.contains(&text) && !is_name(&name) => {
                self.open += 1;
            }
            _ if END_WORDS.contains(&text) => self.ends(client, rules::ENDS, true),
            Phase::Login(state) => self.login_line(client, state, text),
            Phase::In(user) => self.in_the_room(client, &user, text),
        }
    }

    fn in_the_room(&mut self, client: usize, user: &User, text: &str) {
        if text == "/logout" {
            self.tokens[user.token].state = TokenState::Over;
            self.ends(client, rules::SESSION_OVER, true);
        } else if self.stage >= ROOMS && text.starts_with('/') {
            self.command(client, user, text);
        } else {
            self.say(client, user, text);
        }
    }

    /// A line that does not open, or is too long: the client is told, and that is the end.
    pub fn refuse_line(&mut self, client: usize, rule: Rule, error: &str) {
        if !matches!(self.clients[client].phase, Phase::Away) {
            self.must(client, rule, Stream::End, What::Line(error.to_owned()));
            self.ends(client, rule, false);
        }
    }

    /// The server ends this connection. An end that is not in good order is a reset too.
    pub fn ends(&mut self, client: usize, rule: Rule, good_order: bool) {
        self.about = rule;
        self.must(client, rule, Stream::End, What::End { good_order });
        self.goes(client);
    }

    /// A client has broken off: nothing reaches it any more.
    pub fn breaks_off(&mut self, client: usize) {
        self.about = rules::GOES;
        self.goes(client);
        self.clients[client].expected = Expected::default();
    }

    /// SIGTERM.
    pub fn shuts_down(&mut self) {
        self.about = rules::SHUTS_DOWN;
        for client in 0..self.clients.len() {
            if !matches!(self.clients[client].phase, Phase::Away) {
                let notice = What::Line("[SERVER] server is shutting down".to_owned());
                self.must(client, rules::SHUTS_DOWN, Stream::End, notice);
                self.must(client, rules::SHUTS_DOWN, Stream::End, What::End { good_order: true });
            }
        }
    }
}
