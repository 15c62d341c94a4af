//! A message with its recipient, and the line that each receiver sees.

use stage6_auth::store::{Message, MessageId, MessageRow, Millis, Value};
use std::sync::Arc;

/// A message with its address.
#[derive(Clone, Debug)]
pub struct AddressedMessage {
    /// Who, when and what.
    pub message: Message,
    /// To whom.
    pub to: Recipient,
}

/// To whom something is said. Rooms and people are meant by their
/// [key](stage6_auth::store::name_key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// All others in a room, and the speaker's subscribers elsewhere.
    Room(Arc<str>),
    /// The speaker's subscribers, wherever they are.
    Subscribers,
    /// One person, in one of the ways of saying something in private.
    User(Arc<str>, &'static PrivateKind),
    /// All users in all rooms: from an admin.
    Everybody,
    /// The servers of one chat: no client sees it. See [`crate::backplane`].
    Servers(Change),
}

/// What a server tells the others: who is online, and where. It stands in the
/// messages' table, in one order with the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A user comes into the lobby.
    Join,
    /// A user goes into another room.
    Move,
    /// A user leaves.
    Leave,
    /// An admin disconnects a user.
    Kick,
    /// A server starts.
    Start,
    /// A server has ended, and all its users with it.
    Dead,
    /// A server has read up to here. Nothing comes of it; see `backplane/log.rs`.
    Confirm,
}

impl Change {
    /// What the database calls each of them.
    const KINDS: [(Change, &str); 7] = [
        (Change::Join, "join"),
        (Change::Move, "move"),
        (Change::Leave, "leave"),
        (Change::Kick, "kick"),
        (Change::Start, "start"),
        (Change::Dead, "dead"),
        (Change::Confirm, "confirm"),
    ];

    fn kind(self) -> &'static str {
        Self::KINDS.iter().find(|(change, _)| *change == self).expect("each has a kind").1
    }
}

/// A way of saying something to one person alone. Stage 8 has another one, for
/// what the server cannot read.
#[derive(Debug, PartialEq, Eq)]
pub struct PrivateKind {
    /// What the database calls it, at most 12 letters.
    pub kind: &'static str,
    /// What the receiver sees before the speaker's name.
    pub before: &'static str,
    /// What it sees between name and text.
    pub between: &'static str,
}

/// `/msg`.
pub const PRIVATE: PrivateKind = PrivateKind { kind: "private", before: "[private] ", between: ": " };

/// All of this stage.
pub const PRIVATE_KINDS: &[&PrivateKind] = &[&PRIVATE];

impl Recipient {
    fn kind(&self) -> &'static str {
        match self {
            Recipient::Room(_) => "room",
            Recipient::Subscribers => "publication",
            Recipient::User(_, private) => private.kind,
            Recipient::Everybody => "announcement",
            Recipient::Servers(change) => change.kind(),
        }
    }

    fn place(&self) -> &str {
        match self {
            Recipient::Room(key) | Recipient::User(key, _) => key,
            Recipient::Subscribers | Recipient::Everybody | Recipient::Servers(_) => "",
        }
    }

    /// Reads what the database has in the columns `kind` and `place`, where `private`
    /// are the ways of saying something in private. `None` for a kind of a newer
    /// program.
    pub fn parse(kind: &str, place: &str, private: &[&'static PrivateKind]) -> Option<Self> {
        match kind {
            "room" => return Some(Recipient::Room(place.into())),
            "publication" => return Some(Recipient::Subscribers),
            "announcement" => return Some(Recipient::Everybody),
            _ => {}
        }
        if let Some((change, _)) = Change::KINDS.iter().find(|(_, known)| *known == kind) {
            return Some(Recipient::Servers(*change));
        }
        let how = private.iter().find(|how| how.kind == kind)?;
        Some(Recipient::User(place.into(), how))
    }
}

/// Stage 6's columns, and two more.
impl MessageRow for AddressedMessage {
    fn stamp(&mut self, id: MessageId, sent: Millis) {
        self.message.stamp(id, sent);
    }

    fn size(&self) -> usize {
        self.message.size()
    }

    fn insert(&self) -> &'static str {
        "INSERT INTO messages (id, run, number, sent_at, username, message, kind, place) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    }

    fn id(&self) -> MessageId {
        self.message.id
    }

    fn params(&self, id: i64) -> Vec<Value> {
        let mut params = self.message.params(id);
        params.extend([self.to.kind(), self.to.place()].map(|text| Value::Text(text.to_owned())));
        params
    }
}

/// A line for each of `messages`: what stands before the name, the name, what
/// stands between, and the text.
pub fn lines(messages: &[Message], before: &str, between: &str) -> String {
    let mut lines = String::new();
    for message in messages {
        lines.extend([before, &message.name, between, &message.text, "\n"]);
    }
    lines
}
