//! Connections that know their stage: how a line that is sent comes out again.

use crate::case::Case;
use crate::peer::Peer;
use crate::server::Server;

/// The last stage whose server answers the sender itself.
const LAST_ECHO: u8 = 3;

/// A way for lines through the server: in the echo stages back to the sender,
/// in the chat stages on to another client. The rules about lines hold for both.
pub struct Link {
    /// The end that sends, and that gets the server's errors.
    pub sender: Peer,
    receiver: Option<Peer>,
}

impl Link {
    /// The end at which delivered lines come out.
    pub fn receiver(&self) -> &Peer {
        self.receiver.as_ref().unwrap_or(&self.sender)
    }

    /// The text must come out next, whole and unchanged.
    #[track_caller]
    pub fn delivers(&self, text: &str) {
        let line = self.receiver().receives_a_line();
        let got = if self.receiver.is_some() { without_prefix(&line) } else { &line };
        let expected = format!("the text {} to be delivered", crate::shown(text));
        crate::require(got == text, expected, format!("the line {}", crate::shown(&line)));
    }

    /// Proves that `text` is not delivered: it sends something after it, and
    /// nothing that contains `text` may come out before that does.
    #[track_caller]
    pub fn did_not_deliver(&self, text: &str) {
        self.sender.send("sent afterwards");
        let before = self.receiver().lines_before("sent afterwards");
        if let Some(line) = before.iter().find(|line| line.contains(text)) {
            crate::fail(format!("{} not to be delivered", crate::shown(text)), crate::shown(line));
        }
    }
}

/// `TEXT` of `[IP:PORT] TEXT`; a line without a prefix is all text.
fn without_prefix(line: &str) -> &str {
    if !line.starts_with('[') {
        return line;
    }
    line.split_once("] ").map_or(line, |(_, text)| text)
}

impl Case {
    /// True where the server answers the sender: stages 2 and 3.
    pub fn echoes(&self) -> bool {
        self.stage() <= LAST_ECHO
    }

    /// A fresh way for lines through `server`.
    #[track_caller]
    pub fn link(&self, server: &Server) -> Link {
        if self.echoes() {
            return Link { sender: self.connect("alice", server), receiver: None };
        }
        let [sender, receiver] = self.room(server);
        Link { sender, receiver: Some(receiver) }
    }

    /// `N` clients in the chat room of `server`, everyone known to everyone and
    /// nothing left to read.
    ///
    /// A connection is not yet a member: a server may well see them in another
    /// order. So they say `ready` until all have heard all. This asks nothing
    /// about prefixes or notices, and a check of those fails alone.
    #[track_caller]
    pub fn room<const N: usize>(&self, server: &Server) -> [Peer; N] {
        let names = ["alice", "bob", "carol", "dave", "eve", "frank"];
        let peers: [Peer; N] = std::array::from_fn(|i| self.connect(names[i], server));
        for (i, speaker) in peers.iter().enumerate() {
            let text = format!("{} is ready", speaker.name());
            for listener in peers.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, p)| p) {
                speaker.says_until_heard(&text, listener);
            }
        }
        for speaker in &peers {
            speaker.send(&format!("{} starts", speaker.name()));
        }
        for (i, listener) in peers.iter().enumerate() {
            let mut missing: Vec<_> = peers
                .iter()
                .enumerate()
                .filter(|(j, _)| *j != i)
                .map(|(_, speaker)| format!("{} starts", speaker.name()))
                .collect();
            let own = format!("{} starts", listener.name());
            while !missing.is_empty() {
                let what = format!("a line with {:?}", missing[0]);
                let line = listener.hears_some(&what, |l| l.ends_with(" starts") && !l.ends_with(&own));
                missing.retain(|text| !line.ends_with(text.as_str()));
            }
        }
        self.note("everyone is in the room");
        peers
    }
}
