//! Systemd units, which are workloads where the host is watched: the cgroups that each
//! of them has. Pure.

use crate::model::{CgroupId, WorkloadId};
use std::collections::{HashMap, HashSet};

/// Every unit with a cgroup. One that is gone stays for what was seen of it.
#[derive(Debug, Default)]
pub struct Units(HashMap<CgroupId, Place>);

#[derive(Debug)]
struct Place {
    unit: WorkloadId,
    removed_ns: Option<u64>,
}

/// What is let go of.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Gone {
    /// Cgroups.
    pub cgroups: Vec<CgroupId>,
    /// Units that have none any more.
    pub units: Vec<WorkloadId>,
}

impl Units {
    /// A cgroup of a unit.
    pub fn add(&mut self, cgroup: CgroupId, unit: WorkloadId) {
        let removed_ns = None;
        self.0.insert(cgroup, Place { unit, removed_ns });
    }

    /// It was removed at this time.
    pub fn removed(&mut self, cgroup: CgroupId, at_ns: u64) {
        if let Some(place) = self.0.get_mut(&cgroup) {
            place.removed_ns = Some(at_ns);
        }
    }

    /// Whose a cgroup is.
    pub fn of(&self, cgroup: CgroupId) -> Option<&WorkloadId> {
        self.0.get(&cgroup).map(|place| &place.unit)
    }

    /// All that a unit has.
    pub fn cgroups(&self, unit: &WorkloadId) -> impl Iterator<Item = CgroupId> {
        let own = { self.0.iter() }.filter(move |(_, place)| place.unit == *unit);
        own.map(|(cgroup, _)| *cgroup)
    }

    /// Forgets the cgroups that were removed before this time.
    pub fn drain(&mut self, before_ns: u64) -> Gone {
        let is_over = |place: &Place| place.removed_ns.is_some_and(|at| at < before_ns);
        let gone: Vec<_> = self.0.extract_if(|_, place| is_over(place)).collect();
        if gone.is_empty() {
            return Gone::default();
        }
        let left: HashSet<&WorkloadId> = self.0.values().map(|place| &place.unit).collect();
        let (cgroups, units): (_, HashSet<WorkloadId>) = { gone.into_iter() }
            .map(|(cgroup, place)| (cgroup, place.unit))
            .unzip();
        let units = units.into_iter().filter(|unit| !left.contains(unit));
        Gone {
            cgroups,
            units: units.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_goes_with_the_last_of_its_cgroups_and_not_at_once() {
        let unit = |name: &str| WorkloadId::Unit {
            unit: name.to_owned(),
        };
        let mut units = Units::default();
        for (cgroup, name) in [(1, "a.service"), (2, "a.service"), (3, "b.service")] {
            units.add(CgroupId(cgroup), unit(name));
        }

        units.removed(CgroupId(1), 100);
        units.removed(CgroupId(3), 200);
        units.removed(CgroupId(9), 200);

        assert_eq!(units.drain(100), Gone::default());
        assert_eq!(units.of(CgroupId(1)), Some(&unit("a.service")));
        let gone = units.drain(101);
        assert_eq!((gone.cgroups, gone.units), (vec![CgroupId(1)], Vec::new()));
        let left: Vec<_> = units.cgroups(&unit("a.service")).collect();
        assert_eq!(left, [CgroupId(2)]);
        let gone = units.drain(201);
        assert_eq!(gone.units, [unit("b.service")]);
        assert_eq!(units.of(CgroupId(3)), None);
    }
}
