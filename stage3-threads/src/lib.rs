//! Stage 3: one thread per client, and what can go wrong between threads.

pub mod experiments;
