//! Stage 4: a chat room. What a client sends reaches every other client.
//!
//! Read the modules in this order. `server` is the flow. The [`room`] is one
//! thread that owns who is here, and sends what was said to all; [`queue`]
//! is how events reach it, [`fanout`] how it sends one batch to many. Each client
//! has an [`outbox`], which never makes the room wait: `outbox_state` is what it
//! holds, [`transport`] what it writes to, and [`drainer`] the thread that writes when a
//! socket was full.
//! [`limits`] and [`token_bucket`] keep one client, or many, from using up the
//! server.

pub mod client;
pub mod drainer;
pub mod fanout;
pub mod limits;
pub mod line_codec;
pub mod outbox;
mod outbox_state;
pub mod queue;
pub mod room;
pub mod server;
mod sync;
#[cfg(test)]
mod tests;
pub mod token_bucket;
pub mod transport;
