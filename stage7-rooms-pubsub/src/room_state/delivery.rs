//! Which clients get a message, and the line that each of them sees.

use super::RoomState;
use crate::addressed_message::{AddressedMessage, Recipient};
use crate::rooms::LOBBY;
use stage4_multichat::fanout::ClientId;
use stage6_auth::store::{Message, name_key};

/// Messages of one sender to one recipient, with nothing in between. They are sealed and
/// put into the outboxes together: 100 lines that one user pastes are one text for each
/// receiver, not 100.
#[derive(Default)]
pub(super) struct Gathered {
    /// The sender, which is not sent its own messages; `None` for a user of another server.
    own: Option<ClientId>,
    messages: Vec<AddressedMessage>,
}

impl RoomState {
    /// `own` is the sender, if it is a client of this server.
    pub(super) fn gather(&mut self, own: Option<ClientId>, next: AddressedMessage) {
        // The same name is the same session: a newer one of that name comes in by a `Join`,
        // and before each `Join` all that has gathered is sent.
        let goes_on = |last: &AddressedMessage| last.message.name == next.message.name && last.to == next.to;
        if !self.gathered.messages.last().is_some_and(goes_on) {
            self.send_gathered();
            self.gathered.own = own;
        }
        self.gathered.messages.push(next);
    }

    /// Sends what has gathered.
    pub(super) fn send_gathered(&mut self) {
        let Gathered { own, messages } = std::mem::take(&mut self.gathered);
        let Some(first) = messages.first() else { return };
        let (to, key) = (first.to.clone(), name_key(&first.message.name));
        let messages: Vec<Message> = messages.into_iter().map(|message| message.message).collect();
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
            // `apply_entry` has these.
            Recipient::Servers(_) => {}
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
