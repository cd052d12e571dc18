//! The decision, once per exec: ignored, known, or something to report.
//!
//! At once: what this CPU has just found allowed ([`crate::near`]). Fast: cgroup
//! → slot → file key → known, with no helper but the look-ups. What that does
//! not know goes the slow way ([`crate::sight`]).

use crate::applet;
use crate::container;
use crate::flags::Flags;
use crate::hook::Hook;
use crate::identity::File;
use crate::kernel::{Typed, is_preemptible};
use crate::maps::{COUNTERS, FAST, SLOT, add_shared, scratch};
use crate::near;
use crate::script;
use crate::sight::Sight;
use crate::task;
use agent_common::wire::{FastKey, SLOT_HOST, fast, flag, mode};

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
pub fn judge<H: Hook>(task: Typed, hook: H) -> Verdict {
    let namespace = task::namespace(task);
    let is_program = hook.is_program();
    // Outside containers nothing is near: the host's execs need not ask.
    let may_be_near = H::HAS_NEAR && is_program && !task::is_hosts(namespace);
    if may_be_near && let Some(slot) = near_slot(task, hook, namespace) {
        return count(slot, Verdict::Known);
    }

    let mut judged = container::of_cgroup(task::cgroup());
    container::check_namespace(task, namespace, &mut judged);
    let rules = rules_of(judged.slot);
    if rules.mode == mode::OFF {
        return count(judged.slot, Verdict::Ignored);
    }

    let Some(file) = hook.file() else {
        return count(judged.slot, Verdict::Error);
    };
    let file = File::of(file);
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

    let Some(scratch) = scratch() else {
        return count(judged.slot, Verdict::Error);
    };
    // SAFETY: this CPU's own value, valid while the program runs, and the
    // program is not preempted by itself.
    let scratch = unsafe { &mut *scratch };
    let flags = Flags::starting_with(scratch, judged.flags);
    scratch.fast = fast;
    if !is_program {
        scratch.fast.name_hash = script::find(hook, scratch, flags);
    } else if by_name {
        scratch.fast.name_hash = applet::name_hash(scratch);
    }
    if scratch.fast.name_hash != 0 && trusted && look_up(&scratch.fast) == fast::YES {
        return count(judged.slot, Verdict::Known);
    }
    let sight = Sight {
        file: &file,
        address: hook.address(),
        filename: hook.filename(),
        is_script: !is_program,
        rules,
    };
    let verdict = sight.judge(scratch, &mut judged, flags);
    count(judged.slot, verdict)
}

/// The slot of a container that is known to allow this, as far as this CPU
/// remembers. What it does not remember of an exec is looked at: the working
/// directory, and whether the file still has a name.
#[inline(always)]
fn near_slot(task: Typed, hook: impl Hook, namespace: Typed) -> Option<u32> {
    let file = File::of(hook.file()?);
    if task::directory_mount(task) as u64 != file.vfsmount as u64 || file.is_nameless() {
        return None;
    }
    near::Key::of(task, namespace, &file).slot()
}

/// What the fast path knows of a file; 0 for nothing.
#[inline(always)]
pub fn look_up(key: &FastKey) -> u32 {
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
pub fn rules_of(slot: u32) -> Rules {
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
    count_by(slot, verdict, |count| {
        // SAFETY: a field of a map's value.
        unsafe { add(count) }
    })
}

/// Counts one exec, by this way to add one to a count.
#[inline(always)]
pub fn count_by(slot: u32, verdict: Verdict, add: impl Fn(*mut u64)) -> Verdict {
    let counters = match COUNTERS.get_ptr_mut(slot) {
        Some(counters) => counters,
        None => match COUNTERS.get_ptr_mut(SLOT_HOST) {
            Some(counters) => counters,
            None => return verdict,
        },
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    unsafe {
        add(&raw mut (*counters).seen);
        add(match verdict {
            Verdict::Known => &raw mut (*counters).known,
            Verdict::Learning => &raw mut (*counters).learning,
            Verdict::Deviating => &raw mut (*counters).deviating,
            Verdict::Ignored => &raw mut (*counters).ignored,
            Verdict::Error => &raw mut (*counters).errors,
        });
    }
    verdict
}

/// Adds one to this CPU's count, in one step where the stand-in may come in
/// between.
///
/// # Safety
///
/// `count` is a field of a map's value.
#[inline(always)]
unsafe fn add(count: *mut u64) {
    if is_preemptible() {
        add_shared(count);
    } else {
        // SAFETY: by the caller; no other program is between these two.
        unsafe { *count += 1 };
    }
}
