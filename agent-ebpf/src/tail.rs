//! What a record carries behind its fixed part.

use crate::kernel::{copy, hidden, in_memory, within};
use crate::report::Scratch;
use agent_common::wire::PATH_MAX;

/// The most bytes that a tail has. What may be kept of each part adds up to
/// less.
pub const TAIL_MAX: usize = 8192;
/// Words in a tail, with the room behind it that the verifier needs to see any
/// part fit at any place.
pub const TAIL_WORDS: usize = (TAIL_MAX + PATH_MAX) / 8;

/// Begins a new one.
#[inline(always)]
pub fn begin(scratch: &mut Scratch) {
    scratch.tail_len = 0;
}

/// Appends less than `PATH_MAX` bytes, and leaves the next multiple of 8 free
/// for what follows.
#[inline(always)]
pub fn append(scratch: &mut Scratch, from: u64, len: u32) {
    let len = within(len, PATH_MAX as u32);
    let at = hidden(in_memory(&scratch.tail_len)) & (TAIL_MAX as u64 - 8);
    // SAFETY: `at` is within the tail, and there are `PATH_MAX` bytes behind it.
    let to = unsafe { scratch.tail.as_mut_ptr().cast::<u8>().add(at as usize) };
    copy(to, len, from);
    scratch.tail_len = at + ((len as u64 + 7) & !7);
}
