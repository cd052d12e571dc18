//! What was raised and is in no record yet, by the entries of the kernel's maps that
//! have it. Pure.

use crate::model::WorkloadId;
use agent_common::wire::SeenKey;
use std::collections::HashMap;

/// Of one alert.
#[derive(Debug, Default)]
pub struct Owed {
    entries: HashMap<SeenKey, u64>,
}

impl Owed {
    /// So many more of an entry.
    pub fn add(&mut self, key: SeenKey, count: u64) {
        *self.entries.entry(key).or_default() += count;
    }

    /// How many of an entry.
    pub fn of(&self, key: &SeenKey) -> u64 {
        self.entries.get(key).copied().unwrap_or(0)
    }

    /// Takes one exec out: that of a first record.
    pub fn take_one(&mut self) -> HashMap<SeenKey, u64> {
        let Some((&key, &count)) = self.entries.iter().next() else {
            return HashMap::new();
        };
        match count {
            0 | 1 => self.entries.remove(&key),
            more => self.entries.insert(key, more - 1),
        };
        HashMap::from([(key, 1)])
    }

    /// Takes all out: that of a sum.
    pub fn take_all(&mut self) -> HashMap<SeenKey, u64> {
        std::mem::take(&mut self.entries)
    }
}

/// What is held back, by its workload.
#[derive(Debug, Default)]
pub struct OwedBack {
    workloads: HashMap<WorkloadId, Owed>,
}

impl OwedBack {
    /// So many more of these entries.
    pub fn add(&mut self, workload: &WorkloadId, entries: HashMap<SeenKey, u64>) {
        if entries.is_empty() {
            return;
        }
        let owed = self.workloads.entry(workload.clone()).or_default();
        for (key, count) in entries {
            owed.add(key, count);
        }
    }

    /// How many of an entry.
    pub fn of(&self, key: &SeenKey) -> u64 {
        self.workloads.values().map(|owed| owed.of(key)).sum()
    }

    /// Takes a workload's out.
    pub fn take(&mut self, workload: &WorkloadId) -> HashMap<SeenKey, u64> {
        let owed = self.workloads.remove(workload);
        owed.unwrap_or_default().take_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path_hash: u64) -> SeenKey {
        crate::kernel::key_of_escape(crate::model::CgroupId(1), crate::model::CgroupId(path_hash))
    }

    #[test]
    fn a_first_record_is_one_exec_and_a_sum_is_the_rest() {
        let mut owed = Owed::default();
        owed.add(key(1), 3);

        assert_eq!(owed.take_one(), HashMap::from([(key(1), 1)]));
        owed.add(key(2), 4);
        assert_eq!(owed.take_all(), HashMap::from([(key(1), 2), (key(2), 4)]));
        assert_eq!(owed.of(&key(1)), 0);
        assert!(owed.take_one().is_empty());
    }

    #[test]
    fn what_is_held_back_is_its_workloads() {
        let workload = |unit: &str| WorkloadId::Unit {
            unit: unit.to_owned(),
        };
        let mut back = OwedBack::default();
        back.add(&workload("a"), HashMap::from([(key(1), 2)]));
        back.add(&workload("a"), HashMap::from([(key(1), 1)]));
        back.add(&workload("b"), HashMap::from([(key(2), 5)]));

        assert_eq!(back.take(&workload("a")), HashMap::from([(key(1), 3)]));
        assert_eq!((back.of(&key(1)), back.of(&key(2))), (0, 5));
    }
}
