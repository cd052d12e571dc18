//! What an earlier agent has left in the kernel: what its programs saw, and how
//! much of that is told of.

use super::PolicyError;
use super::book::Book;
use super::exec_of_seen;
use super::pins::{Generation, PinError, Pins};
use super::truth::{Escaped, escaped};
use crate::model::{CgroupId, Exec};
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
    /// Execs.
    pub execs: Vec<Owed<Exec>>,
    /// Ways out of containers.
    pub escapes: Vec<Owed<Escaped>>,
    /// Execs beyond the quota of a container's workload.
    pub overflows: Vec<Owed<CgroupId>>,
}

/// Something that nobody was told of, or not as often as it came.
pub struct Owed<T> {
    /// As what it is in the book.
    pub key: SeenKey,
    /// What it is.
    pub what: T,
    /// How often nobody was told of it.
    pub count: u64,
    /// How often it came.
    pub total: u64,
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
                removed(generation.remove());
                return None;
            }
            match Maps::open(&generation.folder) {
                Ok(maps) => Some(Self { generation, maps }),
                // It had not begun to watch.
                Err(error) => {
                    tracing::debug!(%error, "an earlier agent had left half of its maps");
                    removed(generation.remove());
                    None
                }
            }
        });
        opened.collect()
    }

    /// Notes what has to be told again, where the spool has the records up to
    /// `committed`. The greatest number that was ever given to one.
    pub fn settle(&mut self, committed: u64) -> Result<u64, PolicyError> {
        let told = &mut self.maps.told;
        let lost: Vec<(SeenKey, Told)> = { told.iter().filter_map(Result::ok) }
            .filter(|(_, told)| told.number > committed)
            .collect();
        let last = { lost.iter() }.map(|(_, told)| told.number).max();
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
        Ok(last.unwrap_or(committed))
    }

    /// Takes its programs off the life of cgroups: from now on its maps stay as they
    /// are.
    pub fn detach(&self) {
        removed(self.generation.remove_links(&MAPS));
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
        let told_of = |key: &SeenKey| told.get(key, 0).map_or(0, |told| told.count);
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
            if seen.facts.slot != SLOT_CANARY {
                let exec = exec_of_seen(&key, &seen);
                untold
                    .execs
                    .extend(owed(key, exec, seen.count, told_of(&key)));
            }
        }
        for (_, escape) in escapes.iter().filter_map(Result::ok) {
            let key = key_of_escape(CgroupId(escape.container), CgroupId(escape.to));
            let escapes = owed(key, escaped(&escape), escape.count, told_of(&key));
            untold.escapes.extend(escapes);
        }
        for slot in SLOT_FIRST..SLOTS {
            let overflowed = usage.get(&slot, 0).map_or(0, |usage| usage.overflowed);
            let key = key_of_overflow(slot);
            let of_slot = |(_, cgroup): &(u64, Cgroup)| {
                cgroup.slot == slot && cgroup.state == cgroup_state::CONTAINER
            };
            if overflowed > 0
                && let Some((_, cgroup)) = cgroups.iter().filter_map(Result::ok).find(of_slot)
            {
                let container = CgroupId(cgroup.container);
                let overflow = owed(key, container, overflowed, told_of(&key));
                untold.overflows.extend(overflow);
            }
        }
        let execs = untold.execs.iter().map(|owed| owed.key);
        let escapes = untold.escapes.iter().map(|owed| owed.key);
        let overflows = untold.overflows.iter().map(|owed| owed.key);
        let keys: Vec<SeenKey> = execs.chain(escapes).chain(overflows).collect();
        book.inherit(told, keys);
        (untold, Leftover(self.generation))
    }
}

/// `None` where all of it was told.
fn owed<T>(key: SeenKey, what: T, total: u64, told: u64) -> Option<Owed<T>> {
    let count = total.checked_sub(told).filter(|count| *count > 0)?;
    Some(Owed {
        key,
        what,
        count,
        total,
    })
}

/// Maps of which all is told.
pub struct Leftover(Generation);

impl Leftover {
    /// Removes them, when the spool has what was told.
    pub fn remove(self) {
        removed(self.0.remove());
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

/// What stays costs room, and nothing else.
fn removed(result: Result<(), PinError>) {
    if let Err(error) = result {
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
