//! Stage 5: AES-CBC with a shared key.

pub mod cipher;
pub mod keyfile;
