//! What the agent writes: slots, cgroups, allowlist entries.

use super::load::CGROUPS_MAX;
use super::{Kernel, Sizes};
use crate::model::{CgroupId, Identity, Layer, Slot};
use agent_common::siphash;
use agent_common::wire::{self, AllowKey, Cgroup, cgroup_state, layer};
use aya::Pod;
use aya::maps::{Array, HashMap, MapData, MapError};
use std::collections::HashSet;
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
        let mut slots: Array<_, wire::Slot> = self.array("SLOT")?;
        slots
            .set(slot.0, state, 0)
            .map_err(|source| PolicyError::Map {
                name: "SLOT",
                source,
            })
    }

    /// Gives one place of the quota back that containers without a name share.
    pub fn release_pending(&mut self) -> Result<(), PolicyError> {
        self.pending_released += 1;
        let state = wire::Slot {
            mode: wire::mode::ENFORCE,
            generation: 1,
            quota: self.sizes.pending_quota,
            released: self.pending_released,
        };
        self.set_slot(Slot(wire::SLOT_PENDING), state)
    }

    /// How much room there is.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Lets `slot` run `identity` from now on.
    pub fn allow(&mut self, slot: Slot, identity: &Identity) -> Result<(), PolicyError> {
        let Some(key) = self.allow_key(slot, identity) else {
            return Ok(());
        };
        let max = self.sizes.allow;
        self.insert("ALLOW", max, &key, 1u32)
    }

    /// Makes `identities` all that `slot` may run: adds what is missing first,
    /// then takes out the rest, so that nothing that stays is refused in
    /// between. The slot's generation must be raised afterwards.
    ///
    /// # Errors
    /// When the map is full: what found no room is reported as a deviation.
    pub fn replace_allowed<'a>(
        &mut self,
        slot: Slot,
        identities: impl IntoIterator<Item = &'a Identity>,
    ) -> Result<(), PolicyError> {
        let wanted: HashSet<AllowKey> = identities
            .into_iter()
            .filter_map(|identity| self.allow_key(slot, identity))
            .collect();
        let present: HashSet<AllowKey> = self
            .hash_ref::<AllowKey, u32>("ALLOW")
            .keys()
            .filter_map(Result::ok)
            .filter(|key| key.slot == slot.0)
            .collect();
        let max = self.sizes.allow;
        let mut result = Ok(());
        for key in wanted.difference(&present) {
            result = result.and(self.insert("ALLOW", max, key, 1u32));
        }
        for key in present.difference(&wanted) {
            result = result.and(self.remove::<AllowKey, u32>("ALLOW", key));
        }
        result
    }

    /// Lets `slot` run what an event showed, under the very key the kernel
    /// made: for names that are spelled in a way no document has.
    pub fn allow_as_seen(&mut self, slot: Slot, key: &wire::SeenKey) -> Result<(), PolicyError> {
        let max = self.sizes.allow;
        self.insert("ALLOW", max, &seen_to_allow(slot, key), 1u32)
    }

    /// Says that a cgroup is a container (or a child of `container`).
    pub fn set_container(
        &mut self,
        cgroup: CgroupId,
        container: CgroupId,
        slot: Slot,
        root_dev: Option<u32>,
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
                pad: 0,
                mntns: 0,
            },
        )
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
                pad: 0,
                mntns: 0,
            },
        )
    }

    fn set_cgroup(&mut self, cgroup: CgroupId, entry: Cgroup) -> Result<(), PolicyError> {
        self.insert("CGROUPS", CGROUPS_MAX, &cgroup.0, entry)
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
        self.remove::<u64, Cgroup>("CGROUPS", &cgroup.0)
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

    fn allow_key(&self, slot: Slot, identity: &Identity) -> Option<AllowKey> {
        let layer = match identity.layer {
            Layer::Image => layer::IMAGE,
            Layer::Upper => layer::UPPER,
            Layer::Volume => layer::VOLUME,
            Layer::Tmpfs => layer::TMPFS,
            Layer::Host => layer::HOST,
            // Their names are chosen by the process: judged by the agent.
            Layer::Memory | Layer::Unknown => return None,
        };
        Some(AllowKey {
            path_hash: siphash::hash(self.key, identity.file.as_bytes()),
            script_hash: match &identity.script {
                Some(script) => siphash::hash(self.key, script.as_bytes()),
                None => 0,
            },
            slot: slot.0,
            layer,
        })
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

fn seen_to_allow(slot: Slot, key: &wire::SeenKey) -> AllowKey {
    AllowKey {
        path_hash: key.path_hash,
        script_hash: key.script_hash,
        slot: slot.0,
        layer: key.layer,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(E2BIG | ENOMEM))
}
