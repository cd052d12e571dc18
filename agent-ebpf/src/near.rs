//! What this CPU found allowed last: the shortest way to a yes.
//!
//! `FAST` is asked under a slot, and the slot is found by the cgroup: two hash
//! maps of the whole node, whose lines an exec has pushed out of the caches.
//! This is in front of both, a small table for each CPU alone, with one place
//! for a file. It remembers only execs of which nothing else is left to be
//! asked: a program without names of its own, run in its container's usual
//! mount namespace, with its working directory on the mount that it lies on.
//!
//! What is remembered of a file ends as in `FAST`: the file's state is
//! compared, and so is the slot's generation. Which slot a cgroup has is not
//! asked again: a container's does not change, and a cgroup's serial number is
//! never used twice.

use crate::identity::File;
use crate::kernel::Typed;
use crate::maps::{NEAR, SLOT};
use crate::task;
use agent_common::wire::FastKey;

/// Places in the table.
pub const PLACES: u32 = 512;

/// All that must be the same.
#[derive(Clone, Copy)]
pub struct Key {
    /// Of a fast key of no slot.
    file: FastKey,
    /// The cgroup's serial number.
    cgroup: u64,
    /// The mount namespace, an address.
    namespace: u64,
}

/// A place of the table.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Near {
    ino: u64,
    size: u64,
    ctime: u64,
    mount: u64,
    name: u64,
    dev: u32,
    generation: u32,
    cgroup: u64,
    namespace: u64,
    slot: u32,
    slot_generation: u32,
}

impl Key {
    /// Of a task in this mount namespace that runs this file.
    #[inline(always)]
    pub fn of(task: Typed, namespace: Typed, file: &File) -> Self {
        Self {
            file: file.fast_key(0, 0),
            cgroup: task::cgroup_serial(task),
            namespace: namespace as u64,
        }
    }

    /// Its place: by name, number and container, mixed by the golden ratio.
    #[inline(always)]
    fn place(&self) -> u32 {
        let mixed = self.file.name ^ self.file.ino ^ (self.cgroup << 32);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 & (PLACES - 1)
    }

    /// The slot under which this was found allowed, if nothing has changed
    /// since.
    #[inline(always)]
    pub fn slot(&self) -> Option<u32> {
        // SAFETY: this CPU's own value, valid while the program runs.
        let near = unsafe { &*NEAR.get_ptr(self.place())? };
        let file = &self.file;
        // One by one: to the verifier some of them are pointers, which may be
        // compared, and nothing else.
        let is_same = near.name == file.name
            && near.mount == file.mount
            && near.cgroup == self.cgroup
            && near.namespace == self.namespace
            && near.ino == file.ino
            && near.size == file.size
            && near.ctime == file.ctime
            && near.dev == file.dev
            && near.generation == file.generation;
        if !is_same {
            return None;
        }
        // SAFETY: a value of an array, valid while the program runs.
        let generation = unsafe { (*SLOT.get_ptr(near.slot)?).generation };
        (generation == near.slot_generation).then_some(near.slot)
    }

    /// Remembers that it is allowed, in its container's usual mount namespace.
    #[inline(always)]
    pub fn remember(&self, slot: u32, slot_generation: u32) {
        let Some(near) = NEAR.get_ptr_mut(self.place()) else {
            return;
        };
        let file = &self.file;
        // SAFETY: this CPU's own value, and the program is not preempted by
        // itself.
        unsafe {
            *near = Near {
                ino: file.ino,
                size: file.size,
                ctime: file.ctime,
                mount: file.mount,
                name: file.name,
                dev: file.dev,
                generation: file.generation,
                cgroup: self.cgroup,
                namespace: self.namespace,
                slot,
                slot_generation,
            }
        };
    }
}
