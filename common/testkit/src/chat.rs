//! Connections that know their stage: how a line that is sent comes out again.

use crate::case::Case;
use crate::peer::Peer;
use crate::server::Server;

/// The last stage whose server answers the sender itself.
const LAST_ECHO: u8 = 3;

/// How the greetings end by which clients get to know each other.
const READY: &str = " is ready";
const STARTS: &str = " starts";

/// A way for lines through the server: in the echo stages back to the sender,
/// in the chat stages on to another client. The rules about lines hold for both.
pub struct DeliveryPath {
    /// The end that sends, and that gets the server's errors.
    pub sender: Peer,
    receiver: Option<Peer>,
    /// What the server puts before the sender's text. Whether it is the right
    /// prefix is the business of one check, not of all.
    prefix: String,
}

impl DeliveryPath {
    /// The end at which delivered lines come out.
    pub fn receiver(&self) -> &Peer {
        self.receiver.as_ref().unwrap_or(&self.sender)
    }

    /// The text must come out next, whole and unchanged.
    #[track_caller]
    pub fn delivers(&self, text: &str) {
        let line = self.next_line();
        let got = line.strip_prefix(&self.prefix).unwrap_or(&line);
        let expected = format!("the text {} to be delivered", crate::shown(text));
        crate::require(got == text, expected, format!("the line {}", crate::shown(&line)));
    }

    /// The next line, but for what is left of the greetings: where the server sends
    /// them back to their sender, one check says so. Of notices the contract does not say
    /// when they come.
    #[track_caller]
    fn next_line(&self) -> String {
        loop {
            let line = self.receiver().receives_a_line();
            let greets = line.ends_with(READY) || line.ends_with(STARTS);
            if self.receiver.is_none() || !(greets || announces(&line)) {
                return line;
            }
        }
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

/// Returns `true` if the line tells of an arrival. The contract leaves open how late such a
/// line comes.
pub(crate) fn announces(line: &str) -> bool {
    line.starts_with("[SERVER] ") && line.contains(" joined (")
}

impl Case {
    /// Returns `true` if the server answers the sender: stages 2 and 3.
    pub fn echoes(&self) -> bool {
        self.stage() <= LAST_ECHO
    }

    /// A fresh way for lines through `server`.
    #[track_caller]
    pub fn delivery_path(&self, server: &Server) -> DeliveryPath {
        if self.echoes() {
            let sender = self.connect("alice", server);
            sender.send("is this an echo?");
            sender.receives_a_line();
            self.learn_line_end(&[&sender]);
            return DeliveryPath { sender, receiver: None, prefix: String::new() };
        }
        let [sender, receiver] = self.room(server);
        let heard = String::from_utf8_lossy(&receiver.everything()).into_owned();
        let prefix = heard.lines().find_map(|line| line.strip_suffix(&format!("{}{READY}", sender.name())));
        let prefix = prefix.unwrap_or_default().to_owned();
        DeliveryPath { sender, receiver: Some(receiver), prefix }
    }

    /// The contract takes one CR before a line end. A server that sends it does so
    /// from its first line on, which answers a line without CR.
    fn learn_line_end(&self, peers: &[&Peer]) {
        if peers.iter().any(|peer| peer.first_line_has_cr_lf()) {
            self.context.server_sends_cr_lf();
            peers.iter().for_each(|peer| peer.inbox.take_cr_lf());
        }
    }

    /// `N` clients in the chat room of `server`, everyone known to everyone and
    /// nothing left to read.
    ///
    /// A connection is not yet in the room: a server may well see them in another
    /// order. So they say `ready` until all have heard all. This asks nothing
    /// about prefixes or notices, and a check of those fails alone.
    #[track_caller]
    pub fn room<const N: usize>(&self, server: &Server) -> [Peer; N] {
        let names = ["alice", "bob", "carol", "dave", "eve", "frank"];
        let peers: [Peer; N] = std::array::from_fn(|i| self.connect(names[i], server));
        for (i, sender) in peers.iter().enumerate() {
            let text = format!("{}{READY}", sender.name());
            for listener in peers.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, p)| p) {
                sender.says_until_heard(&text, listener);
            }
        }
        self.learn_line_end(&peers.each_ref());
        for sender in &peers {
            sender.send(&format!("{}{STARTS}", sender.name()));
        }
        for (i, listener) in peers.iter().enumerate() {
            let mut missing: Vec<_> = peers
                .iter()
                .enumerate()
                .filter(|(j, _)| *j != i)
                .map(|(_, sender)| format!("{}{STARTS}", sender.name()))
                .collect();
            let own = format!("{}{STARTS}", listener.name());
            while !missing.is_empty() {
                let what = format!("a line with {:?}", missing[0]);
                let line = listener.hears_some(&what, |l| l.ends_with(STARTS) && !l.ends_with(&own));
                missing.retain(|text| !line.ends_with(text.as_str()));
            }
        }
        self.note("everyone is in the room");
        peers
    }
}
