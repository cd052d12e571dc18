//! Whose exec it is: the container of a cgroup, and what the mount namespace
//! says about that.

use crate::cgroup;
use crate::kernel::{Typed, layout, load, peek_or_zero};
use crate::layer::execwarden_outside;
use crate::maps::{CGROUPS, MNTNS, lost};
use crate::origin;
use crate::task;
use agent_common::wire::{Cgroup, SLOT_PENDING, cgroup_state, flag};

/// How an exec is judged, before its file is looked at.
pub struct Judged {
    /// The id under which its container's entry is kept.
    pub container_id: u64,
    /// The process's own cgroup.
    pub cgroup: u64,
    /// The container's usual mount namespace, an address.
    pub mntns: u64,
    /// The container's [`cgroup_state`].
    state: u32,
    /// The device of the container's root file system; 0 while untold.
    pub root_dev: u32,
    /// The slot it is judged and counted under.
    pub slot: u32,
    /// [`flag`]s that the place gave it.
    pub flags: u32,
}

impl Judged {
    /// Takes over what the container's own entry says.
    #[inline(always)]
    fn take(&mut self, entry: *const Cgroup) {
        // SAFETY: a value of a map, valid while the program runs.
        unsafe {
            self.mntns = (*entry).mntns;
            self.state = (*entry).state;
            self.root_dev = (*entry).root_dev;
        }
    }

    /// Whether its cgroup is outside containers.
    #[inline(always)]
    fn is_outside(&self) -> bool {
        self.state == cgroup_state::HOST || self.state == cgroup_state::UNVOUCHED
    }
}

/// Finds the container of a cgroup: its own entry, or the nearest ancestor's.
/// A cgroup that has none is pending under its own id.
#[inline(always)]
pub fn of_cgroup(id: u64) -> Judged {
    let mut judged = Judged {
        container_id: id,
        cgroup: id,
        mntns: 0,
        state: cgroup_state::PENDING,
        root_dev: 0,
        slot: SLOT_PENDING,
        flags: flag::PENDING,
    };
    let mut entry = CGROUPS.get_ptr(&id);
    if entry.is_none() {
        let (_, cgroup) = task::peek_cgroup(task::current()).unwrap_or((0, 0));
        let nearest = cgroup::execwarden_nearest(cgroup);
        entry = CGROUPS.get_ptr(&nearest);
    }
    if let Some(entry) = entry {
        judged.take(entry);
        // SAFETY: a value of a map, valid while the program runs.
        unsafe {
            judged.container_id = (*entry).container;
            judged.slot = (*entry).slot;
        }
        if judged.slot != SLOT_PENDING {
            judged.flags = 0;
        }
        if judged.container_id != id
            && let Some(own) = CGROUPS.get_ptr(&judged.container_id)
        {
            judged.take(own);
        }
    }
    judged
}

/// The id alone of the container of a cgroup.
#[inline(always)]
pub fn id_of_cgroup(id: u64, cgroup: u64) -> u64 {
    let entry = match CGROUPS.get_ptr(&id) {
        Some(entry) => Some(entry),
        None => cgroup::nearest(cgroup),
    };
    match entry {
        // SAFETY: as above.
        Some(entry) => unsafe { (*entry).container },
        None => id,
    }
}

/// Looks at the mount namespace of the task. The one that its cgroup's entry
/// has already says nothing new; that is told by one comparison, since every
/// further struct is a cache line that the exec itself has pushed out.
#[inline(always)]
pub fn check_namespace(task: Typed, namespace: Typed, judged: &mut Judged) {
    if judged.mntns != namespace as u64 {
        other_namespace(task, namespace, judged);
    }
}

/// Whether a task's mount namespace is known as one of its container's, so that
/// [`check_namespace`] has nothing to say.
#[inline(always)]
pub fn is_at_home(namespace: Typed, judged: &Judged) -> bool {
    if judged.mntns == namespace as u64 {
        return true;
    }
    let id: u64 = load(namespace, layout!(mntns_id));
    !judged.is_outside() && !task::is_hosts(namespace) && is_own(id, judged)
}

/// Whether a mount namespace is known as one of the container's.
#[inline(always)]
fn is_own(id: u64, judged: &Judged) -> bool {
    match MNTNS.get_ptr(&id) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(container) => unsafe { *container == judged.container_id },
        None => false,
    }
}

/// Looks where the working directory lies: a descriptor that came in from
/// outside leads there, whatever is run. Most often it is on the mount that
/// the file is on, `vfsmount`.
#[inline(always)]
pub fn check_directory(task: Typed, vfsmount: Typed, judged: &mut Judged) {
    if task::directory_mount(task) as u64 == vfsmount as u64
        || judged.state == cgroup_state::HOST
        || judged.flags & flag::OUTER_MNTNS != 0
    {
        return;
    }
    // Plain numbers for a function of its own.
    let task = task::current();
    let fs = peek_or_zero(task, layout!(task_fs));
    let mount = peek_or_zero(fs, layout!(fs_pwd_mnt)).wrapping_sub(layout!(mount_mnt) as u64);
    let namespace = task::peek_namespace(task);
    if execwarden_outside(mount, namespace, judged.container_id) != 0 {
        judged.flags |= flag::OUTSIDE_CWD;
    }
}

/// A mount namespace that the entry does not have.
#[inline(always)]
fn other_namespace(task: Typed, namespace: Typed, judged: &mut Judged) {
    let is_hosts = task::is_hosts(namespace);
    let id: u64 = load(namespace, layout!(mntns_id));
    if judged.is_outside() {
        if is_hosts {
            remember_in_entry(namespace, judged);
        } else {
            not_the_hosts(id, judged);
        }
        return;
    }
    if is_hosts {
        judged.flags |= flag::HOST_MNTNS;
    } else if has_left(id, judged) {
        return;
    }
    if !is_own(id, judged) && is_its_parents(task, namespace, judged) {
        judged.flags |= flag::OUTER_MNTNS;
    }
    if judged.flags & (flag::HOST_MNTNS | flag::OUTER_MNTNS) != 0 {
        return;
    }
    if judged.mntns == 0 {
        remember_in_entry(namespace, judged);
        origin::note_init(task as u64, judged.container_id);
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
    if task::namespace(parent) as u64 != namespace as u64 {
        return false;
    }
    match task::peek_cgroup(parent as u64) {
        Some((id, cgroup)) => id_of_cgroup(id, cgroup) != judged.container_id,
        None => false,
    }
}

/// A process outside containers that stands in a container's mount namespace
/// left the cgroup. One with a mount namespace of its own, where a container
/// could be, is pending.
#[inline(always)]
fn not_the_hosts(id: u64, judged: &mut Judged) {
    if !has_left(id, judged) && judged.state == cgroup_state::UNVOUCHED {
        judged.slot = SLOT_PENDING;
        judged.flags |= flag::PENDING;
    }
}

/// Whether it stands in the mount namespace of a container and not in its
/// cgroup: it is then judged as the container it left. To where does not
/// matter: a cgroup that it has made for itself could be taken for a new
/// container, and who started it there for that one's runtime.
#[inline(always)]
fn has_left(id: u64, judged: &mut Judged) -> bool {
    let Some(left) = MNTNS.get_ptr(&id) else {
        return false;
    };
    // SAFETY: a value of a map, valid while the program runs.
    let left = unsafe { *left };
    if left == judged.container_id {
        return false;
    }
    let Some(container) = CGROUPS.get_ptr(&left) else {
        return false;
    };
    // SAFETY: as above.
    let (above, state, slot) = unsafe {
        (
            (*container).container,
            (*container).state,
            (*container).slot,
        )
    };
    // One cgroup without a name beside another says nothing yet.
    if above == judged.container_id || (state != cgroup_state::CONTAINER && !judged.is_outside()) {
        return false;
    }
    judged.take(container);
    judged.container_id = left;
    judged.slot = slot;
    judged.flags = (judged.flags & !flag::PENDING) | flag::ESCAPED;
    true
}

#[inline(always)]
fn remember_in_entry(namespace: Typed, judged: &mut Judged) {
    judged.mntns = namespace as u64;
    if let Some(entry) = CGROUPS.get_ptr_mut(&judged.container_id) {
        // SAFETY: a value of a map, valid while the program runs.
        unsafe { (*entry).mntns = namespace as u64 };
    }
}
