//! The life of cgroups: which container each belongs to.
//!
//! A child of a container belongs to it from its first moment. Any other new
//! cgroup is pending until the agent has named it; the agent learns of it from
//! `NEWBORN`, with the path as the kernel had it, even if it is gone by then.

use crate::kernel::{Typed, layout, load, peek};
use crate::maps::{CGROUPS, ESCAPES, MNTNS, NEWBORN, SCRATCH_NEWBORN, add_shared, lost};
use crate::origin;
use crate::report::{bell, send};
use crate::task;
use agent_common::wire::{
    CGROUP_PATH_MAX, Cgroup, Escape, Header, Newborn, SLOT_PENDING, VERSION, cgroup_state, kind,
};
use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_ktime_get_ns, bpf_probe_read_kernel_str,
};

/// How many levels above a cgroup are searched for its container.
const LEVELS: usize = 16;
/// How many ancestors of a process are searched for its container.
const ANCESTORS: usize = 8;

/// What a cgroup is until the agent has named it.
#[inline(always)]
pub fn pending(id: u64) -> Cgroup {
    Cgroup {
        container: id,
        slot: SLOT_PENDING,
        state: cgroup_state::PENDING,
        root_dev: 0,
        spared: 0,
        mntns: 0,
    }
}

/// The entry of the nearest ancestor that is a container.
#[inline(always)]
pub fn nearest(cgroup: u64) -> Option<*const Cgroup> {
    let mut at = cgroup;
    for _ in 0..LEVELS {
        at = task::peek_cgroup_parent(at)?;
        if at == 0 {
            return None;
        }
        let id = task::peek_cgroup_id(at)?;
        if let Some(entry) = CGROUPS.get_ptr(&id) {
            // SAFETY: a value of a map, valid while the program runs.
            let state = unsafe { (*entry).state };
            return (state == cgroup_state::CONTAINER).then_some(entry);
        }
    }
    None
}

/// The id of the container that [`nearest`] finds; 0 for none.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_nearest(cgroup: u64) -> u64 {
    match nearest(cgroup) {
        // SAFETY: as above.
        Some(entry) => unsafe { (*entry).container },
        None => 0,
    }
}

/// A cgroup of the v2 hierarchy was made.
#[inline(always)]
pub fn made(cgroup: Typed, path: u64) {
    if !is_v2(cgroup) {
        return;
    }
    let id = task::cgroup_id(cgroup);
    if let Some(container) = nearest(cgroup as u64) {
        // SAFETY: as above.
        let container = unsafe { *container };
        if CGROUPS.insert(&id, &container, 0).is_err() {
            lost!(cgroups_full);
        }
        return;
    }
    if CGROUPS.insert(&id, &pending(id), 0).is_err() {
        lost!(cgroups_full);
    }
    newborn(id, path, false);
}

/// A cgroup of the v2 hierarchy was removed.
#[inline(always)]
pub fn removed(cgroup: Typed, path: u64) {
    if !is_v2(cgroup) {
        return;
    }
    let id = task::cgroup_id(cgroup);
    if let Some(entry) = CGROUPS.get_ptr(&id) {
        // SAFETY: a value of a map, valid while the program runs.
        let entry = unsafe { *entry };
        if entry.state == cgroup_state::CONTAINER && entry.container != id {
            let _ = CGROUPS.remove(&id);
            return;
        }
    }
    newborn(id, path, true);
}

#[inline(always)]
fn newborn(id: u64, path: u64, gone: bool) {
    // SAFETY: no arguments, always available.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(entry) = NEWBORN.get_ptr_mut(&id) {
        // SAFETY: a value of a map, valid while the program runs.
        unsafe { (*entry).removed_ns = now };
        return bell(kind::CGROUP, id);
    }
    let Some(scratch) = SCRATCH_NEWBORN.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let entry: &mut Newborn = unsafe { &mut *scratch };
    entry.made_ns = if gone { 0 } else { now };
    entry.removed_ns = if gone { now } else { 0 };
    (entry.maker, entry.maker_start_ns) = match gone {
        true => (0, 0),
        false => origin::process(task::current()),
    };
    entry.pad = 0;
    // SAFETY: a string of the kernel's; the helper checks the source.
    let len = unsafe {
        bpf_probe_read_kernel_str(
            entry.path.as_mut_ptr().cast(),
            CGROUP_PATH_MAX as u32,
            path as *const _,
        )
    };
    entry.path_len = if len > 0 { len as u32 - 1 } else { 0 };
    entry.cut = (len as usize == CGROUP_PATH_MAX) as u32;
    if NEWBORN.insert(&id, &*entry, 0).is_err() {
        lost!(cgroups_full);
    }
    bell(kind::CGROUP, id);
}

/// A task was moved to `to`: a deviation of its own when it leaves its
/// container's subtree.
#[inline(always)]
pub fn attached(to: Typed, task: Typed) {
    if !is_v2(to) {
        return;
    }
    let to_id = task::cgroup_id(to);
    let Some(container) = belonged(task) else {
        return;
    };
    let inside = match CGROUPS.get_ptr(&to_id) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(entry) => unsafe { (*entry).container == container },
        None => false,
    };
    if inside {
        return;
    }
    keep_namespace(task, container);
    // SAFETY: no arguments, always available.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut escape = Escape {
        header: Header {
            kind: kind::ESCAPE,
            version: VERSION,
            len: size_of::<Escape>() as u32,
        },
        container,
        to: to_id,
        at_ns: now,
        start_ns: load(task, layout!(task_start)),
        count: 1,
        pid: load(task, layout!(task_tgid)),
        uid: load(load::<Typed>(task, layout!(task_cred)), layout!(cred_uid)),
        comm: [0; 16],
    };
    let comm = task as u64 + layout!(task_comm) as u64;
    crate::kernel::copy(escape.comm.as_mut_ptr(), 16, comm);
    let key = [container, to_id];
    if let Some(known) = ESCAPES.get_ptr_mut(&key) {
        // SAFETY: a value of a map, valid while the program runs.
        return unsafe { add_shared(&raw mut (*known).count) };
    }
    if ESCAPES.insert(&key, &escape, 0).is_err() {
        lost!(escapes_full);
    }
    send((&raw mut escape).cast(), size_of::<Escape>() as u32);
}

/// Notes whose mount namespace a leaver stands in, which it may have made for
/// itself without an exec: what it left behind there is the container's still,
/// and no runtime's stage.
#[inline(always)]
fn keep_namespace(task: Typed, container: u64) {
    let namespace = task::namespace(task);
    let id: u64 = load(namespace, layout!(mntns_id));
    if !task::is_hosts(namespace) && MNTNS.get_ptr(&id).is_none() {
        let _ = MNTNS.insert(&id, &container, 0);
    }
}

/// The container a task belonged to before it was moved: told by its mount
/// namespace, or by the nearest ancestor that is still in one.
#[inline(always)]
fn belonged(task: Typed) -> Option<u64> {
    let namespace = task::mount_namespace_id(task);
    if let Some(container) = MNTNS.get_ptr(&namespace) {
        // SAFETY: a value of a map, valid while the program runs.
        return Some(unsafe { *container });
    }
    let mut at = task as u64;
    for _ in 0..ANCESTORS {
        at = peek(at, layout!(task_real_parent))?;
        let (id, _) = task::peek_cgroup(at)?;
        let Some(entry) = CGROUPS.get_ptr(&id) else {
            continue;
        };
        // SAFETY: as above.
        let entry = unsafe { *entry };
        if entry.state == cgroup_state::CONTAINER {
            return Some(entry.container);
        }
        if entry.state == cgroup_state::HOST {
            return None;
        }
    }
    None
}

/// Whether a cgroup is of the hierarchy that the current task's v2 cgroup is
/// of: the tracepoints fire for v1 hierarchies too.
#[inline(always)]
fn is_v2(cgroup: Typed) -> bool {
    let root: u64 = load(cgroup, layout!(cgroup_root));
    // SAFETY: no arguments, always available.
    let current = unsafe { bpf_get_current_task() };
    let Some((_, own)) = task::peek_cgroup(current) else {
        return false;
    };
    peek::<u64>(own, layout!(cgroup_root)) == Some(root)
}
