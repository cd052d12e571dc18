//! Somebody else with the rights to write to the agent's maps, as bpftool does.

use agent_common::wire::{AllowKey, Allowed, Cgroup, Slot, Usage, mode};
use anyhow::{Context, Result, ensure};
use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, loaded_maps};
use std::collections::BTreeSet;

/// The maps of the programs that were loaded last.
pub struct Meddler {
    allow: HashMap<MapData, AllowKey, Allowed>,
    slots: Array<MapData, Slot>,
    usage: Array<MapData, Usage>,
    cgroups: HashMap<MapData, u64, Cgroup>,
}

impl Meddler {
    /// Finds them by their names.
    pub fn new() -> Result<Self> {
        Ok(Self {
            allow: hash("ALLOW")?,
            slots: Array::try_from(Map::Array(youngest("SLOT")?))?,
            usage: Array::try_from(Map::Array(youngest("USAGE")?))?,
            cgroups: hash("CGROUPS")?,
        })
    }

    /// Lets a slot run something that nobody allowed.
    pub fn add_entry(&mut self, slot: u32) -> Result<()> {
        let key = AllowKey {
            path_hash: 1,
            name_hash: 2,
            slot,
            layer: 3,
        };
        let needs = 0;
        let value = Allowed { needs, sighted: 0 };
        Ok(self.allow.insert(key, value, 0)?)
    }

    /// Takes away all that a slot may run; how many entries that were.
    pub fn remove_entries(&mut self, slot: u32) -> Result<u64> {
        let keys = self.entries(slot);
        for key in &keys {
            self.allow.remove(key)?;
        }
        Ok(keys.len() as u64)
    }

    /// Has a container be judged by the rules of another slot.
    pub fn move_container(&mut self, cgroup: u64, slot: u32) -> Result<()> {
        let entry = self.cgroups.get(&cgroup, 0)?;
        Ok(self.cgroups.insert(cgroup, Cgroup { slot, ..entry }, 0)?)
    }

    /// Has nothing be asked of a slot.
    pub fn switch_off(&mut self, slot: u32) -> Result<()> {
        let state = self.slots.get(&slot, 0)?;
        let mode = mode::OFF;
        Ok(self.slots.set(slot, Slot { mode, ..state }, 0)?)
    }

    /// Has a slot's room in the map of what was seen be used up; what was used of it.
    pub fn use_up(&mut self, slot: u32) -> Result<Usage> {
        let usage = self.usage.get(&slot, 0)?;
        let inserted = u64::MAX / 2;
        self.set_usage(slot, Usage { inserted, ..usage })?;
        Ok(usage)
    }

    /// Says what a slot has used of its room.
    pub fn set_usage(&mut self, slot: u32, usage: Usage) -> Result<()> {
        Ok(self.usage.set(slot, usage, 0)?)
    }

    /// The slot of a container.
    pub fn slot_of(&self, cgroup: u64) -> Result<u32> {
        Ok(self.cgroups.get(&cgroup, 0)?.slot)
    }

    /// The one slot that may run anything.
    pub fn only_slot(&self) -> Result<u32> {
        let slots = self.allow.keys().filter_map(Result::ok);
        let slots: BTreeSet<u32> = slots.map(|key| key.slot).collect();
        ensure!(slots.len() == 1, "{slots:?}");
        slots.into_iter().next().context("a slot")
    }

    /// What a slot may run.
    pub fn entries(&self, slot: u32) -> Vec<AllowKey> {
        let keys = self.allow.keys().filter_map(Result::ok);
        keys.filter(|key| key.slot == slot).collect()
    }
}

fn hash<K: Pod, V: Pod>(name: &str) -> Result<HashMap<MapData, K, V>> {
    Ok(HashMap::try_from(Map::HashMap(youngest(name)?))?)
}

/// The number of one of the maps; they are given out in order.
pub fn id_of(name: &str) -> Result<u32> {
    let maps = loaded_maps().filter_map(Result::ok);
    let of_name = maps.filter(|map| map.name_as_str() == Some(name));
    let id = of_name.map(|map| map.id()).max();
    let id = id.with_context(|| format!("no map is called {name}"))?;
    ensure!(id > 0, "{name} has no id");
    Ok(id)
}

fn youngest(name: &str) -> Result<MapData> {
    Ok(MapData::from_id(id_of(name)?)?)
}
