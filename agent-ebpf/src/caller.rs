//! The arguments of an exec that may still be refused, from where its caller has
//! them: the kernel keeps its copy where nobody can read it yet.
//!
//! Whoever shares the caller's memory may have changed them after the kernel took
//! its copy. They are evidence of what did not run, and decide nothing.

use crate::kernel::{Typed, copy_str_of_user, in_memory, layout, load, machines, within};
use crate::maps::scratch;
use agent_common::layout::ABSENT;
use agent_common::wire::{ARGS_MAX, flag};
use aya_ebpf::helpers::generated::{
    bpf_get_current_task_btf, bpf_probe_read_user, bpf_task_pt_regs,
};

/// The most that is looked at.
const COUNT: usize = 128;

/// How a system call has them: how wide an address is, and where they begin.
struct Call {
    width: u64,
    arguments: u64,
}

/// The calls that execute, by their numbers: x86-64, then its 32-bit and x32 ways.
#[inline(always)]
fn call() -> Option<Call> {
    const EXECVE: u64 = 59;
    const EXECVEAT: u64 = 322;
    const EXECVE_OF_32: u64 = 11;
    const EXECVEAT_OF_32: u64 = 358;
    const EXECVE_OF_X32: u64 = (1 << 30) | 520;
    const EXECVEAT_OF_X32: u64 = (1 << 30) | 545;

    if machines() == 0 || layout!(regs_call) as u32 == ABSENT {
        return None;
    }
    // SAFETY: no arguments, always available; it takes what the other gives.
    let registers = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as Typed;
    let second: u64 = load(registers, layout!(regs_second));
    let third: u64 = load(registers, layout!(regs_third));
    let (width, arguments) = match load::<u64>(registers, layout!(regs_call)) {
        EXECVE => (8, second),
        EXECVEAT => (8, third),
        EXECVE_OF_X32 => (4, second),
        EXECVEAT_OF_X32 => (4, third),
        EXECVE_OF_32 => (4, load(registers, layout!(regs_second_of_32))),
        EXECVEAT_OF_32 => (4, third),
        _ => return None,
    };
    Some(Call { width, arguments })
}

/// Takes the arguments into `scratch.args`, as the new program would have them.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_callers_arguments() -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &mut *scratch };
    let facts = &mut scratch.record.facts;
    facts.args_total = 0;
    facts.args_len = 0;
    facts.flags |= flag::ARGS_UNREAD;
    let Some(Call { width, arguments }) = call() else {
        return 0;
    };
    scratch.search.at = 0;
    for i in 0..COUNT {
        let at = in_memory(&scratch.search.at);
        if at >= ARGS_MAX as u64 {
            break;
        }
        let mut address = 0u64;
        let from = arguments.wrapping_add(i as u64 * width) as *const _;
        // SAFETY: 8 bytes of room at least; the helper checks the source.
        let read = unsafe { bpf_probe_read_user((&raw mut address).cast(), width as u32, from) };
        if read != 0 {
            return 0;
        }
        if address == 0 {
            facts.args_total = at as u32;
            facts.args_len = at as u32;
            facts.flags &= !flag::ARGS_UNREAD;
            return 0;
        }
        let to: *mut u8 = scratch.args.as_mut_ptr().cast();
        // SAFETY: masked to the first half of the room.
        let to = unsafe { to.add(within(at as u32, ARGS_MAX as u32) as usize) };
        let len = copy_str_of_user(to, ARGS_MAX as u32, address);
        if len == 0 {
            return 0;
        }
        scratch.search.at = at + len as u64;
    }
    // There are more; how many is not asked.
    let kept = in_memory(&scratch.search.at) as u32;
    facts.args_len = if kept < ARGS_MAX as u32 {
        kept
    } else {
        ARGS_MAX as u32 - 1
    };
    facts.args_total = facts.args_len + 1;
    facts.flags &= !flag::ARGS_UNREAD;
    0
}
