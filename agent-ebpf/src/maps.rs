//! The maps, and the few things done with them everywhere.
//!
//! Sizes here are defaults; the agent may set others at load. The policy maps
//! (`CGROUPS`, `SLOT`, `ALLOW`) and the truth (`SEEN`, `ESCAPES`, `NEWBORN`)
//! are plain hashes and arrays: nothing in them is ever evicted. `FAST`,
//! `CLEARED` (LRUs) and `NEAR` only remember where `ALLOW` was asked before,
//! and what the agent found when it looked; losing an entry costs one slow
//! exec, or one more look, and changes no verdict.

use agent_common::wire::{
    AllowKey, Allowed, Cgroup, ClearedKey, Counters, Escape, FastKey, Init, Losses, Newborn, SLOTS,
    Seen, SeenKey, Slot, Told, Usage,
};
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};

use crate::near::{self, Near};
use crate::refuse;
use crate::report::Scratch;
use crate::stand_in::{self, Claim};

/// Cgroup id to container and slot.
#[map]
pub static CGROUPS: HashMap<u64, Cgroup> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);
/// Mount namespace id to the container it belongs to.
#[map]
pub static MNTNS: HashMap<u64, u64> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);
/// How each slot is judged; written by the agent alone.
#[map]
pub static SLOT: Array<Slot> = Array::with_max_entries(SLOTS, 0);
/// What each slot used of its quota; written here alone.
#[map]
pub static USAGE: Array<Usage> = Array::with_max_entries(SLOTS, 0);
/// What each slot's allowlist covers, and what more must be looked at; and
/// written here, when something was last found in it.
#[map]
pub static ALLOW: HashMap<AllowKey, Allowed> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);
/// Files that were found in `ALLOW`.
#[map]
pub static FAST: LruHashMap<FastKey, u32> = LruHashMap::with_max_entries(16_384, 0);
/// What each CPU found in `FAST` last; written here alone.
#[map]
pub static NEAR: PerCpuArray<Near> = PerCpuArray::with_max_entries(near::PLACES, 0);
/// What more had to be looked at, and the agent found allowed; written by it
/// alone.
#[map]
pub static CLEARED: LruHashMap<ClearedKey, u32> = LruHashMap::with_max_entries(16_384, 0);
/// The first process of each container.
#[map]
pub static INIT: HashMap<u64, Init> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);
/// Every distinct exec that was not covered, with its count: the truth.
#[map]
pub static SEEN: HashMap<SeenKey, Seen> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);
/// How much of that was told of; written and read by the agents alone, and here
/// because it lasts as long.
#[map]
pub static TOLD: HashMap<SeenKey, Told> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);
/// Processes that left their container: by container and destination.
#[map]
pub static ESCAPES: HashMap<[u64; 2], Escape> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// Cgroups that came or went since the agent last looked.
#[map]
pub static NEWBORN: HashMap<u64, Newborn> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);
/// Those that are gone, for as long as something of them may still be told of;
/// written and read by the agents alone, as `TOLD` is.
#[map]
pub static GONE: HashMap<u64, Newborn> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);
/// The doorbell.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);
/// Counts per slot.
#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(SLOTS, 0);
/// What could not be done.
#[map]
pub static LOSSES: PerCpuArray<Losses> = PerCpuArray::with_max_entries(1, 0);
/// Room to build a record in, as the stack has 512 bytes: for the program, behind it
/// for the one that is asked before an exec, for the stand-in, and for the one that is
/// asked of a mapping, each of which may run while another is held up.
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(4, 0);
/// For which task (its ids) the program runs that is asked before an exec, and the one
/// that is asked of a mapping; else 0.
#[map]
pub static ASKED: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);
/// Who has judged which exec last, by process: only where a program can be
/// preempted.
#[map]
pub static CLAIMS: Array<Claim> = Array::with_max_entries(stand_in::PLACES, 0);
/// 1 while the stand-in runs on this CPU.
#[map]
pub static STANDING_IN: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);
/// Room for one `NEWBORN` entry.
#[map]
pub static SCRATCH_NEWBORN: PerCpuArray<Newborn> = PerCpuArray::with_max_entries(1, 0);

/// Where the running program builds its record.
#[inline(always)]
pub fn scratch() -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(refuse::place() | stand_in::place())
}

/// Adds one to a count that others write too.
#[inline(always)]
pub fn add_shared(place: *mut u64) {
    // SAFETY: a field of a map's value, aligned to 8. In assembler, because
    // the target has no compare-and-swap and so Rust gives it no atomics;
    // BPF_XADD is in every kernel.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) place, in(reg) 1u64);
    }
}

/// Counts a loss on this CPU.
macro_rules! lost {
    ($field:ident) => {
        if let Some(losses) = $crate::maps::LOSSES.get_ptr_mut(0) {
            // SAFETY: a value of an array, valid while the program runs.
            unsafe { $crate::maps::add_shared(&raw mut (*losses).$field) };
        }
    };
}
pub(crate) use lost;
