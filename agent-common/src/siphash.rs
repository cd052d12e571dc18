//! SipHash-1-3 with a 64-bit result: the name of a path in every map.
//!
//! The key is drawn when the programs are loaded, so that nobody who chooses
//! file names can choose two that meet. Both sides run this same code; the
//! tests compare it with the `siphasher` crate.

/// The key of the hash: 128 secret bits.
#[derive(Clone, Copy)]
pub struct Key {
    /// The first half.
    pub k0: u64,
    /// The second half.
    pub k1: u64,
}

/// The running state; one word (8 bytes, little endian) at a time, so that the
/// verifier sees one short loop body.
pub struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    /// A fresh state under `key`.
    #[inline(always)]
    pub fn new(key: Key) -> Self {
        Self {
            v0: key.k0 ^ 0x736f_6d65_7073_6575,
            v1: key.k1 ^ 0x646f_7261_6e64_6f6d,
            v2: key.k0 ^ 0x6c79_6765_6e65_7261,
            v3: key.k1 ^ 0x7465_6462_7974_6573,
        }
    }

    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }

    /// Takes in the next 8 bytes.
    #[inline(always)]
    pub fn word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    /// Ends the message: `tail` holds the last `len % 8` bytes in its low
    /// bytes, zero above them; `len` is the length of the whole message.
    #[inline(always)]
    pub fn finish(mut self, tail: u64, len: u64) -> u64 {
        self.word(tail | (len << 56));
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

/// The hash of a whole slice.
pub fn hash(key: Key, bytes: &[u8]) -> u64 {
    let mut state = State::new(key);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut buffer = [0; 8];
        buffer.copy_from_slice(word);
        state.word(u64::from_le_bytes(buffer));
    }
    let mut tail = [0; 8];
    let rest = words.remainder();
    tail[..rest.len()].copy_from_slice(rest);
    state.finish(u64::from_le_bytes(tail), bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::Hasher as _;

    proptest! {
        #[test]
        fn agrees_with_the_siphasher_crate(
            k0: u64, k1: u64, bytes in proptest::collection::vec(any::<u8>(), 0..600)
        ) {
            let mut theirs = siphasher::sip::SipHasher13::new_with_keys(k0, k1);
            theirs.write(&bytes);

            prop_assert_eq!(hash(Key { k0, k1 }, &bytes), theirs.finish());
        }
    }
}
