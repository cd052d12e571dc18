//! Stopping an exec, before the first instruction of what it runs.
//!
//! At the tracepoint the old program is gone, so nothing can be refused any more:
//! the process dies. SIGKILL, sent to a task from within its own exec, is acted on
//! before the task returns to user space. Where the kernel asks before ([`refuse`]),
//! that answers for itself, and nothing has to be sent.

use crate::detail;
use crate::kernel::{in_memory, layout, peek_or_zero};
use crate::maps::{CGROUPS, COUNTERS, SLOT, add_shared, lost, scratch};
use crate::origin;
use crate::refuse;
use crate::report::Scratch;
use crate::task;
use agent_common::wire::{cleared, flag, layer, stop};
use aya_ebpf::helpers::generated::bpf_send_signal;

const SIGKILL: u32 = 9;

/// Stops the exec at hand, which the allowlist does not cover for all that the
/// kernel knows, if its slot stops such: says so in the record and its key, and
/// counts it. `is_named`: an entry names it, and the agent may find that it is
/// covered.
///
/// A function of its own to the verifier, like the walk; what it needs it looks up
/// again, since the program has no stack to keep it on.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_stop(container: u64, is_named: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &mut *scratch };
    let stops = stops(scratch);
    if execwarden_lets_through(container) != 0 {
        return 0;
    }
    let may_be_allowed = is_in_place(scratch) && (is_named != 0 || may_match(scratch, stops));
    if may_be_allowed && stops & stop::UNVERIFIED == 0 && !is_refused(scratch) {
        return 0;
    }
    let mut how = flag::BLOCKED;
    if refuse::is_asked() {
        how |= flag::REFUSED;
    // SAFETY: any number of a signal may be asked for.
    } else if unsafe { bpf_send_signal(SIGKILL) } != 0 {
        lost!(not_stopped);
        return 0;
    }
    scratch.record.facts.flags |= how;
    scratch.record.key.circumstances |= how;
    if let Some(counters) = COUNTERS.get_ptr_mut(scratch.fast.slot) {
        // SAFETY: this CPU's own value, valid while the program runs.
        unsafe { add_shared(&raw mut (*counters).blocked) };
    }
    1
}

/// Not 0 if nothing is stopped in the slot, or nothing of the container, or it is
/// the runtime's hand.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_lets_through(container: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 1;
    };
    // SAFETY: as above.
    let scratch = unsafe { &*scratch };
    let stops = stops(scratch);
    (stops & stop::UNLISTED == 0
        || is_spared(container)
        || is_let_through(scratch, stops, container)) as u64
}

/// What is stopped in the slot: see [`stop`].
#[inline(always)]
fn stops(scratch: &Scratch) -> u32 {
    match SLOT.get_ptr(scratch.fast.slot) {
        // SAFETY: a value of an array, valid while the program runs.
        Some(state) => unsafe { (*state).stops },
        None => 0,
    }
}

/// What the runtime has its hand on: its own stages always, so that containers
/// can start; and if the slot says so, what it puts in without a terminal. The
/// container's first process is not put in.
#[inline(always)]
fn is_let_through(scratch: &Scratch, stops: u32, container: u64) -> bool {
    let task = task::current();
    if !origin::is_from_outside(task, container) {
        return false;
    }
    let flags = in_memory(&scratch.record.facts.flags);
    if flags & flag::ESCAPED != 0 {
        return false;
    }
    if flags & flag::OUTER_MNTNS != 0 {
        return true;
    }
    let signal = peek_or_zero(task, layout!(task_signal));
    stops & stop::BUT_PROBES != 0
        && peek_or_zero(signal, layout!(signal_tty)) == 0
        && !origin::is_first(task, container)
}

/// Whether nothing of the container is stopped, whatever the slot says.
#[inline(always)]
fn is_spared(container: u64) -> bool {
    match CGROUPS.get_ptr(&container) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(entry) => unsafe { (*entry).spared != 0 },
        None => false,
    }
}

/// Whether it is known where it stands, and an entry could allow it there.
#[inline(always)]
fn is_in_place(scratch: &Scratch) -> bool {
    let flags = in_memory(&scratch.record.facts.flags);
    let of_host = in_memory(&scratch.record.key.layer) & 0xff == layer::HOST;
    flags & (flag::ERROR | flag::ESCAPED | flag::OUTSIDE_CWD) == 0
        && (of_host || flags & (flag::OUTSIDE_FILE | flag::HOST_MNTNS) == 0)
}

/// Whether an entry that only the agent can compare may cover it, for all that its
/// layer says: the script's where it is one.
#[inline(always)]
fn may_match(scratch: &Scratch, stops: u32) -> bool {
    let is_script = in_memory(&scratch.record.facts.flags) & flag::SCRIPT != 0;
    let layers = in_memory(&scratch.record.key.layer);
    let own = if is_script { layers >> 8 } else { layers };
    (stops >> stop::LAYERS) >> (own & 7) & 1 != 0
}

/// Whether the agent looked at this very combination and found it not allowed.
#[inline(always)]
fn is_refused(scratch: &mut Scratch) -> bool {
    let (slot, generation) = (scratch.fast.slot, scratch.fast.slot_generation);
    detail::cleared(scratch, slot, generation) == cleared::NO
}
