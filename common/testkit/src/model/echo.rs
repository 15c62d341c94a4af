//! Sessions with an echo server ("Stage 2: echo" and "Stage 3: threads" in the
//! contract): each line comes back to its sender, and clients have nothing to do
//! with each other.

use super::expected::Broken;
use super::lines::{LineReader, NOT_UTF8, Reaction, TOO_LONG};
use super::play::NOTHING;
use super::rules;
use super::session::{Act, NAMES, Session, Then};
use crate::case::Case;
use crate::inbox::{End, Next};
use crate::peer::Peer;
use crate::server::Server;
use crate::transcript::shown;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The last stage that serves one client at a time.
const LAST_SEQUENTIAL: u8 = 2;

/// Plays the acts of the session; pauses and the way it ends are for chat servers.
pub(crate) fn play(
    case: &Case,
    server: &Server,
    session: &Session,
    patience: Duration,
) -> Result<(), Broken> {
    let mut acts: Vec<_> = session.rounds.iter().flat_map(|round| &round.acts).collect();
    let sequential = case.stage() <= LAST_SEQUENTIAL;
    if sequential {
        acts.sort_by_key(|act| act.client);
    }
    let mut clients: BTreeMap<usize, Client> = BTreeMap::new();
    for (at, act) in acts.iter().enumerate() {
        let client = clients.entry(act.client).or_insert_with(|| Client {
            name: NAMES[act.client],
            peer: Some(case.connect(NAMES[act.client], server)),
            reader: LineReader::new(case.stage()),
            patience,
        });
        client.act(act)?;
        if sequential && acts.get(at + 1).is_none_or(|next| next.client != act.client) {
            client.leave()?;
        }
    }
    clients.values_mut().try_for_each(Client::leave)
}

/// One connection, until its end.
struct Client {
    name: &'static str,
    peer: Option<Peer>,
    reader: LineReader,
    patience: Duration,
}

impl Client {
    fn act(&mut self, act: &Act) -> Result<(), Broken> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let mut reactions = self.reader.take(&act.bytes);
        for piece in act.pieces().into_iter().filter(|piece| !piece.is_empty()) {
            // A server may rightly have closed in the middle of this.
            let _ = peer.try_send(piece);
        }
        match act.then {
            Then::Close => drop(self.peer.take()),
            Then::Reset => self.peer.take().into_iter().for_each(Peer::reset),
            Then::HalfClose => {
                peer.half_close();
                reactions.extend(self.reader.end());
            }
            Then::Stay => {}
        }
        self.gets(&reactions)
    }

    /// It has said all.
    fn leave(&mut self) -> Result<(), Broken> {
        let reactions = self.reader.end();
        self.peer.iter().for_each(Peer::half_close);
        self.gets(&reactions)
    }

    /// The answers, one after the other, and nothing else.
    fn gets(&mut self, reactions: &[Reaction]) -> Result<(), Broken> {
        for reaction in reactions {
            let Some(peer) = &self.peer else { return Ok(()) };
            let next = peer.next_by(Instant::now() + self.patience);
            let (rule, expected, fits) = match reaction {
                Reaction::Deliver(text) => {
                    (rules::about_text(text), shown(text), next == Next::Line(text.clone()))
                }
                Reaction::Error(error) => {
                    let rule = if *error == TOO_LONG { rules::TOO_LONG } else { rules::NOT_UTF8 };
                    (rule, shown(error), next == Next::Line((*error).to_owned()))
                }
                Reaction::End => {
                    let end = Next::End(End::Closed, String::new());
                    let expected = format!("the connection of {} ended in good order", self.name);
                    self.peer = None;
                    (rules::GOOD_ORDER, expected, next == end)
                }
            };
            if !fits {
                let unexpected = next == Next::Line(NOT_UTF8.to_owned());
                let rule = if unexpected { rules::NOT_UTF8 } else { rule };
                let got = if next == Next::Nothing { NOTHING.to_owned() } else { next.to_string() };
                return Err(Broken { rule, expected, got });
            }
        }
        Ok(())
    }
}
