//! A session that breaks a rule, made as short as it can be and still break it.

use super::lines::{LineReader, Reaction};
use super::session::{Act, Session, SessionEnd, Then};
use std::collections::BTreeMap;

/// All sessions that are one step shorter or simpler, the boldest steps first.
pub(crate) fn simpler(stage: u8, session: &Session) -> Vec<Session> {
    let mut all = Vec::new();
    let rounds = session.rounds.len();
    if session.end == SessionEnd::Shutdown {
        all.push(Session { end: SessionEnd::Leave, ..session.clone() });
    }
    for half in [rounds / 2, 1] {
        for start in (0..rounds).step_by(half.max(1)) {
            let mut shorter = session.clone();
            shorter.rounds.drain(start..(start + half.max(1)).min(rounds));
            all.push(shorter);
        }
    }
    for round in 0..rounds {
        for at in 0..session.rounds[round].arrivals.len() {
            let mut shorter = session.clone();
            shorter.rounds[round].arrivals.remove(at);
            all.push(shorter);
        }
        for at in 0..session.rounds[round].acts.len() {
            let mut shorter = session.clone();
            shorter.rounds[round].acts.remove(at);
            all.push(shorter);
        }
    }
    for round in 0..rounds {
        for at in 0..session.rounds[round].arrivals.len() {
            if session.rounds[round].arrivals[at].pauses {
                let mut shorter = session.clone();
                shorter.rounds[round].arrivals[at].pauses = false;
                all.push(shorter);
            }
        }
        for (at, act) in session.rounds[round].acts.iter().enumerate() {
            for act in simpler_acts(act) {
                let mut shorter = session.clone();
                shorter.rounds[round].acts[at] = act;
                all.push(shorter);
            }
        }
    }
    all.retain(|session| is_possible(stage, session));
    all
}

fn simpler_acts(act: &Act) -> Vec<Act> {
    let mut all = Vec::new();
    let mut with =
        |bytes: Vec<u8>, cuts: Vec<usize>, then| all.push(Act { client: act.client, bytes, cuts, then });
    if act.then == Then::Close {
        with(act.bytes.clone(), act.cuts.clone(), Then::HalfClose);
    }
    if !act.cuts.is_empty() {
        with(act.bytes.clone(), Vec::new(), act.then);
    }
    let lines: Vec<_> = act.bytes.split_inclusive(|&b| b == b'\n').collect();
    if lines.len() > 1 {
        for half in [lines.len() / 2, 1] {
            for start in (0..lines.len()).step_by(half) {
                let left = lines.iter().enumerate().filter(|(i, _)| !(start..start + half).contains(i));
                with(left.flat_map(|(_, line)| line.to_vec()).collect(), Vec::new(), act.then);
            }
        }
    } else if act.bytes.len() > 2 {
        let end = act.bytes.len() - usize::from(act.bytes.ends_with(b"\n"));
        for part in [end / 2, end / 4, 1] {
            for start in (0..end).step_by(part.max(1)).take(12) {
                let mut bytes = act.bytes.clone();
                bytes.drain(start..(start + part.max(1)).min(end));
                with(bytes, Vec::new(), act.then);
            }
        }
    }
    all
}

/// Returns `true` if only those act that are there, the first client stays, and
/// nothing happens that the contract leaves open: a full close with an answer under
/// way, a CR at the end of the stream.
fn is_possible(stage: u8, session: &Session) -> bool {
    let mut here = BTreeMap::from([(0, LineReader::new(stage))]);
    let arrivals = session.rounds.iter().flat_map(|round| &round.arrivals);
    let pausing: Vec<_> = arrivals.filter(|arrival| arrival.pauses).map(|arrival| arrival.client).collect();
    for round in &session.rounds {
        here.extend(round.arrivals.iter().map(|arrival| (arrival.client, LineReader::new(stage))));
        for act in &round.acts {
            let Some(reader) = here.get_mut(&act.client) else { return false };
            let stays = act.client == 0 || pausing.contains(&act.client);
            let reactions = reader.take(&act.bytes);
            let ends = reactions.contains(&Reaction::End);
            let told = reactions.iter().any(|reaction| matches!(reaction, Reaction::Error(_)));
            let leaves = ends || act.then != Then::Stay || reader.is_before_the_end();
            let destroys = act.then == Then::Close && (ends || told);
            if (leaves && stays) || destroys || reader.is_behind_a_cr() {
                return false;
            }
            if act.then != Then::Stay {
                here.remove(&act.client);
            }
        }
    }
    true
}
