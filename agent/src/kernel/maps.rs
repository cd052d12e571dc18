//! What the agent writes: slots and cgroups.

use super::load::{CGROUPS_MAX, INIT_MAX};
use super::{Kernel, Sizes};
use crate::model::{CgroupId, Slot};
use agent_common::wire::{self, Cgroup, Init, Newborn, cgroup_state};
use aya::Pod;
use aya::maps::{Array, HashMap, MapData, MapError};
use std::io;

/// A map that does not take an entry.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No room. What is not in the map is reported, never allowed.
    #[error("the kernel's map {name} is full ({max} entries)")]
    Full {
        /// Its name.
        name: &'static str,
        /// How many it holds.
        max: u32,
    },
    /// Anything else.
    #[error("the kernel's map {name} cannot be written: {source}")]
    Map {
        /// Its name.
        name: &'static str,
        /// The kernel's word.
        source: MapError,
    },
}

const ENOENT: i32 = 2;
const E2BIG: i32 = 7;
const ENOMEM: i32 = 12;

impl Kernel {
    /// Says how a slot is judged. A new `generation` makes every remembered
    /// verdict of the slot miss.
    pub fn set_slot(&mut self, slot: Slot, state: wire::Slot) -> Result<(), PolicyError> {
        self.write_slot(slot, state)?;
        // Where nothing is stopped, nobody who is asked before an exec looks further.
        match self.put.outside_with_stops() {
            Some(outside) => self.write_slot(Slot(wire::SLOT_HOST), outside),
            None => Ok(()),
        }
    }

    fn write_slot(&mut self, slot: Slot, state: wire::Slot) -> Result<(), PolicyError> {
        let mut slots: Array<_, wire::Slot> = self.array("SLOT")?;
        slots
            .set(slot.0, state, 0)
            .map_err(|source| PolicyError::Map {
                name: "SLOT",
                source,
            })?;
        self.put.slot(slot, state);
        Ok(())
    }

    /// Gives one place of the quota back that containers without a name share.
    pub fn release_pending(&mut self) -> Result<(), PolicyError> {
        self.pending_released += 1;
        let state = self.pending_slot();
        self.set_slot(Slot(wire::SLOT_PENDING), state)
    }

    /// How containers without a name are judged: nothing is allowed, and nobody
    /// knows yet what will be asked for.
    pub(super) fn pending_slot(&self) -> wire::Slot {
        wire::Slot {
            mode: wire::mode::ENFORCE,
            generation: 1,
            detail: wire::need::ALL,
            stops: 0,
            quota: self.sizes.pending_quota,
            released: self.pending_released,
        }
    }

    /// How much room there is.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Says that a cgroup is a container (or a child of `container`). Of a
    /// container's own: whether nothing that runs in it is stopped.
    pub fn set_container(
        &mut self,
        cgroup: CgroupId,
        container: CgroupId,
        slot: Slot,
        root_dev: Option<u32>,
        is_spared: bool,
    ) -> Result<(), PolicyError> {
        // What the first exec told meanwhile stays.
        let told = self.cgroup(cgroup).map_or(0, |entry| entry.root_dev);
        self.set_cgroup(
            cgroup,
            Cgroup {
                container: container.0,
                slot: slot.0,
                state: cgroup_state::CONTAINER,
                root_dev: root_dev.unwrap_or(told),
                spared: is_spared.into(),
                mntns: 0,
            },
        )
    }

    /// Says whether nothing is stopped any more that runs in a container, or is
    /// again.
    pub fn spare(&mut self, container: CgroupId, is_spared: bool) -> Result<(), PolicyError> {
        let spared = is_spared.into();
        match self.cgroup(container) {
            Some(entry) if entry.spared != spared => {
                self.set_cgroup(container, Cgroup { spared, ..entry })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Says that a cgroup is outside containers, and which slot its execs are
    /// counted under. `vouched`: nothing in its name is like a container's, so
    /// that even what has a mount namespace of its own there is no container.
    pub fn set_host(
        &mut self,
        cgroup: CgroupId,
        slot: Slot,
        vouched: bool,
    ) -> Result<(), PolicyError> {
        self.set_cgroup(
            cgroup,
            Cgroup {
                container: cgroup.0,
                slot: slot.0,
                state: if vouched {
                    cgroup_state::HOST
                } else {
                    cgroup_state::UNVOUCHED
                },
                root_dev: 0,
                spared: 0,
                mntns: 0,
            },
        )
    }

    pub(super) fn set_cgroup(
        &mut self,
        cgroup: CgroupId,
        entry: Cgroup,
    ) -> Result<(), PolicyError> {
        self.insert("CGROUPS", CGROUPS_MAX, &cgroup.0, entry)?;
        self.put.cgroup(cgroup, entry);
        Ok(())
    }

    /// What the kernel knows of a cgroup.
    pub fn cgroup(&self, cgroup: CgroupId) -> Option<Cgroup> {
        self.hash_ref::<u64, Cgroup>("CGROUPS")
            .get(&cgroup.0, 0)
            .ok()
    }

    /// Every cgroup the kernel knows.
    pub fn cgroups(&self) -> Vec<(CgroupId, Cgroup)> {
        self.hash_ref::<u64, Cgroup>("CGROUPS")
            .iter()
            .filter_map(|entry| entry.ok().map(|(id, state)| (CgroupId(id), state)))
            .collect()
    }

    /// Forgets a cgroup that is gone.
    pub fn forget_cgroup(&mut self, cgroup: CgroupId) -> Result<(), PolicyError> {
        self.put.forget_cgroup(cgroup);
        if self.pins().is_some() {
            self.remove::<u64, Newborn>("GONE", &cgroup.0)?;
        }
        let init = self.remove::<u64, Init>("INIT", &cgroup.0);
        self.remove::<u64, Cgroup>("CGROUPS", &cgroup.0).and(init)
    }

    /// Says which process is a container's first, for one that ran before the
    /// programs. What the kernel saw itself stays.
    pub fn set_init(&mut self, container: CgroupId, pid: u32) -> Result<(), PolicyError> {
        if self
            .hash_ref::<u64, Init>("INIT")
            .get(&container.0, 0)
            .is_ok()
        {
            return Ok(());
        }
        let init = Init {
            start_ns: 0,
            pid,
            pad: 0,
        };
        self.insert("INIT", INIT_MAX, &container.0, init)
    }

    /// Forgets the mount namespaces of a container that is gone: a process that
    /// stands in one of them is no escaped one of its any more.
    pub fn forget_namespaces(&mut self, container: CgroupId) -> Result<(), PolicyError> {
        let gone: Vec<u64> = self
            .hash_ref::<u64, u64>("MNTNS")
            .iter()
            .filter_map(|entry| entry.ok())
            .filter(|(_, owner)| *owner == container.0)
            .map(|(namespace, _)| namespace)
            .collect();
        for namespace in gone {
            self.remove::<u64, u64>("MNTNS", &namespace)?;
        }
        Ok(())
    }

    pub(super) fn insert<K: Pod, V: Pod>(
        &mut self,
        name: &'static str,
        max: u32,
        key: &K,
        value: V,
    ) -> Result<(), PolicyError> {
        match self.hash::<K, V>(name).insert(key, value, 0) {
            Err(MapError::SyscallError(e)) if is_full(&e.io_error) => {
                Err(PolicyError::Full { name, max })
            }
            Err(source) => Err(PolicyError::Map { name, source }),
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn remove<K: Pod, V: Pod>(
        &mut self,
        name: &'static str,
        key: &K,
    ) -> Result<(), PolicyError> {
        match self.hash::<K, V>(name).remove(key) {
            Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(e)) if e.io_error.raw_os_error() == Some(ENOENT) => Ok(()),
            Err(source) => Err(PolicyError::Map { name, source }),
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn hash<K: Pod, V: Pod>(&mut self, name: &str) -> HashMap<&mut MapData, K, V> {
        self.ebpf
            .map_mut(name)
            .and_then(|map| HashMap::try_from(map).ok())
            .expect("the object has this map with these sizes")
    }

    pub(super) fn hash_ref<K: Pod, V: Pod>(&self, name: &str) -> HashMap<&MapData, K, V> {
        self.ebpf
            .map(name)
            .and_then(|map| HashMap::try_from(map).ok())
            .expect("the object has this map with these sizes")
    }

    fn array<V: Pod>(&mut self, name: &'static str) -> Result<Array<&mut MapData, V>, PolicyError> {
        self.ebpf
            .map_mut(name)
            .map(Array::try_from)
            .expect("the object has this map")
            .map_err(|source| PolicyError::Map { name, source })
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(E2BIG | ENOMEM))
}
