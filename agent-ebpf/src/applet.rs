//! The arguments, and the name by which they tell a multi-call binary what to
//! be.
//!
//! Resolved as busybox, toybox and coreutils do it themselves: the last
//! component of the first argument, without a login shell's `-`; where that
//! is the binary's own name, the last component of the next one; where the
//! next one is coreutils' `--coreutils-prog=NAME`, that name. Whether the file
//! is such a binary is not asked here.

use crate::caller::execwarden_callers_arguments;
use crate::identity::execwarden_hash_applet;
use crate::kernel::{
    Typed, all_ones_if_zero, copy, copy_str, either, hidden, in_memory, layout, peek_or_zero,
    within,
};
use crate::maps::scratch;
use crate::refuse;
use crate::report::Scratch;
use crate::task;
use agent_common::wire::{APPLET_MAX, ARGS_MAX, flag};
use aya_ebpf::helpers::generated::bpf_probe_read_user;

/// How often a multi-call binary is followed into itself (`busybox busybox ls`).
const ROUNDS: usize = 4;
/// Room for one argument that may name an applet.
const WORD: usize = 256;

/// Where the search for a name stands.
#[repr(C)]
pub struct Search {
    /// The argument at hand.
    word: [u8; WORD],
    /// The file's own name, with zeros behind it.
    own: [u64; APPLET_MAX / 8],
    /// Where its last component begins.
    start: u64,
    /// Where the argument begins among all.
    pub at: u64,
}

/// Takes the arguments from the new program's memory, where the kernel has
/// just put them, into `scratch.args`; before that, from the caller's. They are the
/// process's own words: evidence, and what the name of an applet is found in.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_arguments() -> u64 {
    if refuse::is_asked_of_exec() {
        return execwarden_callers_arguments();
    }
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &mut *scratch };
    let mm = peek_or_zero(task::current(), layout!(task_mm));
    let start = peek_or_zero(mm, layout!(mm_arg_start));
    let end = peek_or_zero(mm, layout!(mm_arg_end));
    let total = end.wrapping_sub(start);
    let len = if total < ARGS_MAX as u64 {
        total as u32
    } else {
        ARGS_MAX as u32 - 1
    };
    let to = scratch.args.as_mut_ptr();
    // SAFETY: room for `ARGS_MAX` bytes; the helper checks the source.
    let read =
        unsafe { bpf_probe_read_user(to.cast(), within(len, ARGS_MAX as u32), start as *const _) };
    let facts = &mut scratch.record.facts;
    facts.args_total = if total < u32::MAX as u64 {
        total as u32
    } else {
        u32::MAX
    };
    facts.args_len = len;
    if read != 0 {
        facts.args_len = 0;
        facts.flags |= flag::ARGS_UNREAD;
    }
    0
}

/// Reads the arguments; SipHash of the name that they give, which is left in
/// `scratch.applet`.
#[inline(always)]
pub fn name_hash(scratch: &Scratch) -> u64 {
    execwarden_applet();
    execwarden_hash_applet(in_memory(&scratch.record.facts.applet_len) as u64)
}

/// Reads the arguments and resolves the name; its length. 0 where there is
/// none, or none that fits.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_applet() -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &mut *scratch };
    execwarden_arguments();
    let len = resolve(scratch);
    scratch.record.facts.applet_len = len as u32;
    len
}

/// The name's length.
#[inline(always)]
fn resolve(scratch: &mut Scratch) -> u64 {
    let args_len = in_memory(&scratch.record.facts.args_len) as u64;
    let args: *const u8 = scratch.args.as_ptr().cast();
    let search = &mut scratch.search;
    let mut name = 0;
    search.at = 0;
    for round in 0..ROUNDS {
        let at = in_memory(&search.at);
        if at >= args_len {
            break;
        }
        // SAFETY: `at` is masked to the first half of the room.
        let from = unsafe { args.add(within(at as u32, ARGS_MAX as u32) as usize) } as u64;
        let len = copy_str(search.word.as_mut_ptr(), WORD as u32, from) as u64;
        if len <= 1 || len >= WORD as u64 {
            return 0;
        }
        if round == 1
            && let Some(skipped) = coreutils_option(&search.word)
        {
            return component(search, &mut scratch.applet, skipped, len - 1);
        }
        if round > 0 && search.word[0] == b'-' {
            break;
        }
        let skipped = (round == 0 && search.word[0] == b'-') as u64;
        name = component(search, &mut scratch.applet, skipped, len - 1);
        search.at = at + len;
        // Asked for under any name, and answered by coreutils alone.
        if !is_multi_call(&scratch.applet) && !(round == 0 && names_coreutils(args, at + len)) {
            break;
        }
    }
    name
}

/// Puts the last component of `word[skipped..end]` into `applet`; its length.
#[inline(always)]
fn component(
    search: &mut Search,
    applet: &mut [u64; APPLET_MAX / 8],
    skipped: u64,
    end: u64,
) -> u64 {
    search.start = skipped;
    for i in 0..WORD as u64 {
        // What lies behind the argument counts for nothing; a jump out of here
        // would be a state of its own to the verifier, at each byte.
        let within = all_ones_if_zero(less_than(end, i + 1));
        let slash = all_ones_if_zero(search.word[i as usize] as u64 ^ b'/' as u64);
        search.start = either(slash & within, i + 1, in_memory(&search.start));
    }
    let start = in_memory(&search.start);
    let len = end.wrapping_sub(start);
    *applet = [0; APPLET_MAX / 8];
    if len == 0 || len >= APPLET_MAX as u64 {
        return 0;
    }
    let from = &raw const search.word[within(start as u32, WORD as u32) as usize] as u64;
    copy(
        applet.as_mut_ptr().cast(),
        within(len as u32, APPLET_MAX as u32),
        from,
    );
    len
}

/// Whether the name that [`name_hash`] found is the file's own.
#[inline(always)]
pub fn is_own_name(scratch: &mut Scratch, dentry: Typed) -> bool {
    let name = peek_or_zero(dentry as u64, layout!(dentry_name));
    scratch.search.own = [0; APPLET_MAX / 8];
    let to = scratch.search.own.as_mut_ptr().cast();
    let len = copy_str(to, APPLET_MAX as u32, name);
    if len == 0 || len >= APPLET_MAX as u32 {
        return false;
    }
    let mut differs = 0;
    for i in 0..APPLET_MAX / 8 {
        differs |= in_memory(&scratch.search.own[i]) ^ in_memory(&scratch.applet[i]);
    }
    differs == 0
}

/// 1 if `a` is less than `b`, else 0, without a jump.
#[inline(always)]
fn less_than(a: u64, b: u64) -> u64 {
    hidden(a.wrapping_sub(b)) >> 63
}

const fn word(text: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*text)
}

/// Whether a name begins like a multi-call binary's own.
#[inline(always)]
fn is_multi_call(applet: &[u64; APPLET_MAX / 8]) -> bool {
    const SEVEN: u64 = (1 << 56) - 1;
    const SIX: u64 = (1 << 48) - 1;
    let first = applet[0];
    first & SEVEN == word(b"busybox\0")
        || first & SIX == word(b"toybox\0\0")
        || (first == word(b"coreutil") && applet[1] & 0xff == b's' as u64)
}

/// Whether the argument at `at` is coreutils' option.
#[inline(always)]
fn names_coreutils(args: *const u8, at: u64) -> bool {
    let mut found = [0u64; 2];
    // SAFETY: `at` is masked to the first half of the room.
    let from = unsafe { args.add(within(at as u32, ARGS_MAX as u32) as usize) } as u64;
    copy(found.as_mut_ptr().cast(), 16, from);
    found == [word(b"--coreut"), word(b"ils-prog")]
}

/// Where the name begins in `--coreutils-prog=NAME` or
/// `--coreutils-prog-shebang=NAME`.
#[inline(always)]
fn coreutils_option(text: &[u8; WORD]) -> Option<u64> {
    if !names_coreutils(text.as_ptr(), 0) {
        return None;
    }
    match text[16] {
        b'=' => Some(17),
        b'-' if text[24] == b'=' => Some(25),
        _ => None,
    }
}
