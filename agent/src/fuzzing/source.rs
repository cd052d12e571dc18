//! Values out of bytes that a fuzzer chose.

use crate::model::Untrusted;

/// The longest text that there is: the kernel gives no longer path.
const LONGEST: usize = agent_common::wire::PATH_MAX;

/// Bytes that become values, from the first on. Where they have ended, all that
/// comes is zero, false and empty: a few bytes are a whole value already, and each
/// byte that a fuzzer adds says one thing more.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All that has not been taken.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// At most so many bytes as they are.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// A number of two bytes, the lower first.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn word(&mut self) -> u32 {
        u32::from(self.short()) | u32::from(self.short()) << 16
    }

    pub(crate) fn number(&mut self) -> u64 {
        u64::from(self.word()) | u64::from(self.word()) << 32
    }

    /// One of `all`, of which there must be some.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// A value if the next byte says so.
    pub(crate) fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| value(self))
    }

    /// At most so many values.
    pub(crate) fn list<T>(&mut self, most: u8, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % (most + 1);
        (0..count).map(|_| value(self)).collect()
    }

    /// Any bytes: how many, how often doubled, and the bytes. Limits are reached by
    /// long texts, and fuzzers like short inputs.
    pub(crate) fn text(&mut self) -> Untrusted {
        let length = self.byte();
        let doubled = self.byte() % 8;
        let mut text = self.bytes(length.into()).repeat(1 << doubled);
        text.truncate(LONGEST);
        Untrusted::new(text)
    }

    /// Any text that is UTF-8.
    pub(crate) fn string(&mut self) -> String {
        String::from_utf8_lossy(self.text().as_bytes()).into_owned()
    }
}
