//! Stage 7: rooms, publish-subscribe and roles.
//!
//! Who hears what is all that is new. [`rooms`] and [`subscriptions`] know it,
//! [`commands`] change it, and each message has a recipient
//! ([`addressed_message`]). The [`chat`] is the way there. As in stage 6 everything
//! passes through the committer thread to the room thread, whose [`room_state`]
//! decides who gets what. Stage 4's fan-out sends each client its part.
//!
//! Several servers can be one chat ([`backplane`]).
//!
//! A client knows its [`client_state`], and shows the [`line_style`]s apart.

pub mod addressed_message;
pub mod backplane;
pub mod chat;
pub mod client;
pub mod client_state;
pub mod commands;
pub mod line_style;
pub mod message_store;
pub mod room_event;
pub mod room_state;
pub mod rooms;
pub mod server;
pub mod subscriptions;
