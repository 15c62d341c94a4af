//! A session, played against a real server and compared with the model.

use super::expected::Broken;
use super::lines::Reaction;
use super::room::{Changes, Room};
use super::rules::{self, Rule};
use super::session::{Act, NAMES, Round, Session, SessionEnd, Then};
use crate::case::Case;
use crate::inbox::{End, Next};
use crate::peer::Peer;
use crate::server::Server;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SHUTDOWN_NOTICE: &str = "[SERVER] server is shutting down";
/// Between two pieces of one line, so that most of them arrive apart.
const APART: Duration = Duration::from_millis(1);
/// More bytes than this are not sent in pieces apart: it would take too long.
const FEW: usize = 6400;
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// From the end of its connections to the end of a process.
const ENDING: Duration = Duration::from_millis(200);
/// What came instead, when the time was over.
pub const NOTHING: &str = "nothing";

/// Plays sessions on one server.
pub(crate) struct Player<'c> {
    case: &'c Case,
    server: &'c Server,
    patience: Duration,
    room: Room,
    peers: BTreeMap<usize, Peer>,
    pausing: Vec<usize>,
}

impl<'c> Player<'c> {
    /// The first client is in the room, alone.
    ///
    /// A connection is not yet a place in the room. When another client comes, one of
    /// the two is told so, and then both are in.
    pub fn enter(case: &'c Case, server: &'c Server, patience: Duration) -> Result<Self, Broken> {
        let room = Room::new(case.stage());
        let (peers, pausing) = Default::default();
        let mut player = Self { case, server, patience, room, peers, pausing };
        let (alice, other) = (case.connect(NAMES[0], server), case.connect("nobody", server));
        player.room.arrive(0, alice.address().to_string(), &mut Changes::default());
        let told = |peer: &Peer, of: &Peer| {
            peer.hears_within(&format!("{} joined (2 online)", of.address()), POLL_INTERVAL)
        };
        let deadline = Instant::now() + patience;
        while !told(&alice, &other) && !told(&other, &alice) {
            if Instant::now() > deadline {
                let expected = format!("\"[SERVER] {} joined (2 online)\"", other.address());
                return Err(not_announced(rules::ARRIVAL, " joined (", expected, &[&alice, &other]));
            }
        }
        let left = format!("[SERVER] {} left (1 online)", other.address());
        other.close();
        if !alice.hears_within(&left, patience) {
            return Err(not_announced(rules::DEPARTURE, " left (", left, &[&alice]));
        }
        player.peers.insert(0, alice);
        Ok(player)
    }

    /// Plays the whole session; the next one can be played on the same server.
    pub fn play(&mut self, session: &Session) -> Result<(), Broken> {
        self.room.forget_what_was_said();
        for round in &session.rounds {
            self.round(round)?;
        }
        let last = self.last_round();
        self.round(&last)?;
        match session.end {
            SessionEnd::Leave => self.all_leave(),
            SessionEnd::Shutdown => self.shutdown(),
        }
    }

    fn round(&mut self, round: &Round) -> Result<(), Broken> {
        let mut changes = Changes { before: self.room.clients.len(), ..Changes::default() };
        for arrival in &round.arrivals {
            let name = NAMES[arrival.client];
            let peer = if arrival.pauses {
                self.pausing.push(arrival.client);
                self.case.connect_unread(name, self.server)
            } else {
                self.case.connect(name, self.server)
            };
            self.room.arrive(arrival.client, peer.address().to_string(), &mut changes);
            self.room
                .clients
                .entry(arrival.client)
                .and_modify(|member| member.expected.paused = arrival.pauses);
            self.peers.insert(arrival.client, peer);
        }
        round.resumes.iter().for_each(|client| self.resume(*client));
        let mut reactions = Vec::new();
        for act in &round.acts {
            if self.peers.contains_key(&act.client) {
                reactions.push((act.client, self.act(act, &mut changes)));
            }
        }
        self.room.deliver(&reactions, &changes);
        // Those that leave come first: what they do not get is nearer to the cause than
        // what the others do not hear of them.
        let left = changes.left.clone();
        let ends = left.into_iter().try_for_each(|client| self.sees_the_end(client));
        ends.and_then(|()| self.check_received(&changes)).map_err(|broken| self.explained(broken))
    }

    /// Sends what the act says; gives what the server is to do about it.
    fn act(&mut self, act: &Act, changes: &mut Changes) -> Vec<Reaction> {
        let ends = matches!(act.then, Then::HalfClose | Then::Close);
        let (reactions, gone) = self.room.receive(act.client, &act.bytes, ends);
        let Some(peer) = self.peers.get(&act.client) else { return reactions };
        let pieces = act.pieces();
        for (at, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
            if at > 0 && act.bytes.len() < FEW {
                std::thread::sleep(APART);
            }
            // A server may rightly have closed in the middle of this.
            let _ = peer.try_send(piece);
        }
        if act.then == Then::HalfClose {
            peer.half_close();
        }
        if gone || act.then != Then::Stay {
            changes.left.push(act.client);
        }
        match act.then {
            Then::Close => drop(self.peers.remove(&act.client)),
            Then::Reset => {
                self.room.break_off(act.client);
                self.peers.remove(&act.client).into_iter().for_each(Peer::reset);
            }
            Then::Stay | Then::HalfClose => {}
        }
        reactions
    }

    /// Every client that stays receives what the model says, the first one first.
    fn check_received(&mut self, changes: &Changes) -> Result<(), Broken> {
        let clients: Vec<_> =
            self.room.clients.keys().copied().filter(|c| !changes.left.contains(c)).collect();
        for client in clients {
            self.receives_all(client)?;
            if client == 0 {
                self.room.check_counts(changes)?;
            }
        }
        Ok(())
    }

    fn receives_all(&mut self, client: usize) -> Result<(), Broken> {
        let deadline = Instant::now() + self.patience;
        let (Some(peer), Some(member)) = (self.peers.get(&client), self.room.clients.get_mut(&client)) else {
            return Ok(());
        };
        if self.pausing.contains(&client) {
            return Ok(());
        }
        loop {
            // What has come already is looked at in any case.
            let until = if member.expected.is_complete() { Instant::now() } else { deadline };
            match peer.next_by(until) {
                Next::Line(line) => {
                    member.expected.take(learned(self.case, peer, line), &member.said, &member.before)?
                }
                Next::Nothing if member.expected.is_complete() => return Ok(()),
                Next::Nothing => return Err(member.expected.missing(NOTHING)),
                end @ Next::End(..) => {
                    let expected = format!("{} still connected", NAMES[client]);
                    return Err(Broken { rule: member.last_rule(), expected, got: end.to_string() });
                }
            }
        }
    }

    /// The server has ended, which is the cause of all else; or a client left that had no
    /// reason to, and the rule is that of what it did last.
    fn explained(&self, broken: Broken) -> Broken {
        if let Some(exit) = self.has_ended(&broken) {
            return Broken {
                rule: rules::ONE_CONNECTION,
                got: format!("the server ended: {exit}"),
                ..broken
            };
        }
        let gone = self
            .room
            .clients
            .values()
            .find(|member| broken.got.contains(&format!("{} left (", member.address)));
        match gone.filter(|_| broken.rule == rules::DEPARTURE) {
            Some(member) => Broken { rule: member.last_rule(), ..broken },
            None => broken,
        }
    }

    /// How the server has ended, when that is what its client saw. The sockets close a
    /// moment before the process is gone.
    fn has_ended(&self, broken: &Broken) -> Option<crate::program::Exit> {
        let saw_an_end = [End::Closed, End::Reset].iter().any(|end| broken.got.ends_with(&end.to_string()));
        let deadline = Instant::now() + ENDING;
        while saw_an_end && Instant::now() < deadline {
            if let Some(exit) = self.server.program.ended() {
                return Some(exit);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        None
    }

    /// A client that leaves in good order receives what it was owed, and then sees
    /// the end of the stream.
    fn sees_the_end(&mut self, client: usize) -> Result<(), Broken> {
        self.resume(client);
        let Some(mut member) = self.room.clients.remove(&client) else { return Ok(()) };
        let Some(peer) = self.peers.remove(&client) else { return Ok(()) };
        let deadline = Instant::now() + self.patience;
        loop {
            match peer.next_by(deadline) {
                Next::Line(line) => {
                    member.expected.take(learned(self.case, &peer, line), &member.said, &member.before)?
                }
                other if !member.expected.is_complete() => {
                    return Err(member.expected.missing(&other.to_string()));
                }
                Next::End(End::Closed, rest) if rest.is_empty() => return Ok(()),
                other => {
                    let expected = format!("the connection of {} ended in good order", NAMES[client]);
                    let rule = if other == Next::Nothing { member.last_rule() } else { rules::GOOD_ORDER };
                    return Err(Broken { rule, expected, got: other.to_string() });
                }
            }
        }
    }

    fn resume(&mut self, client: usize) {
        if let Some(at) = self.pausing.iter().position(|other| *other == client) {
            self.pausing.swap_remove(at);
            self.peers.get_mut(&client).into_iter().for_each(Peer::read_on);
        }
    }

    /// A last line of every client: what should not have come before it shows now.
    fn last_round(&self) -> Round {
        let last = |(client, member): (&usize, &super::room::Member)| {
            let end = if member.reader.is_inside_a_line() { "\n" } else { "" };
            let bytes = format!("{end}the last line of {}\n", NAMES[*client]).into_bytes();
            Act { client: *client, bytes, cuts: Vec::new(), then: Then::Stay }
        };
        let acts = self.room.clients.iter().map(last).collect();
        Round { acts, resumes: self.pausing.clone(), ..Round::default() }
    }

    /// All but the first.
    fn all_leave(&mut self) -> Result<(), Broken> {
        let clients: Vec<_> = self.room.clients.keys().copied().filter(|client| *client != 0).collect();
        for client in clients {
            let act = Act { client, bytes: Vec::new(), cuts: Vec::new(), then: Then::HalfClose };
            self.round(&Round { acts: vec![act], ..Round::default() })?;
        }
        Ok(())
    }

    /// SIGTERM, while one client is still talking.
    fn shutdown(&mut self) -> Result<(), Broken> {
        let talk: Vec<_> = (0..20).map(|n| format!("{n} at the very end")).collect();
        let sender = *self.room.clients.keys().next_back().unwrap_or(&0);
        let address = self.room.clients.get(&sender).map(|m| m.address.clone()).unwrap_or_default();
        for (client, member) in &mut self.room.clients {
            if *client != sender {
                talk.iter().for_each(|text| member.expected.may(format!("[{address}] {text}")));
            }
        }
        if let Some(peer) = self.peers.get(&sender) {
            let _ = peer.try_send((talk.join("\n") + "\n").as_bytes());
        }
        self.server.terminate();
        let clients: Vec<_> = self.room.clients.keys().copied().collect();
        for client in clients {
            self.room
                .clients
                .get_mut(&client)
                .into_iter()
                .for_each(|m| m.expected.may(SHUTDOWN_NOTICE.to_owned()));
            let peer = &self.peers[&client];
            let mut last = String::new();
            let deadline = Instant::now() + self.patience + Duration::from_secs(3);
            loop {
                let member = self.room.clients.get_mut(&client).expect("it is in the list");
                match peer.next_by(deadline) {
                    Next::Line(line) => {
                        last = learned(self.case, peer, line);
                        member.expected.take(last.clone(), &member.said, &member.before)?;
                    }
                    Next::End(End::Closed, rest) if rest.is_empty() && last == SHUTDOWN_NOTICE => break,
                    other => {
                        let expected =
                            format!("{SHUTDOWN_NOTICE:?} as the last line, and the end in good order");
                        let got = format!("{} as the last line, and {other}", crate::shown(&last));
                        return Err(Broken { rule: rules::SHUTDOWN, expected, got });
                    }
                }
            }
        }
        Ok(())
    }
}

/// The line; the first notice shows whether the server ends its lines with CR LF,
/// which the contract allows.
fn learned(case: &Case, peer: &Peer, mut line: String) -> String {
    if !case.context.takes_cr_lf() && line.starts_with("[SERVER] ") && line.ends_with(" online)\r") {
        case.context.server_sends_cr_lf();
    }
    // A peer that connected before that is known hands the CR on.
    if case.context.takes_cr_lf() && !peer.inbox.takes_cr_lf() && line.ends_with('\r') {
        line.pop();
    }
    line
}

/// A notice did not come: perhaps it came with another count.
fn not_announced(rule: Rule, word: &str, expected: String, peers: &[&Peer]) -> Broken {
    let came: String =
        peers.iter().map(|peer| String::from_utf8_lossy(&peer.everything()).into_owned()).collect();
    let notice = came.lines().find(|line| line.contains(word));
    let rule = if notice.is_some() { rules::COUNT } else { rule };
    Broken { rule, expected, got: notice.map_or(NOTHING.to_owned(), crate::shown) }
}
