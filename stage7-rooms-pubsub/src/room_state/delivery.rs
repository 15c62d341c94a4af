//! Which clients get a message, and the line that each of them sees.

use super::RoomState;
use crate::addressed_message::Recipient;
use crate::rooms::LOBBY;
use stage4_multichat::fanout::ClientId;
use stage6_auth::store::{Message, name_key};

/// Messages of one sender to one recipient, with nothing in between. They are sealed and
/// put into the outboxes together: 100 lines that one user pastes are one text for each
/// receiver, not 100.
pub(super) struct Gathered {
    /// The sender, which is not sent its own messages; `None` for a user of another server.
    own: Option<ClientId>,
    to: Recipient,
    /// At least one.
    messages: Vec<Message>,
}

impl RoomState {
    /// `own` is the sender, if it is a client of this server.
    pub(super) fn gather(&mut self, own: Option<ClientId>, message: Message, to: Recipient) {
        match &mut self.gathered {
            // The same name is the same session: a newer one of that name comes in by a
            // `Join`, and before each `Join` all that has gathered is sent.
            Some(gathered) if gathered.messages[0].name == message.name && gathered.to == to => {
                gathered.messages.push(message);
            }
            _ => {
                self.send_gathered();
                self.gathered = Some(Gathered { own, to, messages: vec![message] });
            }
        }
    }

    /// Sends what has gathered.
    pub(super) fn send_gathered(&mut self) {
        let Some(Gathered { own, to, messages }) = self.gathered.take() else { return };
        let key = name_key(&messages[0].name);
        let RoomState { fanout, rooms, subscriptions, online, .. } = self;
        match &to {
            Recipient::Room(room) => {
                let others = rooms.members(room).filter(|&other| Some(other) != own);
                fanout.send(&lines(&messages, "", ": "), others);
                // Subscribers in the room have it already.
                let elsewhere = subscriptions.of(&key).filter(|&other| rooms.of(other) != Some(room));
                let before = format!("[#{}] ", rooms.name(room).as_deref().unwrap_or(room));
                fanout.send(&lines(&messages, &before, ": "), elsewhere);
                if **room == *LOBBY {
                    messages.into_iter().for_each(|message| self.history.push(message));
                }
            }
            Recipient::Subscribers => fanout.send(&lines(&messages, "[pub] ", ": "), subscriptions.of(&key)),
            Recipient::User(whom, kind) => match online.get(&*name_key(whom)) {
                Some(whom) => fanout.send(&lines(&messages, kind.before, kind.between), [whom.id]),
                // The receiver has left after the message was submitted.
                None => fanout.send(&format!("[SERVER] error: {whom} is not online\n"), own),
            },
            Recipient::AllUsers => {
                fanout.broadcast(&lines(&messages, "[SERVER] announcement by ", ": "), None);
            }
        }
    }
}

/// A line for each of `messages`: what stands before the name, the name, what
/// stands between, and the text.
fn lines(messages: &[Message], before: &str, between: &str) -> String {
    let mut lines = String::new();
    for message in messages {
        lines.extend([before, &message.name, between, &message.text, "\n"]);
    }
    lines
}
