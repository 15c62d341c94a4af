//! Stage 7: rooms, publish-subscribe and roles.
