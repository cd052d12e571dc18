//! The slow path's record: into the map of what was seen, and onto the ring.

use crate::applet;
use crate::identity::{APPLET_WORDS, ARGS_WORDS};
use crate::kernel::{copy, in_memory, within};
use crate::maps::{LOSSES, RING, SEEN, SLOT, USAGE, add_shared, lost, scratch};
use crate::path;
use crate::script;
use crate::tail::{TAIL_MAX, TAIL_WORDS};
use agent_common::wire::{
    AllowKey, Bell, ClearedKey, ExecRecord, FastKey, Header, Init, PATH_MAX, SEEN_TAIL_MAX, Seen,
    VERSION, kind,
};
use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output, bpf_ringbuf_query};

/// Words in a path.
pub const PATH_WORDS: usize = PATH_MAX / 8;

/// Where a record is put together: one per CPU.
#[repr(C)]
pub struct Scratch {
    /// The path, written from its end.
    pub build: path::Buffer,
    /// Where the walk along the path stands.
    pub walk: path::Walk,
    /// The scripts of a `#!` chain.
    pub chain: script::Chain,
    /// Where the search for an applet's name stands.
    pub search: applet::Search,
    /// The process that is looked at.
    pub above: u64,
    /// What the verifier knows the type of, on its way to being a number.
    pub typed: u64,
    /// The container's first process.
    pub init: Init,
    /// A path from its beginning.
    pub path: [u64; PATH_WORDS],
    /// The arguments.
    pub args: [u64; ARGS_WORDS],
    /// An applet's name, with zeros behind it.
    pub applet: [u64; APPLET_WORDS],
    /// What `FAST` is asked for on the slow path: the stack is short.
    pub fast: FastKey,
    /// What `ALLOW` is asked for.
    pub allow: AllowKey,
    /// What `CLEARED` is asked for.
    pub cleared: ClearedKey,
    /// What goes onto the ring.
    pub record: ExecRecord,
    /// What the record carries; directly behind it, so that both go onto the
    /// ring in one piece.
    pub tail: [u64; TAIL_WORDS],
    /// How much of it is used, in bytes.
    pub tail_len: u64,
    /// What a new entry of the map begins as.
    pub seen: Seen,
}

/// Counts one more exec under the record's key; `false` if it is the first of
/// its kind.
#[inline(always)]
pub fn count_again(scratch: &mut Scratch) -> bool {
    // SAFETY: no arguments, always available.
    let now = unsafe { bpf_ktime_get_ns() };
    scratch.record.facts.at_ns = now;
    let Some(seen) = SEEN.get_ptr_mut(&scratch.record.key) else {
        return false;
    };
    // SAFETY: a value of a map, valid while the program runs; `last_ns` may be
    // overwritten by another CPU with a time as good.
    unsafe {
        add_shared(&raw mut (*seen).count);
        (*seen).last_ns = now;
    }
    true
}

/// Whether the slot has used its quota up. What goes over is counted.
#[inline(always)]
pub fn is_over(slot: u32) -> bool {
    let (Some(state), Some(usage)) = (SLOT.get_ptr(slot), USAGE.get_ptr_mut(slot)) else {
        return true;
    };
    // SAFETY: values of arrays, valid while the program runs.
    unsafe {
        let used = (*usage).inserted.wrapping_sub((*state).released);
        if used < (*state).quota {
            return false;
        }
        if (*usage).overflowed & 0xff == 0 {
            bell(kind::OVERFLOW, slot as u64);
        }
        add_shared(&raw mut (*usage).overflowed);
    }
    true
}

/// Puts the first of its kind into the map and onto the ring.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_report(slot: u64) -> u64 {
    if let Some(scratch) = scratch() {
        // SAFETY: this CPU's own value, valid while the program runs.
        report(unsafe { &mut *scratch }, slot as u32);
    }
    0
}

#[inline(always)]
fn report(scratch: &mut Scratch, slot: u32) {
    let Some(usage) = USAGE.get_ptr_mut(slot) else {
        return;
    };
    let tail_len = within(in_memory(&scratch.tail_len) as u32, TAIL_MAX as u32);
    let seen = &mut scratch.seen;
    seen.count = 1;
    seen.last_ns = scratch.record.facts.at_ns;
    seen.facts = scratch.record.facts;
    seen.tail_kept = if tail_len < SEEN_TAIL_MAX as u32 {
        tail_len
    } else {
        SEEN_TAIL_MAX as u32
    };
    seen.pad = 0;
    // The whole room; `tail_kept` says what of it is this exec's.
    let from = scratch.tail.as_ptr() as u64;
    copy(seen.tail.as_mut_ptr(), SEEN_TAIL_MAX as u32, from);

    match SEEN.insert(&scratch.record.key, &*seen, BPF_NOEXIST as u64) {
        Ok(()) => {
            // SAFETY: a value of an array, valid while the program runs.
            unsafe { add_shared(&raw mut (*usage).inserted) };
        }
        // Another CPU was first, or the map is full.
        Err(_) if count_again(scratch) => return,
        Err(_) => {
            lost!(seen_full);
            // SAFETY: as above.
            unsafe { add_shared(&raw mut (*usage).overflowed) };
            bell(kind::OVERFLOW, slot as u64);
            return;
        }
    }

    let record = &mut scratch.record;
    let size = size_of::<ExecRecord>() as u32 + tail_len;
    record.header = Header {
        kind: kind::EXEC,
        version: VERSION,
        len: size,
    };
    send((&raw mut *record).cast(), size);
}

/// Rings the bell without a record.
#[inline(always)]
pub fn bell(kind: u16, subject: u64) {
    let mut bell = Bell {
        header: Header {
            kind,
            version: VERSION,
            len: size_of::<Bell>() as u32,
        },
        subject,
    };
    send((&raw mut bell).cast(), size_of::<Bell>() as u32);
}

/// Puts a record onto the ring. A full ring is counted and nothing more: the
/// maps have the truth, and the agent walks them.
#[inline(always)]
pub fn send(record: *mut u8, size: u32) {
    let ring = (&raw const RING).cast_mut();
    // SAFETY: `record` has `size` bytes; the verifier checks it.
    let sent = unsafe {
        bpf_ringbuf_output(
            ring.cast(),
            record.cast(),
            size as u64,
            BPF_RB_FORCE_WAKEUP as u64,
        )
    };
    // SAFETY: the ring is there as long as the program.
    let waiting = unsafe { bpf_ringbuf_query(ring.cast(), BPF_RB_AVAIL_DATA as u64) };
    let Some(losses) = LOSSES.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a value of an array, valid while the program runs. Where a program
    // can be preempted, another on this CPU may write a peak in between, and the
    // greater one be lost: once, and it is a peak of many.
    unsafe {
        add_shared(if sent == 0 {
            &raw mut (*losses).ring_sent
        } else {
            &raw mut (*losses).ring_full
        });
        if waiting > (*losses).ring_peak {
            (*losses).ring_peak = waiting;
        }
    }
}
