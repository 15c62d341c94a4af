//! A session, played against a real server and compared with the model.

use super::draw;
use super::inputs::{NO_BYTES, SLOTS, SUFFIX, with_suffix};
use super::rules;
use super::session::{Act, Session, Step};
use super::world::{Phase, TLS, World};
use crate::chat::Chat;
use crate::checks::login_timeout;
use crate::connection::Connection;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::sessions::{Broken, NOTHING, Rule, Sessions};
use testkit::{Case, Next, shown};

/// Between two pieces of one write, so that most of them arrive apart.
const APART: Duration = Duration::from_millis(1);
/// A list to those who are in a room already may come so much later, and a moment.
const GATHERED: Duration = Duration::from_millis(300);

/// Sessions with a server of stage 6, 7 or 8.
pub struct ChatSessions {
    /// Which of them.
    pub stage: u8,
}

impl Sessions for ChatSessions {
    type Session = Session;
    const COUNT: usize = 24;
    const OTHERWISE: Rule = rules::NOTHING_MORE;

    /// All checks of stage 8 together take the longest.
    fn time(&self) -> Duration {
        Duration::from_secs(if self.stage >= TLS { 2 } else { 4 })
    }

    fn draw(&self, seed: u64, number: usize) -> Session {
        draw::session(self.stage, seed, number)
    }

    /// Only what happens twice: a server has threads.
    fn is_sure(&self, _: &Broken) -> bool {
        false
    }

    fn simpler(&self, session: &Session) -> Vec<Session> {
        session.simpler()
    }

    fn play(&self, case: &Case, session: &Session, patience: Duration) -> Result<(), Broken> {
        let chat = Chat::start(case);
        let suffix = chat.name("");
        let world = World::new(self.stage);
        let (connections, nameless, tokens) = Default::default();
        let half_of_the_time = login_timeout(case) / 2;
        let mut player =
            Player { chat, suffix, patience, half_of_the_time, world, connections, nameless, tokens };
        for (at, step) in session.steps.iter().enumerate() {
            player.give_up_slow_logins();
            // The lists that follow from the last step are not those of an earlier one.
            if at + 1 == session.steps.len() {
                player.last_lists()?;
                std::thread::sleep(GATHERED);
            }
            if player.world.allows(step)
                && let Err((client, broken)) = player.step(step)
            {
                // What a server does with slow logins is another check.
                return if player.was_slow(client, &broken) { Ok(()) } else { Err(broken) };
            }
        }
        player.last_lists()?;
        if session.shutdown { player.shutdown() } else { Ok(()) }
    }
}

/// A server in the middle of a session.
struct Player<'c> {
    chat: Chat<'c>,
    /// What the names of this run end with.
    suffix: String,
    patience: Duration,
    /// A client that takes longer than this to say who it is may be turned away soon.
    half_of_the_time: Duration,
    world: World,
    connections: BTreeMap<usize, Connection<'c>>,
    /// Those that had no name before this step, and since when they are there.
    nameless: BTreeMap<usize, Instant>,
    /// The real ones, by the number that they have in the model.
    tokens: Vec<String>,
}

impl Player<'_> {
    /// Closes the connections that have no name after half of the time for it.
    fn give_up_slow_logins(&mut self) {
        let world = &self.world;
        self.nameless.retain(|client, _| matches!(world.clients[*client].phase, Phase::Login(_)));
        let slow = self.nameless.iter().filter(|(_, since)| since.elapsed() > self.half_of_the_time);
        let slow: Vec<_> = slow.map(|(client, _)| *client).collect();
        for client in slow {
            self.connections.remove(&client);
            self.world.breaks_off(client);
        }
    }

    /// Returns `true` if the time for the login may be the reason for what has come.
    fn was_slow(&self, client: usize, broken: &Broken) -> bool {
        let since = self.nameless.get(&client);
        broken.got != NOTHING && since.is_some_and(|since| since.elapsed() > self.half_of_the_time)
    }

    fn step(&mut self, step: &Step) -> Result<(), (usize, Broken)> {
        self.world.step(step);
        if matches!(step.act, Act::Connect) {
            self.nameless.insert(step.client, Instant::now());
            self.connections.insert(step.client, self.chat.connect(SLOTS[step.client]));
        } else if matches!(step.act, Act::Reset) {
            self.connections.remove(&step.client).into_iter().for_each(|gone| gone.peer.reset());
        } else if let Some(connection) = self.connections.get(&step.client) {
            self.act(connection, &step.act);
        }
        self.check_received()
    }

    fn act(&self, connection: &Connection, act: &Act) {
        match act {
            Act::Say { texts, cr_lf, cut } => {
                let end = if *cr_lf { "\r\n" } else { "\n" };
                let lines: String = texts.iter().map(|text| self.line(connection, text) + end).collect();
                let middle = if *cut { lines.len() / 2 } else { 0 };
                send(connection, &lines.as_bytes()[..middle]);
                send(connection, &lines.as_bytes()[middle..]);
            }
            Act::LastLine(text) => {
                send(connection, self.line(connection, text).as_bytes());
                connection.peer.half_close();
            }
            Act::Bad(bad) => send(connection, &bad.line(connection.envelope.as_ref())),
            Act::HalfClose => connection.peer.half_close(),
            Act::Connect | Act::Reset => {}
        }
    }

    /// The sealed line of a text of the model.
    fn line(&self, connection: &Connection, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let mut text = if text == NO_BYTES { String::new() } else { text.to_owned() };
        for (number, token) in self.tokens.iter().enumerate() {
            text = text.replace(&format!("#{number}{SUFFIX}"), token);
        }
        let text = with_suffix(&text, &self.suffix);
        if connection.envelope.is_some() {
            connection.case.note(format!("{} seals {}", connection.peer.name(), shown(&text)));
        }
        connection.encoded(&text)
    }

    /// Every client receives what the model says.
    fn check_received(&mut self) -> Result<(), (usize, Broken)> {
        let deadline = Instant::now() + self.patience;
        let mut clients: Vec<_> = self.connections.keys().copied().collect();
        // What is wrong with the answer to the client that did something says most.
        clients.sort_by_key(|client| *client != self.world.actor);
        for client in clients {
            self.receives_all(client, deadline).map_err(|broken| (client, broken))?;
        }
        Ok(())
    }

    fn receives_all(&mut self, client: usize, deadline: Instant) -> Result<(), Broken> {
        loop {
            let complete = self.world.clients[client].expected.is_complete();
            // What has come already is looked at in any case.
            let next = self.next(client, if complete { Instant::now() } else { deadline });
            if next == Next::Nothing {
                return self.world.clients[client].expected.missing(NOTHING).map_or(Ok(()), Err);
            }
            if self.take(client, &next)? {
                return Ok(());
            }
        }
    }

    /// What comes next, in the words of the model.
    fn next(&self, client: usize, deadline: Instant) -> Next {
        match self.connections[&client].next_by(deadline) {
            Next::Line(line) => {
                let mut line = line.replace(&self.suffix, &SUFFIX.to_string());
                // Said in the room, a token is text like any other.
                let tokens = self.tokens.iter().enumerate().filter(|_| !line.starts_with("AUTH_SUCCESS "));
                for (number, token) in tokens.collect::<Vec<_>>() {
                    line = line.replace(token, &format!("#{number}{SUFFIX}"));
                }
                Next::Line(line)
            }
            other => other,
        }
    }

    fn take(&mut self, client: usize, next: &Next) -> Result<bool, Broken> {
        let about = self.world.rule_of_surplus(client, next);
        let ended = self.world.clients[client].expected.take(next, &mut self.tokens, about)?;
        if ended {
            self.connections.remove(&client);
            self.world.clients[client].expected = Default::default();
        }
        Ok(ended)
    }

    /// Soon every user has a list of the users in its room.
    fn last_lists(&mut self) -> Result<(), Broken> {
        let deadline = Instant::now() + self.patience;
        let users: Vec<_> = self.world.users().map(|(client, user)| (client, user.room.clone())).collect();
        for (client, room) in users {
            let list = self.world.list(&room);
            while self.world.clients[client].expected.last_list != list {
                let next = self.next(client, deadline);
                if next == Next::Nothing {
                    let expected = shown(list);
                    return Err(Broken { rule: rules::LATER_LIST, expected, got: NOTHING.to_owned() });
                }
                self.take(client, &next)?;
            }
        }
        Ok(())
    }

    fn shutdown(mut self) -> Result<(), Broken> {
        self.world.shuts_down();
        self.chat.server.terminate();
        self.check_received().map_err(|(_, broken)| broken)
    }
}

/// A server may rightly have closed in the middle of this.
fn send(connection: &Connection, bytes: &[u8]) {
    if !bytes.is_empty() {
        let _ = connection.peer.try_send(bytes);
        std::thread::sleep(APART);
    }
}
