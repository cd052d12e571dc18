//! Refusing an exec, where the kernel has BPF LSM active: its caller gets EPERM, and
//! goes on.
//!
//! `bprm_check_security` asks before the point of no return: the file is open, and
//! the caller is what it was. What it will be named is not known there for certain, as
//! the new program's arguments lie in memory that nobody has yet; nor who it will
//! be. So only that is refused which may run under no name and no condition, in a
//! mount namespace that is known as the container's. All else goes on to the
//! tracepoint, where the whole of it is judged, and dies there if it is to be stopped.

use crate::container::{self, Judged};
use crate::exec::{Verdict, count_by, look_up, rules_of};
use crate::flags::Flags;
use crate::hook::{Binprm, Hook as _};
use crate::identity::File;
use crate::kernel::{all_ones_if_zero, layout, machines, peek_or_zero};
use crate::maps::{ASKED, SLOT, add_shared, scratch};
use crate::script;
use crate::sight::Sight;
use crate::stop::execwarden_lets_through;
use crate::task;
use agent_common::wire::{SLOT_HOST, fast, flag, stop};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;

/// EPERM of errno.h.
const EPERM: i32 = 1;

/// What the kernel is answered, by the verdict of what is refused: 0, or an error.
#[inline(always)]
pub fn answer(refused: Option<Verdict>) -> i32 {
    match refused {
        Some(_) => -EPERM,
        None => 0,
    }
}

/// Whose the running task is, where this is stopped (see [`stop`]), and the task in a
/// mount namespace that is known as the container's.
#[inline(always)]
pub fn judged_where(stopped: u32) -> Option<Judged> {
    if !stops(SLOT_HOST, stop::ELSEWHERE) {
        return None;
    }
    let namespace = task::namespace(task::current_typed());
    let judged = container::of_cgroup(task::cgroup());
    (stops(judged.slot, stopped) && container::is_at_home(namespace, &judged)).then_some(judged)
}

/// Judges an exec that may still be refused. If it is, it is counted, as it comes
/// to no tracepoint.
#[inline(always)]
pub fn exec(hook: Binprm) -> Option<Verdict> {
    let mut judged = judged_where(stop::UNLISTED)?;
    if !is_last(hook) {
        return None;
    }
    let rules = rules_of(judged.slot);
    if rules.detail != 0 {
        return None;
    }
    let file = File::of(hook.file()?);
    container::check_directory(task::current_typed(), file.vfsmount, &mut judged);
    let is_program = hook.is_program();
    let fast = file.fast_key(judged.slot, rules.generation);
    // The kernel side has found it allowed, under some name at least.
    if is_program && judged.flags == 0 && look_up(&fast) != 0 {
        return None;
    }
    asked(Asked::Exec, || {
        // SAFETY: this CPU's own value, and no other program has this part of it.
        let scratch = unsafe { &mut *scratch()? };
        let flags = Flags::starting_with(scratch, judged.flags);
        scratch.fast = fast;
        if execwarden_lets_through(judged.container_id) != 0 {
            return None;
        }
        if !is_program {
            scratch.fast.name_hash = script::find(hook, scratch, flags);
            // One that is handed over open has no descriptor yet.
            if flags.has(flag::ERROR) {
                return None;
            }
            if judged.flags == 0 && look_up(&scratch.fast) == fast::YES {
                return None;
            }
        }
        let sight = Sight {
            file: &file,
            address: hook.address(),
            filename: hook.filename(),
            is_script: !is_program,
            rules,
        };
        let verdict = sight.refuse(scratch, &mut judged, flags)?;
        // The program at the tracepoint may come in between.
        Some(count_by(judged.slot, verdict, add_shared))
    })
}

/// Whether this is stopped in a slot: see [`stop`].
#[inline(always)]
fn stops(slot: u32, what: u32) -> bool {
    match SLOT.get_ptr(slot) {
        // SAFETY: a value of an array, valid while the program runs.
        Some(state) => unsafe { (*state).stops & what != 0 },
        None => false,
    }
}

/// The first bytes of an ELF file.
const ELF: u64 = 0x464c_457f;
/// Where it says for which machine it is.
const E_MACHINE: usize = 18;

/// Whether the kernel will run this file itself: for a script, and what another
/// registered format takes, it asks again, of the interpreter.
#[inline(always)]
fn is_last(hook: Binprm) -> bool {
    let begins = hook.0 as u64 + layout!(bprm_buf) as u64;
    if peek_or_zero(begins, 0) as u32 as u64 != ELF {
        return false;
    }
    let machine = peek_or_zero(begins, E_MACHINE) & 0xffff;
    machine == machines() & 0xffff || machine == machines() >> 16
}

/// Of what the kernel asks, each by a program of its own.
#[derive(Clone, Copy)]
pub enum Asked {
    /// An exec.
    Exec,
    /// A mapping.
    Library,
}

/// Runs the work of a program that is asked. It may be held up in it, and others come
/// in between on the same CPU; so it has its own room to build in, which it is found
/// in by its task.
#[inline(always)]
pub fn asked<T>(of: Asked, work: impl FnOnce() -> Option<T>) -> Option<T> {
    let asked = ASKED.get_ptr_mut(0)?;
    // SAFETY: this CPU's own value; the kernel runs such a program for one task at a
    // time on a CPU.
    unsafe {
        let asked = &raw mut (*asked)[of as usize];
        asked.write_volatile(bpf_get_current_pid_tgid());
        let result = work();
        asked.write_volatile(0);
        result
    }
}

/// Whether it is a program which the kernel asks that runs.
#[inline(always)]
pub fn is_asked() -> bool {
    place() != 0
}

/// Whether it is the one that is asked before an exec.
#[inline(always)]
pub fn is_asked_of_exec() -> bool {
    place() == 1
}

/// The place of its room, without a jump: 1 before an exec, 3 of a mapping, else 0.
#[inline(always)]
pub fn place() -> u32 {
    if machines() == 0 {
        return 0;
    }
    match ASKED.get_ptr(0) {
        // SAFETY: this CPU's own value.
        Some(asked) => {
            let [exec, library] = unsafe { asked.read_volatile() };
            let task = bpf_get_current_pid_tgid();
            let is_exec = all_ones_if_zero(exec ^ task);
            let is_library = all_ones_if_zero(library ^ task);
            ((is_exec & 1) | (is_library & 3)) as u32
        }
        None => 0,
    }
}
