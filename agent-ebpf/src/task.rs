//! What is read of a task: its cgroup, its mount namespace, its evidence.

use crate::kernel::{Typed, copy, layout, load, peek};
use agent_common::wire::{Facts, flag};

/// The id of the task's cgroup in the v2 hierarchy, and that cgroup.
#[inline(always)]
pub fn cgroup(task: Typed) -> (u64, Typed) {
    let css_set: Typed = load(task, layout!(task_cgroups));
    let cgroup: Typed = load(css_set, layout!(css_set_cgroup));
    (cgroup_id(cgroup), cgroup)
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

/// The id of the task's mount namespace, which is never used again.
#[inline(always)]
pub fn mount_namespace_id(task: Typed) -> u64 {
    let nsproxy: Typed = load(task, layout!(task_nsproxy));
    let namespace: Typed = load(nsproxy, layout!(nsproxy_mnt));
    load(namespace, layout!(mntns_id))
}

/// Fills in who ran: process, parent, users, names, terminal.
#[inline(always)]
pub fn evidence(task: Typed, facts: &mut Facts) {
    facts.pid = load(task, layout!(task_tgid));
    facts.start_ns = load(task, layout!(task_start));

    let cred: Typed = load(task, layout!(task_cred));
    facts.uid = load(cred, layout!(cred_uid));
    facts.euid = load(cred, layout!(cred_euid));

    let signal: Typed = load(task, layout!(task_signal));
    if load::<u64>(signal, layout!(signal_tty)) != 0 {
        facts.flags |= flag::TTY;
    }

    let parent: Typed = load(task, layout!(task_real_parent));
    facts.ppid = load(parent, layout!(task_tgid));
    let comm = layout!(task_comm) as u64;
    copy(facts.comm.as_mut_ptr(), 16, task as u64 + comm);
    copy(facts.parent_comm.as_mut_ptr(), 16, parent as u64 + comm);
}
