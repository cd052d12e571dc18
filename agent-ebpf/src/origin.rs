//! Where an exec comes from: the container's first process, and who stands
//! above the one at hand.

use crate::container;
use crate::kernel::{all_ones_if_zero, in_memory, layout, peek_or_zero};
use crate::maps::{INIT, scratch};
use crate::path;
use crate::report::Scratch;
use agent_common::wire::{ANCESTOR_PATH_MAX, ANCESTORS, Ancestor, Init, ancestor, flag};

/// How far up the first process is looked for.
const GENERATIONS: usize = 48;
/// Room for an ancestor's path: the power of two above it.
const ROOM: u32 = 256;
const _: () = assert!(ANCESTOR_PATH_MAX < ROOM as usize);

/// A task's thread group leader, which the process is named by.
#[inline(always)]
pub fn leader(task: u64) -> u64 {
    peek_or_zero(task, layout!(task_leader))
}

#[inline(always)]
fn pid(leader: u64) -> u32 {
    peek_or_zero(leader, layout!(task_tgid)) as u32
}

#[inline(always)]
fn start(leader: u64) -> u64 {
    peek_or_zero(leader, layout!(task_start))
}

/// A task's process: its id, and when it began.
#[inline(always)]
pub fn process(task: u64) -> (u32, u64) {
    let leader = leader(task);
    (pid(leader), start(leader))
}

#[inline(always)]
fn parent(leader: u64) -> u64 {
    self::leader(peek_or_zero(leader, layout!(task_real_parent)))
}

/// The first exec in a container's own mount namespace is its first process's.
#[inline(always)]
pub fn note_init(task: u64, container: u64) {
    let leader = leader(task);
    let init = Init {
        start_ns: start(leader),
        pid: pid(leader),
        pad: 0,
    };
    // Whoever was there first stays; a full map leaves origins untold.
    let _ = INIT.insert(&container, &init, aya_ebpf::bindings::BPF_NOEXIST as u64);
}

#[inline(always)]
fn is_init(leader: u64, init: &Init) -> bool {
    init.pid == pid(leader) && (init.start_ns == 0 || init.start_ns == start(leader))
}

/// Whether a task is its container's first process.
#[inline(always)]
pub fn is_first(task: u64, container: u64) -> bool {
    match INIT.get_ptr(&container) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(init) => is_init(leader(task), unsafe { &*init }),
        None => false,
    }
}

/// The id of the container that a task belongs to.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_container_of(task: u64) -> u64 {
    match crate::task::peek_cgroup(task) {
        Some((id, cgroup)) => container::id_of_cgroup(id, cgroup),
        None => 0,
    }
}

/// Whether the parent of a task is outside the container.
#[inline(always)]
pub fn is_from_outside(task: u64, container: u64) -> bool {
    execwarden_container_of(parent(leader(task))) != container
}

/// [`flag`]s: whether the task is its container's first process or a child of
/// it, has its parent outside, or does not descend from the first process.
/// Likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_origin(task: u64, container: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let at = unsafe { &mut (*scratch).above };
    *at = leader(task);
    let mut flags = 0u64;
    let first = parent(in_memory(at));
    if execwarden_container_of(first) != container {
        flags |= flag::FROM_OUTSIDE as u64;
    }
    let Some(init) = INIT.get_ptr(&container) else {
        return flags;
    };
    // SAFETY: a value of a map, valid while the program runs.
    let init = unsafe { *init };
    if is_init(in_memory(at), &init) {
        return flags | flag::INIT as u64;
    }
    if is_init(first, &init) {
        return flags | flag::OF_INIT as u64;
    }
    for _ in 0..GENERATIONS {
        let above = parent(in_memory(at));
        if execwarden_container_of(above) != container || above == in_memory(at) {
            return flags | flag::INJECTED as u64;
        }
        if is_init(above, &init) {
            return flags;
        }
        *at = above;
    }
    flags
}

/// Keeps who stands above a task: in the record, their paths in its tail.
/// Likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_ancestors(task: u64, container: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: as above.
    let scratch = unsafe { &mut *scratch };
    scratch.init = match INIT.get_ptr(&container) {
        // SAFETY: as above.
        Some(init) => unsafe { *init },
        None => Init {
            start_ns: 0,
            pid: 0,
            pad: 0,
        },
    };
    scratch.above = leader(task);
    scratch.record.facts.ancestors = [Ancestor {
        start_ns: 0,
        pid: 0,
        path_len: 0,
        flags: 0,
    }; ANCESTORS];
    for i in 0..ANCESTORS {
        let above = parent(in_memory(&scratch.above));
        let pid = pid(above);
        if pid == 0 {
            break;
        }
        scratch.above = above;
        let inside = all_ones_if_zero(execwarden_container_of(above) ^ container);
        let init = in_memory(&scratch.init);
        let first = all_ones_if_zero((init.pid ^ pid) as u64)
            & (all_ones_if_zero(init.start_ns ^ start(above)) | all_ones_if_zero(init.start_ns));
        let mut flags = (inside as u16 & ancestor::INSIDE) | (first as u16 & ancestor::INIT);
        let mm = peek_or_zero(above, layout!(task_mm));
        let file = peek_or_zero(mm, layout!(mm_exe_file));
        let mut path_len = 0;
        if file != 0
            && let Ok(found) = path::walk(file, layout!(file_dentry), layout!(file_mnt))
        {
            path_len = path::keep_end(scratch, &found, ROOM, ANCESTOR_PATH_MAX as u32) as u16;
            if found.len > path_len as u32 {
                flags |= ancestor::CUT;
            }
        }
        scratch.record.facts.ancestors[i] = Ancestor {
            start_ns: start(above),
            pid,
            path_len,
            flags,
        };
    }
    0
}

/// SipHash of the path of the parent's program; 0 where it cannot be told.
#[inline(always)]
pub fn parent_hash(scratch: &mut Scratch, task: u64) -> u64 {
    let above = parent(leader(task));
    let mm = peek_or_zero(above, layout!(task_mm));
    let file = peek_or_zero(mm, layout!(mm_exe_file));
    match path::walk(file, layout!(file_dentry), layout!(file_mnt)) {
        Ok(found) => {
            path::take(scratch, &found);
            crate::identity::execwarden_hash_path(found.len as u64)
        }
        Err(_) => 0,
    }
}
