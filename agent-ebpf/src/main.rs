//! The programs in the kernel: one on every exec, with a stand-in, one before it, one
//! before a file is mapped, and three on the life of cgroups.
//!
//! Every exec comes through a [`gate`] to `exec`, which decides (see
//! [`mod@exec`]): which workload, is it known, and if not, put it into the map
//! of what was seen and ring the bell. The cgroup programs keep the map of
//! cgroups true, so that an exec finds its workload with one look-up. Every offset comes from [`kernel::layout`], filled in by the agent
//! from this kernel's BTF; identity never comes from syscall arguments.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![deny(unsafe_op_in_unsafe_fn)]

mod applet;
mod caller;
mod cgroup;
mod container;
mod detail;
mod exec;
mod flags;
mod gate;
mod hook;
mod identity;
mod kernel;
mod layer;
mod library;
mod maps;
mod near;
mod origin;
mod path;
mod refuse;
mod report;
mod script;
mod sight;
mod stand_in;
mod stop;
mod tail;
mod task;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{btf_tracepoint, lsm, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, LsmContext, TracePointContext};
use hook::{Binprm, Written};

/// Once per successful exec, after the point of no return and before the first
/// instruction of the new program. See [`gate`].
#[btf_tracepoint(function = "sched_process_exec")]
pub fn execwarden_gate(ctx: BtfTracePointContext) -> i32 {
    gate::enter(&ctx, &gate::EXEC);
    0
}

/// The same event, where the program before may be held up: see [`stand_in`].
#[tracepoint(category = "sched", name = "sched_process_exec")]
pub fn execwarden_spare_gate(ctx: TracePointContext) -> u32 {
    gate::enter(&ctx, &gate::STAND_IN);
    0
}

/// What the gate leads to. Arguments: task, old pid, `linux_binprm`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn execwarden_exec(ctx: BtfTracePointContext) -> i32 {
    let task = ctx.arg(0);
    if stand_in::claim(task) {
        let verdict = exec::judge(task, Binprm(ctx.arg(2)));
        log_failure(&ctx, verdict);
    }
    0
}

/// The same of the spare gate.
#[tracepoint(category = "sched", name = "sched_process_exec")]
pub fn execwarden_stand_in(ctx: TracePointContext) -> u32 {
    stand_in::at_work(|| {
        let task = task::current_typed();
        if stand_in::claim(task) {
            let event = ctx.as_ptr().cast_const().cast();
            let verdict = exec::judge(task, Written { event, task });
            log_failure(&ctx, verdict);
        }
    });
    0
}

/// Before an exec, of each file in it. Arguments: `linux_binprm`. See [`refuse`].
#[lsm(hook = "bprm_check_security")]
pub fn execwarden_refuse(ctx: LsmContext) -> i32 {
    refuse::answer(refuse::exec(Binprm(ctx.arg(0))))
}

/// Before a file is mapped. Arguments: file, the protection that was asked for, and the
/// one that it will have, flags. See [`library`].
#[lsm(hook = "mmap_file")]
pub fn execwarden_library(ctx: LsmContext) -> i32 {
    refuse::answer(library::mapping(ctx.arg(0), ctx.arg(2)))
}

/// A cgroup was made. Arguments: cgroup, its path.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn execwarden_mkdir(ctx: BtfTracePointContext) -> i32 {
    cgroup::made(ctx.arg(0), ctx.arg(1));
    0
}

/// A cgroup was removed. Arguments: cgroup, its path.
#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn execwarden_rmdir(ctx: BtfTracePointContext) -> i32 {
    cgroup::removed(ctx.arg(0), ctx.arg(1));
    0
}

/// A task was moved. Arguments: destination, its path, task, whole group.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn execwarden_attach(ctx: BtfTracePointContext) -> i32 {
    cgroup::attached(ctx.arg(0), ctx.arg(2));
    0
}

/// Says in the agent's log, in a debug build, that an exec could not be
/// identified.
#[cfg(feature = "log")]
#[inline(always)]
fn log_failure(ctx: &impl EbpfContext, verdict: exec::Verdict) {
    if verdict == exec::Verdict::Error {
        let pid = aya_ebpf::helpers::bpf_get_current_pid_tgid() >> 32;
        aya_log_ebpf::warn!(
            ctx,
            "the exec of pid {} could not be identified in full",
            pid
        );
    }
}

#[cfg(not(feature = "log"))]
#[inline(always)]
fn log_failure(_ctx: &impl EbpfContext, _verdict: exec::Verdict) {}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
