//! Stage 7: rooms, publish-subscribe and roles.
//!
//! Who hears what is all that is new. [`rooms`] and [`subscriptions`] know it,
//! [`commands`] change it, and what is [said] has an address. The [`chat`] is the
//! way there: as in stage 6 everything passes through the committer, whose thread
//! has a [`delivery`] make up for each person what is for it.
//!
//! A client knows its [`client_state`], and shows the [`line_style`]s apart.

pub mod chat;
pub mod client;
pub mod client_state;
pub mod commands;
pub mod delivery;
pub mod floor;
pub mod line_style;
pub mod message_store;
pub mod rooms;
pub mod said;
pub mod server;
pub mod subscriptions;
