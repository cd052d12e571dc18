//! What the kernel's maps have, against what the agent put there: whoever may
//! write to them could let a workload run anything, unseen.
//!
//! What the programs write themselves is left out, and so are their caches
//! (`FAST`, `NEAR`, `CLEARED`), of which the agent cannot tell what belongs there.

use super::health::number;
use super::{Kernel, PolicyError};
use crate::model::{CgroupId, Slot, Tampering};
use agent_common::wire::{self, AllowKey, Allowed, Cgroup, SLOT_FIRST, SLOT_HOST, stop};
use aya::maps::{Array, Map};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::{AsFd as _, AsRawFd as _};

/// The maps that the agent changes while it runs.
const WRITTEN: [&str; 11] = [
    "ALLOW", "CGROUPS", "CLEARED", "ESCAPES", "GONE", "INIT", "MNTNS", "NEWBORN", "SEEN", "SLOT",
    "TOLD",
];

/// What the agent has put into the maps, beside the keys of `ALLOW`.
#[derive(Default)]
pub(super) struct Put {
    slots: HashMap<Slot, wire::Slot>,
    /// Those of workloads of which something is stopped.
    stopping: HashSet<Slot>,
    cgroups: HashMap<CgroupId, Cgroup>,
}

impl Put {
    pub(super) fn slot(&mut self, slot: Slot, state: wire::Slot) {
        self.slots.insert(slot, state);
        if slot.0 >= SLOT_FIRST && state.stops != 0 {
            self.stopping.insert(slot);
        } else {
            self.stopping.remove(&slot);
        }
    }

    /// The state that the slot outside containers should have by now, if it has
    /// another.
    pub(super) fn outside_with_stops(&self) -> Option<wire::Slot> {
        let present = *self.slots.get(&Slot(SLOT_HOST))?;
        let stops = match self.stopping.is_empty() {
            true => 0,
            false => stop::ELSEWHERE,
        };
        (present.stops != stops).then_some(wire::Slot { stops, ..present })
    }

    pub(super) fn cgroup(&mut self, cgroup: CgroupId, entry: Cgroup) {
        self.cgroups.insert(cgroup, entry);
    }

    pub(super) fn forget_cgroup(&mut self, cgroup: CgroupId) {
        self.cgroups.remove(&cgroup);
    }
}

/// What was found, by slot.
pub type Found = BTreeMap<Slot, Tampering>;

impl Kernel {
    /// Compares all maps of rules with what the agent put into them, and puts that
    /// back. Takes two looks for each entry: about a microsecond.
    ///
    /// # Errors
    /// What could not be put back; it is found again the next time.
    pub fn put_back(&mut self) -> (Found, Result<(), PolicyError>) {
        let mut found = Found::new();
        let slots: Vec<Slot> = self.put.slots.keys().copied().collect();
        let mut result = Ok(());
        for slot in slots {
            result = result.and(self.put_back_slot(slot, &mut found));
        }
        result = result.and(self.take_out_foreign(&mut found));
        result = result.and(self.put_back_cgroups(&mut found));
        (found, result)
    }

    /// The same of what the agent put there for one slot, before it changes that.
    ///
    /// # Errors
    /// The same.
    pub fn put_back_of(&mut self, slot: Slot) -> (Found, Result<(), PolicyError>) {
        let mut found = Found::new();
        let result = self.put_back_slot(slot, &mut found);
        (found, result)
    }

    /// Whether somebody has frozen one of the maps that the agent writes to.
    pub fn is_frozen(&self) -> bool {
        WRITTEN.iter().any(|name| {
            let map = self.ebpf.map(name).expect("the object has this map");
            let (Map::HashMap(map) | Map::LruHashMap(map) | Map::Array(map)) = map else {
                unreachable!("the agent writes to no other kind");
            };
            number::<u32>(Some(map.fd().as_fd().as_raw_fd()), "frozen") != 0
        })
    }

    fn put_back_slot(&mut self, slot: Slot, found: &mut Found) -> Result<(), PolicyError> {
        let mut result = Ok(());
        if let Some(state) = self.put.slots.get(&slot).copied() {
            let map = self.ebpf.map("SLOT").expect("the object has this map");
            let map: Array<_, wire::Slot> =
                Array::try_from(map).expect("its values have this size");
            if map.get(&slot.0, 0).is_ok_and(|present| present != state) {
                found.entry(slot).or_default().changed += 1;
                result = self.set_slot(slot, state);
            }
        }
        let mut wrong = Vec::new();
        {
            let map = self.hash_ref::<AllowKey, Allowed>("ALLOW");
            for (key, listed) in self.allowed.get(&slot).into_iter().flatten() {
                let present = map.get(key, 0).ok();
                if present.is_none_or(|present| present.needs != listed.needs) {
                    let sighted = present.map_or(0, |present| present.sighted);
                    let needs = listed.needs;
                    wrong.push((*key, Allowed { needs, sighted }, present.is_none()));
                }
            }
        }
        for (key, value, is_gone) in wrong {
            found.entry(slot).or_default().count_wrong(is_gone);
            result = result.and(self.insert("ALLOW", self.sizes.allow, &key, value));
        }
        result
    }

    /// Takes out of `ALLOW` what the agent did not put there.
    fn take_out_foreign(&mut self, found: &mut Found) -> Result<(), PolicyError> {
        let foreign: Vec<AllowKey> = self
            .hash_ref::<AllowKey, Allowed>("ALLOW")
            .keys()
            .filter_map(Result::ok)
            .filter(|key| {
                let of_slot = self.allowed.get(&Slot(key.slot));
                of_slot.is_none_or(|of_slot| !of_slot.contains_key(key))
            })
            .collect();
        let mut result = Ok(());
        for key in foreign {
            found.entry(Slot(key.slot)).or_default().added += 1;
            result = result.and(self.remove::<AllowKey, Allowed>("ALLOW", &key));
        }
        result
    }

    /// A cgroup below a container goes without a word to the agent: that it is not
    /// there is nobody's doing.
    fn put_back_cgroups(&mut self, found: &mut Found) -> Result<(), PolicyError> {
        let mut gone = Vec::new();
        let mut wrong = Vec::new();
        {
            let map = self.hash_ref::<u64, Cgroup>("CGROUPS");
            for (cgroup, put) in &self.put.cgroups {
                let is_own = put.container == cgroup.0;
                match map.get(&cgroup.0, 0) {
                    Ok(present) if says_the_same(&present, put) => {}
                    Ok(present) => wrong.push((
                        *cgroup,
                        Cgroup {
                            root_dev: present.root_dev,
                            ..*put
                        },
                        false,
                    )),
                    Err(_) if is_own => wrong.push((*cgroup, *put, true)),
                    Err(_) => gone.push(*cgroup),
                }
            }
        }
        for cgroup in gone {
            self.put.forget_cgroup(cgroup);
        }
        let mut result = Ok(());
        for (cgroup, entry, is_gone) in wrong {
            found
                .entry(Slot(entry.slot))
                .or_default()
                .count_wrong(is_gone);
            result = result.and(self.set_cgroup(cgroup, entry));
        }
        result
    }
}

/// The rest of an entry is the programs' own.
fn says_the_same(present: &Cgroup, put: &Cgroup) -> bool {
    let rule = |entry: &Cgroup| (entry.container, entry.slot, entry.state, entry.spared);
    rule(present) == rule(put)
}
