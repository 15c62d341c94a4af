//! How lines are put on the wire. Here they go as they are. In stages 6 and 7 each
//! line is sealed first; stage 8 encrypts the whole connection instead.

/// Encodes lines for the wire.
pub trait LineCodec: Send + Sync {
    /// Appends `lines`, each ended by `\n`, to `out` as they go over the wire:
    /// as many lines again, each ended by `\n`.
    fn encode(&self, lines: &str, out: &mut Vec<u8>);
}

/// Lines as they are.
pub struct Plaintext;

impl LineCodec for Plaintext {
    fn encode(&self, lines: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(lines.as_bytes());
    }
}
