//! Stage 5: AES-CBC with a shared key.
