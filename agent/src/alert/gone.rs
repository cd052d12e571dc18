//! Records that never went out, counted by whose they were.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of so many workloads the records are counted apart; of more, together.
const MAX_WORKLOADS: usize = 64;

/// Records that never went out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gone {
    /// How many.
    pub count: u64,
    /// The number of the first of them, at least.
    pub first: u64,
    /// The number of the last of them, at most.
    pub last: u64,
    /// How many of each workload; of the others of [`count`](Self::count) it is
    /// not known, or they were of too many.
    pub workloads: BTreeMap<String, u64>,
}

impl Gone {
    /// None yet: the next one has the number `first`.
    pub fn before(first: u64) -> Self {
        Self {
            count: 0,
            first,
            last: first,
            workloads: BTreeMap::new(),
        }
    }

    /// One more, of a workload if that is known.
    pub fn add(&mut self, number: u64, workload: &str) {
        self.count += 1;
        self.last = self.last.max(number);
        if let Some(count) = self.workloads.get_mut(workload) {
            *count += 1;
        } else if !workload.is_empty() && self.workloads.len() < MAX_WORKLOADS {
            self.workloads.insert(workload.to_owned(), 1);
        }
    }

    /// The workloads, the one with most records first.
    pub fn by_count(&self) -> Vec<(&str, u64)> {
        let workloads = self.workloads.iter();
        let mut workloads: Vec<(&str, u64)> = workloads
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        workloads.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        workloads
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Three, of two workloads.
    pub(in crate::alert) fn gone() -> Gone {
        let mut gone = Gone::before(5);
        gone.add(5, "runc/web");
        gone.add(6, "runc/a,b");
        gone.add(7, "runc/web");
        gone
    }

    #[test]
    fn they_are_counted_by_workload_as_far_as_there_is_room() {
        let mut gone = Gone::before(5);

        for number in 5..100 {
            gone.add(number, &format!("runc/{number}"));
        }
        gone.add(100, "runc/7");
        gone.add(101, "");

        assert_eq!((gone.count, gone.first, gone.last), (97, 5, 101));
        assert_eq!(gone.workloads.len(), MAX_WORKLOADS);
        assert_eq!(gone.by_count()[0], ("runc/7", 2));
    }
}
