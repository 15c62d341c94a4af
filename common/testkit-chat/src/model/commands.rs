//! The commands of stage 7 ("Commands" in the contract).

use super::expected::{Stream, What};
use super::history::History;
use super::inputs::sort_key;
use super::login_protocol::HISTORY;
use super::rules;
use super::world::{LOBBY, Phase, TLS, User, World};
use std::collections::BTreeMap;
use testkit::sessions::Rule;

const LONGEST_HISTORY: usize = 10_000;

impl World {
    pub(super) fn command(&mut self, client: usize, user: &User, line: &str) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        // Blanks around a name or a number do not count; a text keeps its own.
        let text = matches!(command, "/publish" | "/msg" | "/dm");
        let rest = if text { rest } else { rest.trim_matches(' ') };
        match (command, rest) {
            ("/join", room) if !room.is_empty() => self.join(client, user, room),
            ("/leave", "") => self.join(client, user, LOBBY),
            ("/rooms", "") => self.rooms(client),
            ("/users", "") => {
                let list = self.list(&user.room);
                self.line(client, rules::LIST, list);
            }
            ("/history", number) => self.history(client, user, number),
            ("/subscribe", name) if !name.is_empty() => self.subscribe(client, user, name, true),
            ("/unsubscribe", name) if !name.is_empty() => self.subscribe(client, user, name, false),
            ("/subs", "") => self.subs(client, user),
            ("/publish", text) if !text.trim().is_empty() => self.publish(client, user, text),
            ("/msg", rest) => match rest.trim_start().split_once(' ') {
                Some((name, text)) if !text.trim().is_empty() => self.private(client, user, name, text),
                _ => self.wrong(client, rules::COMMAND),
            },
            ("/help", "") => {
                self.about = rules::COMMAND;
                self.answer(client, rules::COMMAND, What::Starts("[SERVER] commands: ".to_owned()));
            }
            ("/pubkey" | "/key" | "/dm", rest) if self.stage >= TLS => {
                self.of_keys(client, user, command, rest)
            }
            // No user is an admin here, so that /kick and /announce are errors as well.
            _ => self.wrong(client, rules::COMMAND),
        }
    }

    pub(super) fn line(&mut self, client: usize, rule: Rule, line: impl Into<String>) {
        self.about = rule;
        self.answer(client, rule, What::Line(line.into()));
    }

    pub(super) fn wrong(&mut self, client: usize, rule: Rule) {
        self.about = rule;
        self.answer(client, rule, What::Starts("[SERVER] error: ".to_owned()));
    }

    fn join(&mut self, client: usize, user: &User, room: &str) {
        let real = super::inputs::with_suffix(room, "-000000");
        let plain = real.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if !plain || real.len() > 32 || room.eq_ignore_ascii_case(&user.room) {
            return self.wrong(client, rules::JOIN);
        }
        let room = self.spelling(room);
        self.clients[client].phase = Phase::In(User { room: room.clone(), ..user.clone() });
        self.left(user);
        self.comes(client);
        self.about = rules::JOIN;
        let (count, list) = (self.in_room(&room).len(), self.list(&room));
        self.answers += 1;
        let stream = Stream::Answer(self.answers);
        let answer = format!("[SERVER] you are in {room} ({count} online)");
        self.must(client, rules::ONE_ROOM, stream.clone(), What::Line(answer));
        self.must(client, rules::JOIN, stream, What::Line(list));
    }

    fn rooms(&mut self, client: usize) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        self.users().for_each(|(_, user)| *counts.entry(&user.room).or_default() += 1);
        let mut rooms: Vec<_> = counts.into_iter().collect();
        rooms.sort_by_key(|(room, _)| sort_key(room).to_ascii_lowercase());
        let rooms: Vec<_> = rooms.iter().map(|(room, count)| format!("{room} {count}")).collect();
        let line = format!("[ROOMS] {}", rooms.join(","));
        self.line(client, rules::ROOMS, line);
    }

    fn history(&mut self, client: usize, user: &User, number: &str) {
        // Of digits alone, which parse() does not ask for: it takes a +.
        let digits = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let limit =
            if number.is_empty() { Some(HISTORY) } else { digits.and_then(|digits| digits.parse().ok()) };
        let Some(limit) = limit.filter(|limit| (1..=LONGEST_HISTORY).contains(limit)) else {
            return self.wrong(client, rules::ROOM_HISTORY);
        };
        self.about = rules::ROOM_HISTORY;
        let known = self.said.get(&user.room.to_ascii_lowercase()).cloned().unwrap_or_default();
        let what = if known.is_empty() {
            What::Starts("[SERVER] no earlier messages".to_owned())
        } else {
            What::History(History { known, limit, got: Vec::new() })
        };
        self.answer(client, rules::ROOM_HISTORY, what);
    }

    fn subscribe(&mut self, client: usize, user: &User, name: &str, on: bool) {
        let key = name.to_ascii_lowercase();
        let Some(publisher) = self.accounts.get(&key).map(|account| account.name.clone()) else {
            return self.wrong(client, rules::SUBSCRIPTIONS);
        };
        let pair = (user.name.to_ascii_lowercase(), key);
        if pair.0 == pair.1 || (!on && !self.subscriptions.contains(&pair)) {
            return self.wrong(client, rules::SUBSCRIPTIONS);
        }
        let words = if on { "subscribed" } else { "no longer subscribed" };
        if on {
            self.subscriptions.insert(pair);
        } else {
            self.subscriptions.remove(&pair);
        }
        self.line(client, rules::SUBSCRIPTIONS, format!("[SERVER] you are {words} to {publisher}"));
    }

    fn subs(&mut self, client: usize, user: &User) {
        let mut names = self.publishers_of(&user.name);
        names.sort_by_key(|name| sort_key(name));
        self.line(client, rules::SUBSCRIPTIONS, format!("[SUBS] {}", names.join(",")));
    }

    /// To whom this user has subscribed, as registered.
    pub(super) fn publishers_of(&self, name: &str) -> Vec<String> {
        let key = name.to_ascii_lowercase();
        let mine = self.subscriptions.iter().filter(|(subscriber, _)| *subscriber == key);
        mine.map(|(_, publisher)| self.accounts[publisher].name.clone()).collect()
    }

    fn publish(&mut self, client: usize, user: &User, text: &str) {
        self.about = rules::PUBLISH;
        self.clients[client].expected.said.push(text.to_owned());
        let others = self.others(client);
        self.open += usize::from(!others.iter().any(|other| self.subscribes(*other, &user.name)));
        for other in others {
            if self.subscribes(other, &user.name) {
                let line = format!("[pub] {}: {text}", user.name);
                self.must(other, rules::PUBLISH, Stream::Of(user.name.clone()), What::Line(line));
            }
        }
    }

    fn private(&mut self, client: usize, user: &User, name: &str, text: &str) {
        self.clients[client].expected.said.push(text.to_owned());
        match self.connection_of(name) {
            Some(other) if other != client => {
                self.about = rules::PRIVATE;
                let line = format!("[private] {}: {text}", user.name);
                self.must(other, rules::PRIVATE, Stream::Of(user.name.clone()), What::Line(line));
            }
            _ => self.wrong(client, rules::PRIVATE),
        }
    }
}
