//! The slow path's record: into the map of what was seen, and onto the ring.

use crate::container::Judged;
use crate::identity::SCRIPT_WORDS;
use crate::kernel::copy;
use crate::maps::{RING, SEEN, SLOT, USAGE, add_shared, lost};
use crate::path;
use agent_common::wire::{Bell, ExecRecord, Header, PATH_MAX, SEEN_PATH_MAX, Seen, VERSION, kind};
use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_FORCE_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output};

/// Words in a path.
pub const PATH_WORDS: usize = PATH_MAX / 8;

/// Where a record is put together: one per CPU.
#[repr(C)]
pub struct Scratch {
    /// The path, written from its end.
    pub build: path::Buffer,
    /// Where the walk along the path stands.
    pub walk: path::Walk,
    /// What goes onto the ring.
    pub record: ExecRecord,
    /// The path from its beginning; directly behind the record, so that both
    /// go onto the ring in one piece.
    pub path: [u64; PATH_WORDS],
    /// The script's name, absolute.
    pub script: [u64; SCRIPT_WORDS],
    /// What a new entry of the map begins as.
    pub seen: Seen,
}

/// Counts one exec under its key; the first of its kind is put into the map
/// and onto the ring.
#[inline(always)]
pub fn report(scratch: &mut Scratch, judged: &Judged) {
    // SAFETY: no arguments, always available.
    let now = unsafe { bpf_ktime_get_ns() };
    if count_again(scratch, now) {
        return;
    }

    let slot = judged.slot;
    let (Some(state), Some(usage)) = (SLOT.get_ptr(slot), USAGE.get_ptr_mut(slot)) else {
        return;
    };
    // SAFETY: values of arrays, valid while the program runs.
    let over = unsafe {
        let used = (*usage).inserted.wrapping_sub((*state).released);
        used >= (*state).quota
    };
    if over {
        // SAFETY: as above.
        unsafe {
            if (*usage).overflowed & 0xff == 0 {
                bell(kind::OVERFLOW, slot as u64);
            }
            add_shared(&raw mut (*usage).overflowed);
        }
        return;
    }

    let record = &mut scratch.record;
    record.facts.at_ns = now;
    let len = record.facts.path_len & (PATH_MAX as u32 - 1);
    let seen = &mut scratch.seen;
    seen.count = 1;
    seen.last_ns = now;
    seen.facts = record.facts;
    seen.path_kept = if len < SEEN_PATH_MAX as u32 {
        len
    } else {
        SEEN_PATH_MAX as u32
    };
    seen.pad = 0;
    // The whole room; `path_kept` says what of it is this path.
    copy(
        seen.path.as_mut_ptr(),
        SEEN_PATH_MAX as u32,
        scratch.path.as_ptr() as u64,
    );

    match SEEN.insert(&record.key, &*seen, BPF_NOEXIST as u64) {
        Ok(()) => {
            // SAFETY: as above.
            unsafe { add_shared(&raw mut (*usage).inserted) };
        }
        // Another CPU was first, or the map is full.
        Err(_) if count_again(scratch, now) => return,
        Err(_) => {
            lost!(seen_full);
            // SAFETY: as above.
            unsafe { add_shared(&raw mut (*usage).overflowed) };
            bell(kind::OVERFLOW, slot as u64);
            return;
        }
    }

    let record = &mut scratch.record;
    let size = size_of::<ExecRecord>() as u32 + len;
    record.header = Header {
        kind: kind::EXEC,
        version: VERSION,
        len: size,
    };
    send((&raw mut *record).cast(), size);
}

#[inline(always)]
fn count_again(scratch: &Scratch, now: u64) -> bool {
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
    // SAFETY: `record` has `size` bytes; the verifier checks it.
    let sent = unsafe {
        bpf_ringbuf_output(
            (&raw const RING).cast_mut().cast(),
            record.cast(),
            size as u64,
            BPF_RB_FORCE_WAKEUP as u64,
        )
    };
    if sent == 0 {
        lost!(ring_sent);
    } else {
        lost!(ring_full);
    }
}
