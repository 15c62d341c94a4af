//! Stage 1: the TCP handshake, and what it settles.
