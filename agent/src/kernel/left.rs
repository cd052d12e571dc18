//! What an earlier agent has left in the kernel: what its programs saw, and how
//! much of that is told of.

use super::PolicyError;
use super::book::Book;
use super::pins::{Generation, PinError, Pins};
use super::truth::{Escaped, SeenEntry, escaped, seen_entry};
use crate::model::CgroupId;
use agent_common::wire::{
    Cgroup, Escape, Newborn, SLOT_CANARY, SLOT_FIRST, SLOTS, Seen, SeenKey, Told, Usage, VERSION,
    cgroup_state,
};
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use std::collections::BTreeMap;
use std::path::Path;

/// The maps that are pinned: what is needed of them when the agent is gone.
pub(super) const MAPS: [&str; 7] = [
    "SEEN", "TOLD", "NEWBORN", "GONE", "ESCAPES", "USAGE", "CGROUPS",
];

/// What one agent has left.
pub struct Left {
    generation: Generation,
    maps: Maps,
}

struct Maps {
    seen: HashMap<MapData, SeenKey, Seen>,
    told: HashMap<MapData, SeenKey, Told>,
    newborn: HashMap<MapData, u64, Newborn>,
    gone: HashMap<MapData, u64, Newborn>,
    escapes: HashMap<MapData, [u64; 2], Escape>,
    usage: Array<MapData, Usage>,
    cgroups: HashMap<MapData, u64, Cgroup>,
}

/// What was left untold.
#[derive(Default)]
pub struct Untold {
    /// Cgroups that came or went.
    pub newborns: Vec<(CgroupId, Newborn)>,
    /// Execs, each with how many of it nobody was told of.
    pub execs: Vec<SeenEntry>,
    /// Ways out of containers, likewise.
    pub escapes: Vec<(SeenKey, Escaped)>,
    /// Execs beyond the quota of a container's workload.
    pub overflows: Vec<(SeenKey, CgroupId, u64)>,
}

impl Left {
    /// Opens what earlier agents have left. What cannot be read is told of, and
    /// removed.
    pub(super) fn open(pins: &mut Pins) -> Vec<Self> {
        let opened = pins.take_before().into_iter().filter_map(|generation| {
            if generation.version != VERSION {
                tracing::error!(
                    version = generation.version,
                    "what an agent of another version saw and did not report cannot be read"
                );
                tidy(&generation);
                return None;
            }
            match Maps::open(&generation.folder) {
                Ok(maps) => Some(Self { generation, maps }),
                // It had not begun to watch.
                Err(error) => {
                    tracing::debug!(%error, "an earlier agent had left half of its maps");
                    tidy(&generation);
                    None
                }
            }
        });
        opened.collect()
    }

    /// Notes what has to be told again, where the spool has the records up to
    /// `committed`: their numbers are given to others from now on.
    pub fn settle(&mut self, committed: u64) -> Result<(), PolicyError> {
        let told = &mut self.maps.told;
        let lost: Vec<(SeenKey, Told)> = { told.iter().filter_map(Result::ok) }
            .filter(|(_, told)| told.number > committed)
            .collect();
        for (key, entry) in lost {
            let settled = Told {
                count: entry.before,
                number: 0,
                ..entry
            };
            told.insert(key, settled, 0)
                .map_err(|source| PolicyError::Map {
                    name: "TOLD",
                    source,
                })?;
        }
        Ok(())
    }

    /// Takes its programs off the life of cgroups: from now on its maps stay as they
    /// are.
    pub fn detach(&self) -> Result<(), PinError> {
        self.generation.remove_links(&MAPS)
    }

    /// All that nobody was told of, when that is [settled](Self::settle). What is told
    /// of it from now on is in the book.
    pub fn untold(self, book: &mut Book) -> (Untold, Leftover) {
        let Maps {
            seen,
            told,
            newborn,
            gone,
            escapes,
            usage,
            cgroups,
        } = self.maps;
        let owed = |key: &SeenKey, count: u64| {
            let told = told.get(key, 0).map_or(0, |told| told.count);
            Some(count.saturating_sub(told)).filter(|owed| *owed > 0)
        };
        // Who was killed while it moved one from here to there has it in both.
        let newborns: BTreeMap<u64, Newborn> =
            { newborn.iter().chain(gone.iter()).filter_map(Result::ok) }.collect();
        let mut untold = Untold {
            newborns: { newborns.into_iter() }
                .map(|(id, newborn)| (CgroupId(id), newborn))
                .collect(),
            ..Untold::default()
        };
        for (key, seen) in seen.iter().filter_map(Result::ok) {
            // Its own agent has waited for it, or nobody does.
            if seen.facts.slot == SLOT_CANARY {
                continue;
            }
            if let Some(count) = owed(&key, seen.count) {
                let entry = seen_entry(&key, &seen);
                untold.execs.push(SeenEntry { count, ..entry });
            }
        }
        for (_, escape) in escapes.iter().filter_map(Result::ok) {
            let key = key_of_escape(CgroupId(escape.container), CgroupId(escape.to));
            if let Some(count) = owed(&key, escape.count) {
                let escaped = escaped(&escape);
                untold.escapes.push((key, Escaped { count, ..escaped }));
            }
        }
        for slot in SLOT_FIRST..SLOTS {
            let overflowed = usage.get(&slot, 0).map_or(0, |usage| usage.overflowed);
            let key = key_of_overflow(slot);
            let of_slot = |(_, cgroup): &(u64, Cgroup)| {
                cgroup.slot == slot && cgroup.state == cgroup_state::CONTAINER
            };
            if let Some(count) = owed(&key, overflowed)
                && let Some((_, cgroup)) = cgroups.iter().filter_map(Result::ok).find(of_slot)
            {
                let container = CgroupId(cgroup.container);
                untold.overflows.push((key, container, count));
            }
        }
        let execs = untold.execs.iter().map(|entry| entry.key);
        let escapes = untold.escapes.iter().map(|(key, _)| *key);
        let overflows = untold.overflows.iter().map(|(key, ..)| *key);
        let keys: Vec<SeenKey> = execs.chain(escapes).chain(overflows).collect();
        book.inherit(told, keys);
        (untold, Leftover(self.generation))
    }
}

/// Maps of which all is told.
pub struct Leftover(Generation);

impl Leftover {
    /// Removes them, when the spool has what was told.
    pub fn remove(self) -> Result<(), PinError> {
        self.0.remove()
    }
}

impl Maps {
    fn open(folder: &Path) -> Result<Self, MapError> {
        let hash = |name: &str| MapData::from_pin(folder.join(name)).map(Map::HashMap);
        let array = |name: &str| MapData::from_pin(folder.join(name)).map(Map::Array);
        Ok(Self {
            seen: hash("SEEN")?.try_into()?,
            told: hash("TOLD")?.try_into()?,
            newborn: hash("NEWBORN")?.try_into()?,
            gone: hash("GONE")?.try_into()?,
            escapes: hash("ESCAPES")?.try_into()?,
            usage: array("USAGE")?.try_into()?,
            cgroups: hash("CGROUPS")?.try_into()?,
        })
    }
}

fn tidy(generation: &Generation) {
    if let Err(error) = generation.remove() {
        tracing::warn!(%error, "what an earlier agent has pinned cannot be removed");
    }
}

/// As what a way out of a container is in the book.
pub fn key_of_escape(container: CgroupId, to: CgroupId) -> SeenKey {
    of_no_exec(container.0, to.0)
}

/// As what the execs beyond a slot's quota are in the book.
pub fn key_of_overflow(slot: u32) -> SeenKey {
    of_no_exec(0, slot.into())
}

/// No exec has this layer.
fn of_no_exec(container: u64, what: u64) -> SeenKey {
    SeenKey {
        container,
        path_hash: what,
        name_hash: 0,
        detail: 0,
        layer: u32::MAX,
        circumstances: 0,
    }
}
