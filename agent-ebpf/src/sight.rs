//! The slow path, at the first sight of a file: walk the path, tell the layer,
//! ask `ALLOW`; what that does not cover is reported.

use crate::container::{self, Judged};
use crate::exec::Verdict;
use crate::flags::Flags;
use crate::identity::{File, execwarden_hash_path, mount_dev};
use crate::kernel::{Typed, copy, layout, load};
use crate::maps::{ALLOW, CGROUPS, FAST, lost};
use crate::path::{self, Failure};
use crate::report::{Scratch, report};
use crate::task;
use agent_common::wire::{
    AllowKey, Facts, FastKey, PATH_MAX, SCRIPT_MAX, SeenKey, flag, layer, mode,
};

/// The verdict on a file that the fast path does not know.
#[inline(always)]
pub fn first_sight(
    task: Typed,
    file: &File,
    scratch: &mut Scratch,
    judged: &mut Judged,
    fast: &FastKey,
    slot_mode: u32,
    flags: Flags,
) -> Verdict {
    let mut path_hash = 0;
    let mut layer = layer::UNKNOWN;
    let mut path_len = 0;
    match path::walk(file.file, layout!(file_dentry), layout!(file_mnt), scratch) {
        Ok(found) => {
            path_len = found.len;
            let to = scratch.path.as_mut_ptr().cast();
            path::take(scratch, &found, to, PATH_MAX as u32);
            path_hash = execwarden_hash_path(found.len as u64);
            settle_root(judged, found.root_mount, flags);
            layer = file.layer(&judged.container, found.file_mount, found.root_mount);
        }
        Err(failure) => {
            flags.set(flag::ERROR);
            match failure {
                Failure::TooLong => lost!(path_too_long),
                Failure::Unreadable => lost!(read_failed),
            }
        }
    }
    if layer == layer::UNKNOWN {
        flags.set(flag::ERROR);
    }
    if flags.has(flag::ERROR) && path_hash == 0 {
        // Without a path, the file itself tells two of them apart.
        path_hash = fast.ino ^ ((fast.dev as u64) << 32);
    }

    let trusted = !flags.has(flag::ERROR | flag::ESCAPED);
    if trusted && layer != layer::MEMORY && allowed(judged.slot, path_hash, fast, layer) {
        return Verdict::Known;
    }

    fill(task, scratch, judged, fast, path_len);
    scratch.record.key = SeenKey {
        container: judged.container_id,
        path_hash,
        script_hash: fast.script_hash,
        layer,
        circumstances: circumstances(flags),
    };
    report(scratch, judged);

    if flags.has(flag::ERROR) {
        Verdict::Error
    } else if slot_mode == mode::LEARN {
        Verdict::Learning
    } else {
        Verdict::Deviating
    }
}

#[inline(always)]
fn circumstances(flags: Flags) -> u32 {
    flags.get() & (flag::ESCAPED | flag::HOST_MNTNS | flag::OUTER_MNTNS)
}

#[inline(always)]
fn allowed(slot: u32, path_hash: u64, fast: &FastKey, layer: u32) -> bool {
    let key = AllowKey {
        path_hash,
        script_hash: fast.script_hash,
        slot,
        layer,
    };
    if ALLOW.get_ptr(&key).is_none() {
        return false;
    }
    // A cache: whether it had room changes no verdict.
    let _ = FAST.insert(fast, &1, 0);
    true
}

/// The container's first exec tells its root file system.
#[inline(always)]
fn settle_root(judged: &mut Judged, root_mount: u64, flags: Flags) {
    if judged.container.root_dev != 0 || flags.has(flag::HOST_MNTNS | flag::OUTER_MNTNS) {
        return;
    }
    let Some(dev) = mount_dev(root_mount) else {
        return;
    };
    judged.container.root_dev = dev;
    if let Some(entry) = CGROUPS.get_ptr_mut(&judged.container_id) {
        // SAFETY: a value of a map, valid while the program runs; two CPUs
        // that are first at once write the same.
        unsafe { (*entry).root_dev = dev };
    }
}

#[inline(always)]
fn fill(task: Typed, scratch: &mut Scratch, judged: &Judged, fast: &FastKey, path_len: u32) {
    let facts: &mut Facts = &mut scratch.record.facts;
    facts.cgroup = judged.cgroup;
    facts.ino = fast.ino;
    facts.size = fast.size;
    facts.ctime = fast.ctime;
    facts.dev = fast.dev;
    facts.generation = fast.generation;
    facts.slot = judged.slot;
    facts.path_len = path_len;
    copy(
        facts.script.as_mut_ptr(),
        SCRIPT_MAX as u32,
        scratch.script.as_ptr() as u64,
    );
    task::evidence(task, facts);
    let parent: u64 = load(task, layout!(task_real_parent));
    let inside = match task::peek_cgroup(parent) {
        Some((id, cgroup)) => container::of_cgroup(id, cgroup).container_id == judged.container_id,
        None => false,
    };
    if !inside {
        facts.flags |= flag::FROM_OUTSIDE;
    }
}
