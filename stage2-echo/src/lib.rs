//! Stage 2: lines over a byte stream, in lock-step.
