//! Who receives what ("Stage 4: multichat" in the contract).

use super::expected::{Broken, Expected, Notice};
use super::lines::{LineReader, NOT_UTF8, Reaction, TOO_LONG};
use super::rules::{self, Rule};
use std::collections::BTreeMap;

/// The clients in the room, by the number of the client.
pub(crate) struct Room {
    stage: u8,
    pub clients: BTreeMap<usize, Member>,
    /// All that was said, as it is delivered.
    said: Vec<String>,
    /// What no client was there to receive: the server may come to it only when another
    /// client has joined, which then receives it.
    unheard: Vec<String>,
}

/// One client in the room.
pub(crate) struct Member {
    pub address: String,
    pub reader: LineReader,
    pub expected: Expected,
    /// What it has said, all of it.
    pub said: Vec<String>,
    /// What the room had heard before it came.
    pub before: Vec<String>,
    /// What the server was to do about what it sent last, as far as it is not known that
    /// the server has done it.
    last: Vec<Reaction>,
    /// It has sent the word that ends the connection.
    by_word: bool,
}

impl Member {
    /// The rule about what it sent last, for when its connection ends too early or
    /// does not end.
    pub fn last_rule(&self) -> Rule {
        let told = |error| self.last.contains(&Reaction::Error(error));
        let about = |rule| {
            let texts = self.last.iter().filter_map(|reaction| match reaction {
                Reaction::Deliver(text) => Some(rules::about_text(text)),
                _ => None,
            });
            texts.into_iter().any(|other| other == rule)
        };
        match () {
            () if told(TOO_LONG) => rules::TOO_LONG,
            () if self.by_word => rules::END_WORDS,
            () if about(rules::LIMIT) => rules::LIMIT,
            () if about(rules::END_WORDS) => rules::END_WORDS,
            () if told(NOT_UTF8) => rules::NOT_UTF8,
            () if self.last.contains(&Reaction::End) => rules::GOOD_ORDER,
            () => rules::ONE_CONNECTION,
        }
    }
}

/// What one round does to the room.
#[derive(Default)]
pub(crate) struct Changes {
    pub before: usize,
    pub arrived: Vec<usize>,
    pub left: Vec<usize>,
}

impl Changes {
    /// Those that are there before, during and after it: only of these it is certain
    /// what they receive.
    fn is_certain(&self, client: usize) -> bool {
        !self.arrived.contains(&client) && !self.left.contains(&client)
    }
}

impl Room {
    pub fn new(stage: u8) -> Self {
        Self { stage, clients: BTreeMap::new(), said: Vec::new(), unheard: Vec::new() }
    }

    /// Another session begins.
    pub fn forget_what_was_said(&mut self) {
        self.clients.values_mut().for_each(|member| {
            member.said.clear();
            member.expected.forget_what_came();
        });
    }

    /// A client is there.
    pub fn arrive(&mut self, client: usize, address: String, changes: &mut Changes) {
        let (reader, mut expected) = (LineReader::new(self.stage), Expected::of(address.clone()));
        self.unheard.iter().for_each(|line| expected.may(line.clone()));
        let member = Member {
            address,
            reader,
            expected,
            said: Vec::new(),
            before: self.said.clone(),
            last: Vec::new(),
            by_word: false,
        };
        self.clients.insert(client, member);
        changes.arrived.push(client);
    }

    /// A client has sent bytes, and ends its stream or not. Gives what the server
    /// does about it; `true` says that the client is gone then.
    pub fn receive(&mut self, client: usize, bytes: &[u8], ends: bool) -> (Vec<Reaction>, bool) {
        let Some(member) = self.clients.get_mut(&client) else { return Default::default() };
        let mut reactions = member.reader.take(bytes);
        member.by_word =
            reactions.last() == Some(&Reaction::End) && !reactions.contains(&Reaction::Error(TOO_LONG));
        if ends {
            reactions.extend(member.reader.end());
        }
        let gone = reactions.contains(&Reaction::End);
        // What it sent before that, and no client was there to receive, may still be on its way.
        let prefix = format!("[{}] ", member.address);
        if !self.unheard.iter().any(|line| line.starts_with(&prefix)) {
            member.last.clear();
        }
        member.last.extend(reactions.iter().cloned());
        (reactions, gone)
    }

    /// A client breaks off in the middle of a line: whether that counts as a line is
    /// left open.
    pub fn break_off(&mut self, client: usize) {
        let Some(member) = self.clients.get_mut(&client) else { return };
        let address = member.address.clone();
        for reaction in member.reader.end() {
            if let Reaction::Deliver(text) = reaction {
                let others = self.clients.iter_mut().filter(|(other, _)| **other != client);
                others.for_each(|(_, other)| other.expected.may(format!("[{address}] {text}")));
            }
        }
    }

    /// What all clients are to receive of what the acts of one round have brought about.
    pub fn deliver(&mut self, reactions: &[(usize, Vec<Reaction>)], changes: &Changes) {
        for (sender, reactions) in reactions {
            let Some(member) = self.clients.get(sender) else { continue };
            let address = member.address.clone();
            for reaction in reactions {
                match reaction {
                    Reaction::Deliver(text) => self.deliver_text(*sender, &address, text, changes),
                    Reaction::Error(error) => {
                        self.clients.entry(*sender).and_modify(|member| member.expected.error(error));
                    }
                    Reaction::End => {}
                }
            }
        }
        let notices =
            changes.arrived.iter().map(|c| (c, false)).chain(changes.left.iter().map(|c| (c, true)));
        for (subject, left) in notices {
            let address = self.clients[subject].address.clone();
            self.announce(*subject, &address, left, changes);
        }
    }

    fn deliver_text(&mut self, sender: usize, address: &str, text: &str, changes: &Changes) {
        let line = format!("[{address}] {text}");
        self.said.push(line.clone());
        let awaited = |(client, member): (&usize, &Member)| {
            *client != sender && changes.is_certain(*client) && !member.expected.paused
        };
        if self.clients.iter().any(awaited) {
            // What it said before has been heard too, or it never will be.
            self.unheard.retain(|line| !line.starts_with(&format!("[{address}] ")));
        } else {
            self.unheard.push(line);
        }
        for (client, member) in &mut self.clients {
            if *client == sender {
                member.said.push(text.to_owned());
            } else if changes.is_certain(*client) {
                member.expected.text(address, text);
            } else {
                member.expected.may(format!("[{address}] {text}"));
            }
        }
    }

    fn announce(&mut self, subject: usize, address: &str, left: bool, changes: &Changes) {
        let verb = if left { "left" } else { "joined" };
        let most = changes.before + changes.arrived.len();
        for (client, member) in &mut self.clients {
            if *client == subject {
                continue;
            }
            if left {
                member.expected.gone(address);
            }
            if changes.is_certain(*client) {
                member.expected.notice(Notice { address: address.to_owned(), left, count: None });
            } else if !(changes.left.is_empty() && changes.arrived.contains(client)) {
                (0..=most)
                    .for_each(|n| member.expected.may(format!("[SERVER] {address} {verb} ({n} online)")));
            }
        }
    }

    /// The counts that the first client was told decide in which order the server
    /// has seen arrivals and departures: each count must be that of one such order,
    /// all clients must be told the same, and those that came at the same instant
    /// must hear of those that came after them.
    pub fn check_counts(&mut self, changes: &Changes) -> Result<(), Broken> {
        let Some(first) = self.clients.get_mut(&0) else { return Ok(()) };
        let counts = std::mem::take(&mut first.expected.counts);
        // It is not told of its own arrival.
        let before = changes.before + usize::from(changes.arrived.contains(&0));
        if !is_possible(before, &counts) {
            let told: Vec<_> =
                counts.iter().map(|(notice, count)| format!("{} {}", word(notice), count)).collect();
            return Err(Broken {
                rule: rules::COUNT,
                expected: format!("counts that follow from {before} online, one by one"),
                got: told.join(", "),
            });
        }
        for (client, member) in self.clients.iter_mut().filter(|(client, _)| **client != 0) {
            if changes.is_certain(*client) {
                member.expected.know_counts(&counts);
            } else if changes.left.is_empty() {
                let own = counts.iter().find(|(notice, _)| notice.address == member.address).map(|(_, n)| *n);
                let later = counts.iter().filter(|(_, count)| own.is_some_and(|own| *count > own));
                later.for_each(|(notice, _)| member.expected.notice(notice.clone()));
            }
        }
        Ok(())
    }
}

fn word(notice: &Notice) -> &'static str {
    if notice.left { "left" } else { "joined" }
}

/// Returns `true` if these arrivals and departures can have happened in some order,
/// each with its count after it. The contract does not say in which order notices
/// come, so all are tried.
fn is_possible(before: usize, counts: &[(Notice, usize)]) -> bool {
    if counts.is_empty() {
        return true;
    }
    (0..counts.len()).any(|at| {
        let (notice, count) = &counts[at];
        let after = if notice.left { before.checked_sub(1) } else { Some(before + 1) };
        let rest: Vec<_> =
            counts.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, c)| c.clone()).collect();
        after == Some(*count) && is_possible(*count, &rest)
    })
}
