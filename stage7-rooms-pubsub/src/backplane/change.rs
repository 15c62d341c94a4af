//! What a server tells the others: who is online, and where. It stands in the messages'
//! table, in one order with the messages.

use crate::addressed_message::{Address, AddressedMessage};
use stage4_multichat::fanout::ClientId;
use stage6_auth::sessions::OnDuplicate;
use stage6_auth::sessions::Session;
use stage6_auth::store::Message;
use std::sync::Arc;

/// An entry of the shared log that is no message. A client is meant by its
/// [`Session::id`] on the server of the run that the entry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A user comes into the lobby.
    Join(Login),
    /// A user goes into the room of this name.
    Move(ClientId, Arc<str>),
    /// A user leaves.
    Leave(ClientId),
    /// An admin disconnects the user with this key.
    Kick(Arc<str>),
    /// A server starts.
    Start,
    /// The server of this run has ended, and all its users with it.
    Dead(i64),
    /// A server has read up to here. Nothing comes of it; see `log.rs`.
    Confirm,
}

/// A login, as all servers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The client.
    pub session: ClientId,
    /// Whether it takes the name from another session; from its own it always does.
    pub on_duplicate: OnDuplicate,
    /// Tells the user's sessions from each other: the start of the token's hash.
    pub token: String,
}

impl Change {
    /// What the database calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Change::Join(_) => "join",
            Change::Move(..) => "move",
            Change::Leave(_) => "leave",
            Change::Kick(_) => "kick",
            Change::Start => "start",
            Change::Dead(_) => "dead",
            Change::Confirm => "confirm",
        }
    }

    /// What the database has as its text.
    pub fn text(&self) -> String {
        match self {
            Change::Join(Login { session, on_duplicate, token }) => {
                let rule = if *on_duplicate == OnDuplicate::Replace { "replace" } else { "reject" };
                format!("{session} {rule} {token}")
            }
            Change::Move(session, room) => format!("{session} {room}"),
            Change::Leave(session) => session.to_string(),
            Change::Kick(user) => user.to_string(),
            Change::Dead(run) => run.to_string(),
            Change::Start | Change::Confirm => String::new(),
        }
    }

    /// Reads what the database has. `None` if a newer server wrote it.
    pub fn parse(kind: &str, text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut word = || words.next();
        Some(match kind {
            "join" => {
                let session = word()?.parse().ok()?;
                let on_duplicate = match word()? {
                    "replace" => OnDuplicate::Replace,
                    "reject" => OnDuplicate::Reject,
                    _ => return None,
                };
                Change::Join(Login { session, on_duplicate, token: word()?.to_owned() })
            }
            "move" => Change::Move(word()?.parse().ok()?, word()?.into()),
            "leave" => Change::Leave(word()?.parse().ok()?),
            "kick" => Change::Kick(text.into()),
            "start" => Change::Start,
            "dead" => Change::Dead(text.parse().ok()?),
            "confirm" => Change::Confirm,
            _ => return None,
        })
    }

    /// The entry with which the user of this name does that; without a name, the server.
    /// The committer thread gives it its number.
    pub fn entry(self, name: &str) -> AddressedMessage {
        AddressedMessage { message: Message::new(name.into(), self.text()), to: Address::Servers(self) }
    }
}

impl Login {
    /// The login of `session`, which comes in now.
    pub fn of(session: &Session, on_duplicate: OnDuplicate) -> Self {
        // A client that comes back by itself never takes the name from another session:
        // two of them would disconnect each other again and again.
        let on_duplicate = if session.resumed { OnDuplicate::Reject } else { on_duplicate };
        Login { session: session.id, on_duplicate, token: Login::token_of(session) }
    }

    /// The start of the hash of this session's token.
    pub fn token_of(session: &Session) -> String {
        session.token.hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns `true` if it takes the name from a session with this `token`.
    pub fn takes_over(&self, token: &str) -> bool {
        self.on_duplicate == OnDuplicate::Replace || self.token == token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change() -> impl Strategy<Value = Change> {
        let login = (any::<u64>(), any::<bool>(), "[0-9a-f]{16}").prop_map(|(session, replaces, token)| {
            let on_duplicate = if replaces { OnDuplicate::Replace } else { OnDuplicate::Reject };
            Change::Join(Login { session, on_duplicate, token })
        });
        let name = "[A-Za-z0-9_.-]{1,32}";
        prop_oneof![
            login,
            (any::<u64>(), name).prop_map(|(session, room)| Change::Move(session, room.into())),
            any::<u64>().prop_map(Change::Leave),
            name.prop_map(|user| Change::Kick(user.into())),
            any::<i64>().prop_map(Change::Dead),
            Just(Change::Start),
            Just(Change::Confirm),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(change in change()) {
            prop_assert_eq!(Change::parse(change.kind(), &change.text()), Some(change));
        }

        #[test]
        fn any_text_is_read_or_left_out(kind in "join|move|leave|kick|start|dead|confirm|new", text in ".{0,40}") {
            let _ = Change::parse(&kind, &text);
        }
    }

    /// Servers of another version share the log.
    #[test]
    fn the_texts_stay_as_they_are() {
        let login = Login { session: 7, on_duplicate: OnDuplicate::Replace, token: "00ff".into() };
        assert_eq!(Change::Join(login).text(), "7 replace 00ff");
        assert_eq!(Change::Move(7, "Rust".into()).text(), "7 Rust");
        assert_eq!(Change::Leave(7).text(), "7");
        assert_eq!(Change::Kick("bob".into()).text(), "bob");
        assert_eq!(Change::Dead(9).text(), "9");
    }
}
