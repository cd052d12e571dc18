//! Whose exec it is: the container of a cgroup, and what the mount namespace
//! says about that.

use crate::cgroup;
use crate::kernel::{Typed, host_mntns, layout, load};
use crate::maps::{CGROUPS, MNTNS, lost};
use crate::task;
use agent_common::wire::{Cgroup, SLOT_PENDING, cgroup_state, flag};

/// How an exec is judged, before its file is looked at.
pub struct Judged {
    /// The container's entry, or what stands for one.
    pub container: Cgroup,
    /// The id under which the container's entry is kept.
    pub container_id: u64,
    /// The process's own cgroup.
    pub cgroup: u64,
    /// The slot it is judged and counted under.
    pub slot: u32,
    /// [`flag`]s that the place gave it.
    pub flags: u32,
}

/// Finds the container of a cgroup: its own entry, or the nearest ancestor's.
/// A cgroup that has none is pending under its own id.
#[inline(always)]
pub fn of_cgroup(id: u64, cgroup: u64) -> Judged {
    let entry = match CGROUPS.get_ptr(&id) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(entry) => unsafe { *entry },
        None => cgroup::nearest(cgroup).unwrap_or(cgroup::pending(id)),
    };
    let mut container = entry;
    if entry.container != id
        && let Some(own) = CGROUPS.get_ptr(&entry.container)
    {
        // SAFETY: as above.
        container = unsafe { *own };
    }
    Judged {
        container,
        container_id: entry.container,
        cgroup: id,
        slot: entry.slot,
        flags: if entry.slot == SLOT_PENDING {
            flag::PENDING
        } else {
            0
        },
    }
}

/// Looks at the mount namespace of the task. The one that its cgroup's entry
/// has already says nothing new; that is told by one comparison, since every
/// further struct is a cache line that the exec itself has pushed out.
#[inline(always)]
pub fn check_namespace(task: Typed, judged: &mut Judged) {
    let nsproxy: Typed = load(task, layout!(task_nsproxy));
    let namespace: Typed = load(nsproxy, layout!(nsproxy_mnt));
    if judged.container.mntns != namespace as u64 {
        other_namespace(task, namespace, judged);
    }
}

/// A mount namespace that the entry does not have.
#[inline(always)]
fn other_namespace(task: Typed, namespace: Typed, judged: &mut Judged) {
    let inum: u32 = load(namespace, layout!(mntns_inum));
    let id: u64 = load(namespace, layout!(mntns_id));
    let outside = judged.container.state == cgroup_state::HOST
        || judged.container.state == cgroup_state::UNVOUCHED;
    if outside {
        if inum == host_mntns() {
            remember_in_entry(namespace, judged);
        } else {
            not_the_hosts(id, judged);
        }
        return;
    }
    if inum == host_mntns() {
        judged.flags |= flag::HOST_MNTNS;
    }
    if is_its_parents(task, namespace, judged) {
        judged.flags |= flag::OUTER_MNTNS;
    }
    if judged.flags & (flag::HOST_MNTNS | flag::OUTER_MNTNS) != 0 {
        return;
    }
    if judged.container.mntns == 0 {
        remember_in_entry(namespace, judged);
    }
    if MNTNS.get_ptr(&id).is_none() && MNTNS.insert(&id, &judged.container_id, 0).is_err() {
        lost!(cgroups_full);
    }
}

/// Whether the task shares its mount namespace with a parent outside the
/// container: it is the runtime, on its way into the container and not there
/// yet. What the container's own processes start has a parent inside; its
/// first process, and what `runc exec` starts, have a namespace that their
/// parent does not.
#[inline(always)]
fn is_its_parents(task: Typed, namespace: Typed, judged: &Judged) -> bool {
    let parent: Typed = load(task, layout!(task_real_parent));
    let nsproxy: Typed = load(parent, layout!(task_nsproxy));
    let parents: Typed = load(nsproxy, layout!(nsproxy_mnt));
    if parents as u64 != namespace as u64 {
        return false;
    }
    match task::peek_cgroup(parent as u64) {
        Some((id, cgroup)) => of_cgroup(id, cgroup).container_id != judged.container_id,
        None => false,
    }
}

/// A process outside containers that stands in a container's mount namespace
/// left the cgroup: it is judged as the container it left. One with a mount
/// namespace of its own, where a container could be, is pending.
#[inline(always)]
fn not_the_hosts(id: u64, judged: &mut Judged) {
    if let Some(left) = MNTNS.get_ptr(&id) {
        // SAFETY: a value of a map, valid while the program runs.
        let left = unsafe { *left };
        if let Some(container) = CGROUPS.get_ptr(&left) {
            // SAFETY: as above.
            judged.container = unsafe { *container };
            judged.container_id = left;
            judged.slot = judged.container.slot;
            judged.flags |= flag::ESCAPED;
            return;
        }
    }
    if judged.container.state == cgroup_state::UNVOUCHED {
        judged.slot = SLOT_PENDING;
        judged.flags |= flag::PENDING;
    }
}

#[inline(always)]
fn remember_in_entry(namespace: Typed, judged: &Judged) {
    if let Some(entry) = CGROUPS.get_ptr_mut(&judged.container_id) {
        // SAFETY: a value of a map, valid while the program runs.
        unsafe { (*entry).mntns = namespace as u64 };
    }
}
