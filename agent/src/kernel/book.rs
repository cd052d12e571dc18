//! How much of what the kernel saw is in the agent's records: kept in the kernel
//! beside it, for the agent that comes after this one.
//!
//! It is written before the record goes anywhere. A record that the spool does not
//! have when the agent is killed was told to nobody, and what it stands for is told
//! again; so each entry has what was told before its last record, too.

use agent_common::wire::{SeenKey, Told};
use aya::maps::{HashMap, MapData};
use std::collections;

const NOTHING: Told = Told {
    before: 0,
    count: 0,
    number: 0,
};

/// The agent's own, and those of agents before it for as long as they are needed.
#[derive(Default)]
pub struct Book {
    own: Option<HashMap<MapData, SeenKey, Told>>,
    inherited: Vec<HashMap<MapData, SeenKey, Told>>,
    /// Which of them an entry is in, of what was inherited.
    place: collections::HashMap<SeenKey, usize>,
}

impl Book {
    /// One that is kept.
    pub(super) fn new(own: HashMap<MapData, SeenKey, Told>) -> Self {
        Self {
            own: Some(own),
            ..Self::default()
        }
    }

    /// Takes an earlier agent's over, with those entries of it that are told of from
    /// now on.
    pub(super) fn inherit(
        &mut self,
        map: HashMap<MapData, SeenKey, Told>,
        keys: impl IntoIterator<Item = SeenKey>,
    ) {
        let place = self.inherited.len();
        self.inherited.push(map);
        self.place.extend(keys.into_iter().map(|key| (key, place)));
    }

    /// Lets go of what was inherited.
    pub fn disinherit(&mut self) {
        self.inherited.clear();
        self.place.clear();
    }

    /// `more` execs of an entry are in the record of this number; the spool has all
    /// up to `committed`.
    pub fn tell(&mut self, key: &SeenKey, more: u64, number: u64, committed: u64) {
        let told = after(self.told(key), more, number, committed);
        if let Some(map) = self.map_of(key)
            && let Err(error) = map.insert(key, told, 0)
        {
            tracing::warn!(%error, "should the agent be killed, something is told twice");
        }
    }

    /// How many execs of an entry are in records.
    pub fn count(&self, key: &SeenKey) -> u64 {
        self.told(key).count
    }

    /// Whether there will be anything of it for another agent.
    pub fn is_kept(&self) -> bool {
        self.own.is_some()
    }

    /// Whether the spool has what was told of an entry.
    pub fn has(&self, key: &SeenKey, committed: u64) -> bool {
        self.told(key).number <= committed
    }

    /// The entry is gone.
    pub fn forget(&mut self, key: &SeenKey) {
        if let Some(map) = self.map_of(key) {
            // It need not be in it.
            let _ = map.remove(key);
        }
    }

    fn told(&self, key: &SeenKey) -> Told {
        let map = match self.place.get(key) {
            Some(place) => self.inherited.get(*place),
            None => self.own.as_ref(),
        };
        map.and_then(|map| map.get(key, 0).ok()).unwrap_or(NOTHING)
    }

    fn map_of(&mut self, key: &SeenKey) -> Option<&mut HashMap<MapData, SeenKey, Told>> {
        match self.place.get(key) {
            Some(place) => self.inherited.get_mut(*place),
            None => self.own.as_mut(),
        }
    }
}

/// How many execs of an entry nobody needs to be told of again, where the spool has
/// all records up to `committed`.
fn surely(told: Told, committed: u64) -> u64 {
    match told.number <= committed {
        true => told.count,
        false => told.before,
    }
}

fn after(told: Told, more: u64, number: u64, committed: u64) -> Told {
    Told {
        before: surely(told, committed),
        count: told.count.saturating_add(more),
        number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_spool_lacks_is_told_again_and_nothing_else() {
        let first = after(NOTHING, 1, 10, 9);
        assert_eq!((surely(first, 9), surely(first, 10)), (0, 1));

        let sum = after(first, 57, 20, 10);
        assert_eq!(surely(sum, 19), 1);
        assert_eq!(surely(sum, 20), 58);
    }

    #[test]
    fn two_records_that_the_spool_lacks_are_both_told_again() {
        let first = after(NOTHING, 1, 10, 9);
        let sum = after(first, 57, 11, 9);

        assert_eq!(surely(sum, 9), 0);
    }
}
