//! The decision, once per exec: ignored, known, or something to report.
//!
//! At once: what this CPU has just found allowed ([`crate::near`]). Fast: cgroup
//! → slot → file key → known, with no helper but the look-ups. What that does
//! not know goes the slow way ([`crate::sight`]).

use crate::applet;
use crate::container;
use crate::flags::Flags;
use crate::identity::File;
use crate::kernel::{Typed, layout, load, peek_or_zero};
use crate::maps::{COUNTERS, FAST, SCRATCH, SLOT};
use crate::near;
use crate::script;
use crate::sight::Sight;
use crate::task;
use agent_common::wire::{Counters, FastKey, SLOT_HOST, fast, flag, mode};

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
    let namespace = task::namespace(task);
    let is_program = is_program(bprm);
    // Outside containers nothing is near: the host's execs need not ask.
    let may_be_near = is_program && !task::is_hosts(namespace);
    if may_be_near && let Some(slot) = near_slot(task, bprm, namespace) {
        return count(slot, Verdict::Known);
    }

    let mut judged = container::of_cgroup(task::cgroup());
    container::check_namespace(task, namespace, &mut judged);
    let rules = rules_of(judged.slot);
    if rules.mode == mode::OFF {
        return count(judged.slot, Verdict::Ignored);
    }

    let file = File::of(bprm);
    container::check_directory(task, file.vfsmount, &mut judged);
    let place = judged.flags & (flag::ESCAPED | flag::OUTSIDE_CWD | flag::HOST_MNTNS);
    let trusted = place == 0 && !file.is_nameless();
    let fast = file.fast_key(judged.slot, rules.generation);
    let mut by_name = false;
    if is_program && trusted {
        match look_up(&fast) {
            fast::YES => {
                if may_be_near && judged.flags == 0 && judged.mntns == namespace as u64 {
                    let key = near::Key::of(task, namespace, &file);
                    key.remember(judged.slot, rules.generation);
                }
                return count(judged.slot, Verdict::Known);
            }
            found => by_name = found == fast::BY_NAME,
        }
    }

    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return count(judged.slot, Verdict::Error);
    };
    // SAFETY: this CPU's own value, valid while the program runs, and the
    // program is not preempted by itself.
    let scratch = unsafe { &mut *scratch };
    let flags = Flags::starting_with(scratch, judged.flags);
    scratch.fast = fast;
    if !is_program {
        scratch.fast.name_hash = script::find(bprm, scratch, flags);
    } else if by_name {
        scratch.fast.name_hash = applet::name_hash(scratch);
    }
    if scratch.fast.name_hash != 0 && trusted && look_up(&scratch.fast) == fast::YES {
        return count(judged.slot, Verdict::Known);
    }
    let sight = Sight {
        file: &file,
        address: peek_or_zero(bprm as u64, layout!(bprm_file)),
        filename: peek_or_zero(bprm as u64, layout!(bprm_filename)),
        is_script: !is_program,
        rules,
    };
    let verdict = sight.judge(scratch, &mut judged, flags);
    count(judged.slot, verdict)
}

/// Whether the file that runs is the one that was asked for, and no script's
/// interpreter.
#[inline(always)]
fn is_program(bprm: Typed) -> bool {
    let name: u64 = load(bprm, layout!(bprm_filename));
    let interpreter: u64 = load(bprm, layout!(bprm_interp));
    name == interpreter
}

/// The slot of a container that is known to allow this, as far as this CPU
/// remembers. What it does not remember of an exec is looked at: the working
/// directory, and whether the file still has a name.
#[inline(always)]
fn near_slot(task: Typed, bprm: Typed, namespace: Typed) -> Option<u32> {
    let file = File::of(bprm);
    if task::directory_mount(task) as u64 != file.vfsmount as u64 || file.is_nameless() {
        return None;
    }
    near::Key::of(task, namespace, &file).slot()
}

/// What the fast path knows of a file; 0 for nothing.
#[inline(always)]
fn look_up(key: &FastKey) -> u32 {
    match FAST.get_ptr(key) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(value) => unsafe { *value },
        None => 0,
    }
}

/// How a slot is judged, as far as one exec needs it.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`mode`].
    pub mode: u32,
    /// A part of the fast key.
    pub generation: u32,
    /// What tells two execs of a file apart that is not allowed.
    pub detail: u32,
}

/// One that cannot be read has nothing allowed.
#[inline(always)]
fn rules_of(slot: u32) -> Rules {
    match SLOT.get_ptr(slot) {
        // SAFETY: a value of an array, valid while the program runs.
        Some(state) => unsafe {
            Rules {
                mode: (*state).mode,
                generation: (*state).generation,
                detail: (*state).detail,
            }
        },
        None => Rules {
            mode: mode::ENFORCE,
            generation: 0,
            detail: 0,
        },
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
