//! The decision, once per exec: ignored, known, or something to report.
//!
//! Fast: cgroup → slot → file key → known, with no helper but the look-ups.
//! Slow, at the first sight of a file: walk the path, tell the layer, ask
//! `ALLOW`; if that does not cover it, report.

use crate::cgroup;
use crate::identity::{File, execwarden_hash_path, execwarden_hash_script, mount_dev};
use crate::kernel::{Typed, copy, host_mntns, layout, load};
use crate::maps::{ALLOW, CGROUPS, COUNTERS, FAST, MNTNS, SCRATCH, SLOT, lost};
use crate::path::{self, Failure};
use crate::report::{Scratch, report};
use crate::task::{self, MountNamespace};
use agent_common::wire::{
    AllowKey, Cgroup, Counters, Facts, FastKey, PATH_MAX, SCRIPT_MAX, SLOT_HOST, SLOT_PENDING,
    SeenKey, cgroup_state, flag, layer, mode,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;

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
}

/// Which of [`Counters`] an exec goes into.
#[derive(Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Covered by the allowlist.
    Known,
    /// New, in learn mode.
    Learning,
    /// New, in enforce mode or while pending.
    Deviating,
    /// Nothing is asked of it.
    Ignored,
    /// It could not be identified in full; treated as deviating.
    Error,
}

/// Judges one exec and counts it exactly once.
#[inline(always)]
pub fn judge(task: Typed, bprm: Typed) -> Verdict {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return count(SLOT_HOST, Verdict::Error);
    };
    // SAFETY: this CPU's own value, valid while the program runs, and the
    // program is not preempted by itself.
    let scratch = unsafe { &mut *scratch };
    let flags = Flags::none(scratch);

    let (cgroup_id, cgroup) = task::cgroup(task);
    let namespace = task::mount_namespace(task);
    let mut judged = resolve(cgroup_id, cgroup as u64);
    let state = judged.container.state;
    if state == cgroup_state::HOST || state == cgroup_state::UNVOUCHED {
        outside(&namespace, &mut judged, flags);
    }
    let (slot_mode, generation) = slot_mode(judged.slot);
    if slot_mode == mode::OFF {
        return count(judged.slot, Verdict::Ignored);
    }
    if judged.slot == SLOT_PENDING {
        flags.set(flag::PENDING);
    }
    if namespace.inum == host_mntns() {
        flags.set(flag::HOST_MNTNS);
    } else if judged.container.mntns != namespace.id && belongs(state, flags) {
        remember_namespace(&namespace, &judged);
    }

    let file = File::of(bprm);
    let script_hash = script(task, bprm, scratch, flags);
    let fast = file.fast_key(judged.slot, generation, script_hash);
    if !flags.has(flag::ESCAPED | flag::ERROR)
        && !file.is_nameless()
        && FAST.get_ptr(&fast).is_some()
    {
        return count(judged.slot, Verdict::Known);
    }
    let verdict = first_sight(task, &file, scratch, &mut judged, &fast, slot_mode, flags);
    count(judged.slot, verdict)
}

/// The [`flag`]s of this exec. They live in the record, and are read from
/// there each time: in a register the verifier would follow every combination
/// of them through the whole program.
#[derive(Clone, Copy)]
struct Flags(*mut u32);

impl Flags {
    #[inline(always)]
    fn none(scratch: &mut Scratch) -> Self {
        scratch.record.facts.flags = 0;
        Self(&raw mut scratch.record.facts.flags)
    }

    #[inline(always)]
    fn get(self) -> u32 {
        // SAFETY: a field of this CPU's scratch, valid while the program runs.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn set(self, bits: u32) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(self.get() | bits) };
    }

    #[inline(always)]
    fn has(self, any: u32) -> bool {
        self.get() & any != 0
    }
}

/// Finds the container of a cgroup: its own entry, or the nearest ancestor's.
/// A cgroup that has none is pending under its own id.
#[inline(always)]
fn resolve(id: u64, cgroup: u64) -> Judged {
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
    }
}

/// A process outside containers that stands in a container's mount namespace
/// left the cgroup: it is judged as the container it left. One with a mount
/// namespace of its own, where a container could be, is pending.
#[inline(always)]
fn outside(namespace: &MountNamespace, judged: &mut Judged, flags: Flags) {
    if namespace.inum == host_mntns() {
        return;
    }
    if let Some(left) = MNTNS.get_ptr(&namespace.id) {
        // SAFETY: a value of a map, valid while the program runs.
        let left = unsafe { *left };
        if let Some(container) = CGROUPS.get_ptr(&left) {
            // SAFETY: as above.
            judged.container = unsafe { *container };
            judged.container_id = left;
            judged.slot = judged.container.slot;
            flags.set(flag::ESCAPED);
            return;
        }
    }
    if judged.container.state == cgroup_state::UNVOUCHED {
        judged.slot = SLOT_PENDING;
    }
}

/// Whether the exec's own cgroup is a container's, or may be.
#[inline(always)]
fn belongs(state: u32, flags: Flags) -> bool {
    (state == cgroup_state::CONTAINER || state == cgroup_state::PENDING)
        && !flags.has(flag::ESCAPED)
}

#[inline(always)]
fn slot_mode(slot: u32) -> (u32, u32) {
    match SLOT.get_ptr(slot) {
        // SAFETY: a value of an array, valid while the program runs.
        Some(state) => unsafe { ((*state).mode, (*state).generation) },
        None => (mode::ENFORCE, 0),
    }
}

/// Notes that a mount namespace belongs to the container, so that a process
/// that leaves the cgroup is still known by it. The container's first
/// namespace is in its entry too: its execs need not look further.
#[inline(always)]
fn remember_namespace(namespace: &MountNamespace, judged: &Judged) {
    if judged.container.mntns == 0
        && let Some(entry) = CGROUPS.get_ptr_mut(&judged.container_id)
    {
        // SAFETY: a value of a map, valid while the program runs.
        unsafe { (*entry).mntns = namespace.id };
    }
    if MNTNS.get_ptr(&namespace.id).is_some() {
        return;
    }
    if MNTNS
        .insert(&namespace.id, &judged.container_id, 0)
        .is_err()
    {
        lost!(cgroups_full);
    }
}

/// The hash of the script's absolute name, left in `scratch.script`; 0 where
/// what runs is no script.
#[inline(always)]
fn script(task: Typed, bprm: Typed, scratch: &mut Scratch, flags: Flags) -> u64 {
    let name: u64 = load(bprm, layout!(bprm_filename));
    let interpreter: u64 = load(bprm, layout!(bprm_interp));
    scratch.record.facts.script_len = 0;
    if name == interpreter {
        return 0;
    }
    flags.set(flag::SCRIPT);
    let mut first = 0u8;
    if !copy(&raw mut first, 1, name) {
        flags.set(flag::ERROR);
        return 0;
    }
    let mut at = 0u32;
    if first != b'/' {
        // Relative to the working directory.
        let fs: Typed = load(task, layout!(task_fs));
        let Ok(found) = path::walk(fs, layout!(fs_pwd_dentry), layout!(fs_pwd_mnt), scratch) else {
            flags.set(flag::ERROR);
            return 0;
        };
        at = found.len;
        if at >= SCRIPT_MAX as u32 / 2 {
            flags.set(flag::ERROR | flag::SCRIPT_CUT);
            return 0;
        }
        let to = scratch.script.as_mut_ptr().cast::<u8>();
        path::take(scratch, &found, to, SCRIPT_MAX as u32 / 2);
        // SAFETY: `at` is less than half of the room.
        unsafe { *to.add(at as usize & 0xff) = b'/' };
        at += 1;
    }
    // SAFETY: a string of the kernel's into room that is left: `at` is at most
    // 257, and the room behind it is half of `SCRIPT_MAX` at least.
    let len = unsafe {
        let to = scratch
            .script
            .as_mut_ptr()
            .cast::<u8>()
            .add(at as usize & 0x1ff);
        let room = if at == 0 {
            SCRIPT_MAX
        } else {
            SCRIPT_MAX / 2 - 2
        };
        bpf_probe_read_kernel_str(to.cast(), room as u32, name as *const _)
    };
    let room = if at == 0 {
        SCRIPT_MAX
    } else {
        SCRIPT_MAX / 2 - 2
    };
    if len <= 1 || len as usize >= room {
        flags.set(flag::ERROR | flag::SCRIPT_CUT);
        return 0;
    }
    let len = at + len as u32 - 1;
    scratch.record.facts.script_len = len;
    execwarden_hash_script(len as u64)
}

/// The slow path: path, layer, allowlist, report.
#[inline(always)]
fn first_sight(
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
    let mut kept = flag::ESCAPED;
    if flags.has(flag::HOST_MNTNS) {
        kept |= flag::HOST_MNTNS | flag::FROM_OUTSIDE;
    }
    flags.get() & kept
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
    if judged.container.root_dev != 0 || flags.has(flag::HOST_MNTNS) {
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
        Some((id, cgroup)) => resolve(id, cgroup).container_id == judged.container_id,
        None => false,
    };
    if !inside {
        facts.flags |= flag::FROM_OUTSIDE;
    }
}

#[inline(always)]
fn count(slot: u32, verdict: Verdict) -> Verdict {
    let counters = match COUNTERS.get_ptr_mut(slot) {
        Some(counters) => counters,
        None => match COUNTERS.get_ptr_mut(SLOT_HOST) {
            Some(counters) => counters,
            None => return verdict,
        },
    };
    // SAFETY: this CPU's own value, and the program is not preempted by
    // itself.
    let counters: &mut Counters = unsafe { &mut *counters };
    counters.seen += 1;
    match verdict {
        Verdict::Known => counters.known += 1,
        Verdict::Learning => counters.learning += 1,
        Verdict::Deviating => counters.deviating += 1,
        Verdict::Ignored => counters.ignored += 1,
        Verdict::Error => counters.errors += 1,
    }
    verdict
}
