//! A session: what some clients do, and what the server is told to do.

/// The names by which a transcript knows the clients. The first is there before the
/// session begins, and stays: it sees the others come and go.
pub(crate) const NAMES: [&str; 12] =
    ["alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj"];

/// Some rounds, one after the other. At the end of each the model knows again who
/// is there and what every client must have received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub rounds: Vec<Round>,
    /// How it ends, after a last line of every client.
    pub end: SessionEnd,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// All clients leave.
    #[default]
    Leave,
    /// The server gets SIGTERM.
    Shutdown,
}

/// What happens at the same instant: arrivals first, then what clients do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub arrivals: Vec<Arrival>,
    pub acts: Vec<Act>,
    /// Those that read on after a pause.
    pub resumes: Vec<usize>,
}

/// A client connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub client: usize,
    /// It does not read before it resumes.
    pub pauses: bool,
}

/// One client sends bytes.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub client: usize,
    pub bytes: Vec<u8>,
    /// Where the bytes are cut into separate packets, in order.
    pub cuts: Vec<usize>,
    pub then: Then,
}

/// What a client does when it has sent its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Stay,
    HalfClose,
    /// Closes both ways at once.
    Close,
    Reset,
}

impl Act {
    /// The bytes as they are sent, piece by piece.
    pub fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for &cut in self.cuts.iter().filter(|&&cut| cut < self.bytes.len()) {
            if cut > start {
                pieces.push(&self.bytes[start..cut]);
                start = cut;
            }
        }
        pieces.push(&self.bytes[start..]);
        pieces
    }
}

impl Session {
    /// How much there is to read in it.
    pub fn size(&self) -> usize {
        let acts = self.rounds.iter().flat_map(|round| &round.acts);
        let bytes: usize = acts.map(|act| 10 + act.bytes.len() + 5 * act.cuts.len()).sum();
        let arrivals: usize = self.rounds.iter().map(|round| round.arrivals.len()).sum();
        bytes + 20 * arrivals + 5 * self.rounds.len()
    }
}
