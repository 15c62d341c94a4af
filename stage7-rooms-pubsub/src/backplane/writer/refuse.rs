//! What this server's clients submit and the log does not take: since the database is
//! away, a user has come back on another server, or this server was declared dead.

use super::LogWriter;
use crate::addressed_message::AddressedMessage;
use crate::backplane::local_clients::is_taken_over;
use crate::backplane::{Change, ChatSubmission};
use crate::room_event::RoomEvent;
use stage6_auth::pipeline::Submission;

impl LogWriter {
    /// Takes what was submitted, if its client may submit it.
    pub(super) fn take(&mut self, submission: ChatSubmission) {
        let allowed = match &submission.event {
            RoomEvent::Join(newcomer) => {
                self.clients.insert(&newcomer.session);
                true
            }
            RoomEvent::Leave(session, _) => self.clients.remove(session.id),
            RoomEvent::MessageFrom(session) | RoomEvent::Move(session, _) | RoomEvent::Kick(session, _) => {
                self.clients.may_append(session.id)
            }
            _ => true,
        };
        match allowed {
            true => self.pending.push(submission),
            false => self.refuse(submission),
        }
    }

    /// A user has come back on another server: what the old connection said comes too late.
    /// What of it was in doubt is not in the log. All places before the login have been read;
    /// and this server wants a place after it only when it knows of the login, unless the
    /// database was killed since, and then the statement has died with its connection. The
    /// client may have left since.
    pub(super) fn refuse_taken_over(&mut self, entry: &AddressedMessage) {
        let is_late = |submission: &ChatSubmission, _| match &submission.event {
            RoomEvent::MessageFrom(session) => is_taken_over(session, entry),
            _ => false,
        };
        self.pending.take_if(is_late).into_iter().for_each(|submission| self.refuse(submission));
    }

    /// The database is away. What is not in doubt is refused, or waits: users who move
    /// or go do that all the same, and the others will hear of it.
    pub(super) fn refuse_pending(&mut self) {
        let goes = |submission: &ChatSubmission, in_doubt| match &submission.event {
            _ if in_doubt => false,
            RoomEvent::Join(_) | RoomEvent::MessageFrom(_) => true,
            _ => submission.message.is_none(),
        };
        for submission in self.pending.take_if(goes) {
            match &submission.event {
                RoomEvent::Join(newcomer) => _ = self.clients.remove(newcomer.session.id),
                RoomEvent::MessageFrom(_) => self.refused += 1,
                _ => {}
            }
            self.refuse(submission);
        }
    }

    /// Hands on an event whose message is not to be stored.
    pub(super) fn refuse(&mut self, submission: ChatSubmission) {
        self.ready.push(Submission { message: None, ..submission });
    }

    /// The others have declared this server dead: it was paused, or cut off from the
    /// database. Its users are out. It goes on as a new one.
    pub(super) fn start_again(&mut self) {
        self.out.error(
            "this server was away for so long that the others declared it dead; its users are disconnected",
        );
        self.clients.clear();
        self.pending.take_if(|_, _| true).into_iter().for_each(|submission| self.refuse(submission));
        // Once more that it is dead: the entry that was read may yet be lost.
        let dead = Change::Dead(self.status.run());
        self.status.new_run();
        self.number = 0;
        for change in [dead, Change::Start] {
            self.pending.push(Submission { message: Some(change.entry("")), event: RoomEvent::Replicated });
        }
    }
}
