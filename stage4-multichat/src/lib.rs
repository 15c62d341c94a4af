//! Stage 4: a chat room.
