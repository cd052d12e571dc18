//! The decision, once per exec: ignored, known, or something to report.
//!
//! Fast: cgroup → slot → file key → known, with no helper but the look-ups.
//! What that does not know goes the slow way ([`crate::sight`]).

use crate::container;
use crate::flags::Flags;
use crate::identity::File;
use crate::kernel::{Typed, layout, load};
use crate::maps::{COUNTERS, FAST, SCRATCH, SLOT};
use crate::script;
use crate::sight::first_sight;
use crate::task;
use agent_common::wire::{Counters, SLOT_HOST, flag, mode};

/// Which of [`Counters`] an exec goes into.
#[derive(Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Covered by the allowlist.
    Known,
    /// New, in learn mode.
    Learning,
    /// New, in enforce mode or while pending.
    Deviating,
    /// Nothing is asked of it.
    Ignored,
    /// It could not be identified in full; treated as deviating.
    Error,
}

/// Judges one exec and counts it exactly once.
#[inline(always)]
pub fn judge(task: Typed, bprm: Typed) -> Verdict {
    let (cgroup_id, cgroup) = task::cgroup(task);
    let mut judged = container::of_cgroup(cgroup_id, cgroup as u64);
    container::check_namespace(task, &mut judged);
    let (slot_mode, generation) = slot_mode(judged.slot);
    if slot_mode == mode::OFF {
        return count(judged.slot, Verdict::Ignored);
    }

    let file = File::of(bprm);
    let name: u64 = load(bprm, layout!(bprm_filename));
    let interpreter: u64 = load(bprm, layout!(bprm_interp));
    let is_program = name == interpreter;
    let escaped = judged.flags & flag::ESCAPED != 0;
    if is_program && !escaped && !file.is_nameless() {
        let fast = file.fast_key(judged.slot, generation, 0);
        if FAST.get_ptr(&fast).is_some() {
            return count(judged.slot, Verdict::Known);
        }
    }

    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return count(judged.slot, Verdict::Error);
    };
    // SAFETY: this CPU's own value, valid while the program runs, and the
    // program is not preempted by itself.
    let scratch = unsafe { &mut *scratch };
    let flags = Flags::starting_with(scratch, judged.flags);
    scratch.record.facts.script_len = 0;
    let mut script_hash = 0;
    if !is_program {
        script_hash = script::name_hash(task, name, scratch, flags);
    }
    let fast = file.fast_key(judged.slot, generation, script_hash);
    if !is_program
        && !flags.has(flag::ESCAPED | flag::ERROR)
        && !file.is_nameless()
        && FAST.get_ptr(&fast).is_some()
    {
        return count(judged.slot, Verdict::Known);
    }
    let verdict = first_sight(task, &file, scratch, &mut judged, &fast, slot_mode, flags);
    count(judged.slot, verdict)
}

#[inline(always)]
fn slot_mode(slot: u32) -> (u32, u32) {
    match SLOT.get_ptr(slot) {
        // SAFETY: a value of an array, valid while the program runs.
        Some(state) => unsafe { ((*state).mode, (*state).generation) },
        None => (mode::ENFORCE, 0),
    }
}

#[inline(always)]
fn count(slot: u32, verdict: Verdict) -> Verdict {
    let counters = match COUNTERS.get_ptr_mut(slot) {
        Some(counters) => counters,
        None => match COUNTERS.get_ptr_mut(SLOT_HOST) {
            Some(counters) => counters,
            None => return verdict,
        },
    };
    // SAFETY: this CPU's own value, and the program is not preempted by
    // itself.
    let counters: &mut Counters = unsafe { &mut *counters };
    counters.seen += 1;
    match verdict {
        Verdict::Known => counters.known += 1,
        Verdict::Learning => counters.learning += 1,
        Verdict::Deviating => counters.deviating += 1,
        Verdict::Ignored => counters.ignored += 1,
        Verdict::Error => counters.errors += 1,
    }
    verdict
}
