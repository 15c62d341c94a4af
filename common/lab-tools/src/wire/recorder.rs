//! What happens on the wire, given to all outputs, in order.

use crate::sealed::Keys;
use crate::wire::annotate::Decoder;
use crate::wire::annotation::Annotated;
use crate::wire::pcap::Capture;
use crate::wire::show::Show;
use crate::wire::svg::Diagram;
use crate::wire::tap::{Side, SideEvent};
use common::poison::IgnorePoison;
use lab::registry::WireFormat;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A connection's number, from 0 up.
pub type Id = usize;

/// A connection through the tap, named as the server has it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose it is.
    pub name: String,
    /// The client's own port; what the server sees is the tap's.
    pub port: u16,
    /// The client's end, as the server sees it.
    pub client: SocketAddr,
    /// The server's end.
    pub server: SocketAddr,
}

/// Something that happened to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It was opened.
    Opened,
    /// The server could not be connected to.
    Refused(&'a str),
    /// A side sent bytes.
    Sent(Side, &'a [u8]),
    /// A side will send nothing more.
    Ended(Side),
    /// A side broke it off.
    Reset(Side),
}

impl Event<'_> {
    /// Whose doing it is.
    pub fn side(&self) -> Side {
        match self {
            Event::Opened | Event::Refused(_) => Side::Client,
            Event::Sent(side, _) | Event::Ended(side) | Event::Reset(side) => *side,
        }
    }
}

impl<'a> From<(Side, SideEvent<'a>)> for Event<'a> {
    fn from((side, did): (Side, SideEvent<'a>)) -> Event<'a> {
        match did {
            SideEvent::Sent(bytes) => Event::Sent(side, bytes),
            SideEvent::Ended => Event::Ended(side),
            SideEvent::Reset => Event::Reset(side),
        }
    }
}

/// What is made of the events.
pub struct Outputs {
    /// The bytes, for the user.
    pub show: Show,
    /// The capture.
    pub capture: Option<Capture>,
    /// The diagram.
    pub diagram: Option<Diagram>,
}

/// Takes down what the taps see.
pub struct Recorder {
    format: WireFormat,
    keys: Option<Keys>,
    start: Instant,
    state: Mutex<State>,
    /// Notified when a connection is over.
    over: Condvar,
}

struct State {
    outputs: Outputs,
    next: Id,
    /// Connections that have begun and are not over.
    unfinished: usize,
    connections: HashMap<Id, (Connection, Decoder)>,
    /// How often each name has come.
    names: HashMap<String, usize>,
}

impl Recorder {
    /// A recorder whose time begins now.
    pub fn new(format: WireFormat, keys: Option<Keys>, outputs: Outputs) -> Recorder {
        let state =
            State { outputs, next: 0, unfinished: 0, connections: HashMap::new(), names: HashMap::new() };
        Recorder { format, keys, start: Instant::now(), state: Mutex::new(state), over: Condvar::new() }
    }

    /// A panic in one tap's thread costs the others nothing: what it left behind
    /// is at worst an event that not all have heard of.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }

    /// A number and a name for a connection that begins: that of its client, and
    /// from the second on which it is. In the order in which they come, not in
    /// which the server takes them.
    pub fn begins(&self, client: &str) -> (Id, String) {
        let mut state = self.lock();
        state.unfinished += 1;
        state.next += 1;
        let times = state.names.entry(client.to_owned()).or_default();
        *times += 1;
        let name = if *times > 1 { format!("{client} {times}") } else { client.to_owned() };
        (state.next - 1, name)
    }

    /// Connection number `id` is open at both ends.
    pub fn opened(&self, id: Id, connection: Connection) {
        self.joined(id, connection, Event::Opened);
    }

    /// The server could not be reached for connection number `id`.
    pub fn refused(&self, id: Id, connection: Connection, why: &str) {
        self.joined(id, connection, Event::Refused(why));
    }

    fn joined(&self, id: Id, connection: Connection, event: Event<'_>) {
        self.lock().connections.insert(id, (connection, Decoder::new(self.format)));
        self.sees(id, event);
    }

    /// Something happened to connection number `id`.
    pub fn sees(&self, id: Id, event: Event<'_>) {
        let mut state = self.lock();
        let State { outputs, connections, .. } = &mut *state;
        let Some((connection, decoder)) = connections.get_mut(&id) else { return };
        // Under the lock, so that the times only ever grow.
        let at = self.start.elapsed();
        let annotated = match event {
            Event::Sent(from, bytes) => decoder.next(from, bytes, self.keys.as_ref()),
            _ => Annotated::default(),
        };
        outputs.show.event(at, connection, &event, &annotated);
        if let Some(capture) = &mut outputs.capture {
            capture.event(at, id, connection, &event);
        }
        if let Some(diagram) = &mut outputs.diagram {
            diagram.event(at, id, connection, &event, &annotated);
        }
    }

    /// Connection number `id` is over, whatever became of it.
    pub fn is_over(&self, id: Id) {
        let mut state = self.lock();
        state.unfinished -= 1;
        state.connections.remove(&id);
        self.over.notify_all();
    }

    /// Waits until all connections are over, for `limit` at the longest.
    pub fn wait_idle(&self, limit: Duration) {
        drop(self.over.wait_timeout_while(self.lock(), limit, |state| state.unfinished > 0));
    }

    /// The diagram so far, and what went wrong with the capture.
    pub fn results(&self) -> (Option<String>, Option<io::Error>) {
        let outputs = &mut self.lock().outputs;
        let diagram = outputs.diagram.as_ref().map(Diagram::render);
        (diagram, outputs.capture.as_mut().and_then(Capture::failure))
    }
}
