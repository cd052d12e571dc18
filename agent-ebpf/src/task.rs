//! What is read of a task: its cgroup, its mount namespace, its evidence.

use crate::kernel::{Typed, copy, host_mntns, layout, load, peek, peek_or_zero};
use crate::maps::scratch;
use agent_common::layout::ABSENT;
use agent_common::wire::flag;
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_task, bpf_get_current_task_btf,
};

/// The id of the running task's cgroup in the v2 hierarchy.
#[inline(always)]
pub fn cgroup() -> u64 {
    // SAFETY: no arguments, always available.
    unsafe { bpf_get_current_cgroup_id() }
}

/// The serial number of a task's cgroup in the v2 hierarchy: it takes two
/// structs fewer than the id, and like that is never used again.
#[inline(always)]
pub fn cgroup_serial(task: Typed) -> u64 {
    let css_set: Typed = load(task, layout!(task_cgroups));
    let cgroup: Typed = load(css_set, layout!(css_set_cgroup));
    load(cgroup, layout!(cgroup_serial))
}

/// The id of a cgroup.
#[inline(always)]
pub fn cgroup_id(cgroup: Typed) -> u64 {
    let node: Typed = load(cgroup, layout!(cgroup_kn));
    load(node, layout!(kn_id))
}

/// The id of a task's cgroup, through a plain address.
#[inline(always)]
pub fn peek_cgroup(task: u64) -> Option<(u64, u64)> {
    let css_set: u64 = peek(task, layout!(task_cgroups))?;
    let cgroup: u64 = peek(css_set, layout!(css_set_cgroup))?;
    Some((peek_cgroup_id(cgroup)?, cgroup))
}

/// The running task, as a plain address: what a function of its own to the
/// verifier takes.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: no arguments, always available.
    unsafe { bpf_get_current_task() }
}

/// The running task, as the verifier knows it; since Linux 5.11.
#[inline(always)]
pub fn current_typed() -> Typed {
    // SAFETY: no arguments, always available.
    unsafe { bpf_get_current_task_btf().cast() }
}

/// The address of a task's mount namespace.
#[inline(always)]
pub fn peek_namespace(task: u64) -> u64 {
    let nsproxy = peek_or_zero(task, layout!(task_nsproxy));
    peek_or_zero(nsproxy, layout!(nsproxy_mnt))
}

/// The id of a cgroup, through a plain address.
#[inline(always)]
pub fn peek_cgroup_id(cgroup: u64) -> Option<u64> {
    let node: u64 = peek(cgroup, layout!(cgroup_kn))?;
    peek(node, layout!(kn_id))
}

/// The parent of a cgroup; 0 above the root.
#[inline(always)]
pub fn peek_cgroup_parent(cgroup: u64) -> Option<u64> {
    let css: u64 = peek(cgroup, layout!(cgroup_parent))?;
    if css == 0 {
        return Some(0);
    }
    Some(css.wrapping_sub(layout!(cgroup_self) as u64))
}

/// The task's mount namespace.
#[inline(always)]
pub fn namespace(task: Typed) -> Typed {
    let nsproxy: Typed = load(task, layout!(task_nsproxy));
    load(nsproxy, layout!(nsproxy_mnt))
}

/// The id of the task's mount namespace, which is never used again.
#[inline(always)]
pub fn mount_namespace_id(task: Typed) -> u64 {
    load(namespace(task), layout!(mntns_id))
}

/// Whether a mount namespace is the host's.
#[inline(always)]
pub fn is_hosts(namespace: Typed) -> bool {
    let inum: u32 = load(namespace, layout!(mntns_inum));
    inum == host_mntns()
}

/// The mount that the task's working directory is on.
#[inline(always)]
pub fn directory_mount(task: Typed) -> Typed {
    let fs: Typed = load(task, layout!(task_fs));
    load(fs, layout!(fs_pwd_mnt))
}

/// Fills in who ran: process, parent, users, names, terminal.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_evidence(task: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let facts = unsafe { &mut (*scratch).record.facts };
    facts.pid = peek_or_zero(task, layout!(task_tgid)) as u32;
    facts.start_ns = peek_or_zero(task, layout!(task_start));

    let cred = peek_or_zero(task, layout!(task_cred));
    facts.uid = peek_or_zero(cred, layout!(cred_uid)) as u32;
    facts.euid = peek_or_zero(cred, layout!(cred_euid)) as u32;
    facts.capabilities = peek_or_zero(cred, layout!(cred_capabilities));
    facts.loginuid = NOBODY;
    if layout!(task_loginuid) as u32 != ABSENT {
        facts.loginuid = peek_or_zero(task, layout!(task_loginuid)) as u32;
    }

    let signal = peek_or_zero(task, layout!(task_signal));
    if peek_or_zero(signal, layout!(signal_tty)) != 0 {
        facts.flags |= flag::TTY;
    }

    // One number for each pid namespace from the initial one down.
    let number = peek_or_zero(task, layout!(task_thread_pid));
    let level = peek_or_zero(number, layout!(pid_level)) & 31;
    let upid = layout!(upid_ns) as u64 + 8;
    let own = number.wrapping_add(level * upid);
    facts.ns_pid = peek_or_zero(own, layout!(pid_numbers)) as u32;

    let parent = peek_or_zero(task, layout!(task_real_parent));
    facts.ppid = peek_or_zero(parent, layout!(task_tgid)) as u32;
    let parents = peek_or_zero(parent, layout!(task_cred));
    facts.gained = facts.capabilities & !peek_or_zero(parents, layout!(cred_capabilities));
    let comm = layout!(task_comm) as u64;
    copy(facts.comm.as_mut_ptr(), 16, task.wrapping_add(comm));
    copy(
        facts.parent_comm.as_mut_ptr(),
        16,
        parent.wrapping_add(comm),
    );
    0
}

/// The login user of those whom nobody logged in.
const NOBODY: u32 = u32::MAX;
