//! A message with its recipient, and the line that each receiver sees.

use crate::backplane::Change;
use stage6_auth::store::{Message, MessageId, MessageRow, Millis, Value, name_key};
use std::sync::Arc;

/// A message with its address.
#[derive(Clone, Debug)]
pub struct AddressedMessage {
    /// Who, when and what.
    pub message: Message,
    /// For whom it is.
    pub to: Address,
}

/// For whom a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// For users.
    Users(Recipient),
    /// For the servers of one chat: no client sees it. See [`crate::backplane`]. The message's
    /// text is [`Change::text`].
    Servers(Change),
}

/// Which users get a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// All others in the room with this [key](stage6_auth::store::name_key), and the
    /// sender's subscribers elsewhere.
    Room(Arc<str>),
    /// The sender's subscribers, wherever they are.
    Subscribers,
    /// The user of this name alone. The database has the name's key.
    User(Arc<str>, &'static PrivateKind),
    /// All users in all rooms: from an admin.
    AllUsers,
}

/// A kind of private message. Stage 8 has another one, which the server cannot read.
#[derive(Debug, PartialEq, Eq)]
pub struct PrivateKind {
    /// What the database calls it, at most 12 letters.
    pub kind: &'static str,
    /// What the receiver sees before the sender's name.
    pub before: &'static str,
    /// What it sees between name and text.
    pub between: &'static str,
}

/// `/msg`.
pub const PRIVATE: PrivateKind = PrivateKind { kind: "private", before: "[private] ", between: ": " };

/// All of this stage.
pub const PRIVATE_KINDS: &[&PrivateKind] = &[&PRIVATE];

impl Address {
    /// What the database has in the columns `kind` and `place`.
    fn columns(&self) -> [String; 2] {
        let (kind, place) = match self {
            Address::Users(Recipient::Room(key)) => ("room", key.to_string()),
            Address::Users(Recipient::Subscribers) => ("publication", String::new()),
            Address::Users(Recipient::User(name, private)) => (private.kind, name_key(name)),
            Address::Users(Recipient::AllUsers) => ("announcement", String::new()),
            Address::Servers(change) => (change.kind(), String::new()),
        };
        [kind.to_owned(), place]
    }

    /// Reads what the database has in the columns `kind`, `place` and `message`, where
    /// `private` are the kinds of private messages. `None` for a kind of a newer
    /// program.
    pub fn parse(kind: &str, place: &str, text: &str, private: &[&'static PrivateKind]) -> Option<Self> {
        let private = private.iter().find(|private| private.kind == kind);
        Some(Address::Users(match kind {
            "room" => Recipient::Room(place.into()),
            "publication" => Recipient::Subscribers,
            "announcement" => Recipient::AllUsers,
            _ => match private {
                Some(private) => Recipient::User(place.into(), private),
                None => return Change::parse(kind, text).map(Address::Servers),
            },
        }))
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

    fn params(&self, row_id: i64) -> Vec<Value> {
        let mut params = self.message.params(row_id);
        params.extend(self.to.columns().map(Value::Text));
        params
    }
}
