//! The containers of this node, by their cgroups.
//!
//! Pure: knows no clock and no file; what it cannot decide from a path it hands
//! back to be found out. A removed container stays until what was seen of it is
//! drained, since its last execs may still be under way.

use super::cgroup_path::{CgroupName, Recognised, recognise};
use super::runtime_state::Description;
use crate::model::{CgroupId, ContainerId, WorkloadId};
use std::collections::{HashMap, HashSet};

/// A container that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// Its cgroup.
    pub cgroup: CgroupId,
    /// Its cgroup's path.
    pub path: Vec<u8>,
    /// What the path told.
    pub name: CgroupName,
    /// What the runtime's files told; `None` until they were asked.
    pub description: Option<Description>,
    /// When its cgroup was made.
    pub since: Since,
    /// Monotonic clock of its cgroup's end; `None` while it lives.
    pub removed_ns: Option<u64>,
}

impl Container {
    /// The workload, once it is settled.
    pub fn workload(&self) -> Option<&WorkloadId> {
        self.description.as_ref().map(|found| &found.workload)
    }
}

/// Since when a cgroup is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// It was there when the agent started: what it ran before was not seen.
    BeforeTheAgent,
    /// Monotonic clock of its mkdir, in nanoseconds.
    Made(u64),
}

/// What a cgroup is found to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Made {
    /// A container of its own, now in the table.
    Container,
    /// A child of this container, now in the table.
    ChildOf(CgroupId),
    /// A child of the container at this path, of which the table has not heard:
    /// find its id, call [`Containers::made`] for it, then again for this one.
    ChildOfUnknown(Vec<u8>),
    /// Perhaps a container by one of these ids: look for its state, then call
    /// [`Containers::confirm`]. Not in the table.
    Unconfirmed(Vec<ContainerId>),
    /// Nothing of a container. Not in the table.
    Host,
}

#[derive(Debug)]
enum Entry {
    Container(Box<Container>),
    Child {
        path: Vec<u8>,
        container: CgroupId,
        removed_ns: Option<u64>,
    },
}

impl Entry {
    fn path(&self) -> &[u8] {
        match self {
            Self::Container(container) => &container.path,
            Self::Child { path, .. } => path,
        }
    }

    fn removed_ns(&self) -> Option<u64> {
        match self {
            Self::Container(container) => container.removed_ns,
            Self::Child { removed_ns, .. } => *removed_ns,
        }
    }
}

/// Which cgroup belongs to which container.
#[derive(Debug, Default)]
pub struct Containers {
    entries: HashMap<CgroupId, Entry>,
    /// Live containers only: a path may be used again, an id is not.
    by_path: HashMap<Vec<u8>, CgroupId>,
}

impl Containers {
    /// Takes in a cgroup by its path below the hierarchy's root. Parents have to
    /// come before their children (sort by the time of their mkdir). One that is
    /// in the table already stays as it is.
    pub fn made(&mut self, cgroup: CgroupId, path: &[u8], since: Since) -> Made {
        match self.entries.get(&cgroup) {
            Some(Entry::Container(_)) => return Made::Container,
            Some(Entry::Child { container, .. }) => return Made::ChildOf(*container),
            None => {}
        }
        // What stands below a container belongs to it, whatever its own name
        // says: the container chose that name.
        if let Some(container) = self.above(path) {
            let child = Entry::Child {
                path: path.to_vec(),
                container,
                removed_ns: None,
            };
            self.entries.insert(cgroup, child);
            return Made::ChildOf(container);
        }
        match recognise(path) {
            Recognised::Container { name, at } if at == path.len() => {
                self.confirm(cgroup, path, name, since);
                Made::Container
            }
            Recognised::Container { at, .. } => Made::ChildOfUnknown(path[..at].to_vec()),
            Recognised::Bare { ids } => Made::Unconfirmed(ids),
            Recognised::Host => Made::Host,
        }
    }

    /// Takes in a container whose name was found out elsewhere.
    pub fn confirm(&mut self, cgroup: CgroupId, path: &[u8], name: CgroupName, since: Since) {
        let container = Container {
            cgroup,
            path: path.to_vec(),
            name,
            description: None,
            since,
            removed_ns: None,
        };
        self.by_path.insert(path.to_vec(), cgroup);
        self.entries
            .insert(cgroup, Entry::Container(Box::new(container)));
    }

    /// Says what a container is called; `false` if there is no such container.
    pub fn describe(&mut self, cgroup: CgroupId, description: Description) -> bool {
        let Some(Entry::Container(container)) = self.entries.get_mut(&cgroup) else {
            return false;
        };
        container.description = Some(description);
        true
    }

    /// The container that a cgroup is, or belongs to; also for a while after it
    /// was removed.
    pub fn lookup(&self, cgroup: CgroupId) -> Option<&Container> {
        match self.entries.get(&cgroup)? {
            Entry::Container(container) => Some(container),
            Entry::Child { container, .. } => match self.entries.get(container)? {
                Entry::Container(container) => Some(container),
                Entry::Child { .. } => None,
            },
        }
    }

    /// The cgroups below a container.
    pub fn children(&self, container: CgroupId) -> Vec<CgroupId> {
        self.entries
            .iter()
            .filter(|(_, entry)| {
                matches!(entry, Entry::Child { container: own, .. } if *own == container)
            })
            .map(|(child, _)| *child)
            .collect()
    }

    /// Marks a cgroup's end at `at_ns` (monotonic clock). It stays for
    /// [`lookup`](Self::lookup) until [`drain`](Self::drain).
    pub fn removed(&mut self, cgroup: CgroupId, at_ns: u64) {
        let Some(entry) = self.entries.get_mut(&cgroup) else {
            return;
        };
        match entry {
            Entry::Container(container) => container.removed_ns = Some(at_ns),
            Entry::Child { removed_ns, .. } => *removed_ns = Some(at_ns),
        }
        let path = entry.path();
        if self.by_path.get(path) == Some(&cgroup) {
            self.by_path.remove(path);
        }
    }

    /// Forgets what was removed before `before_ns`, when all that was seen of it
    /// has been judged. Returns the containers among it.
    pub fn drain(&mut self, before_ns: u64) -> Vec<Container> {
        let drained: Vec<Container> = self
            .entries
            .extract_if(|_, entry| entry.removed_ns().is_some_and(|at| at < before_ns))
            .filter_map(|(_, entry)| match entry {
                Entry::Container(container) => Some(*container),
                Entry::Child { .. } => None,
            })
            .collect();
        if !drained.is_empty() {
            // The kernel removes children first; of some the end may be unheard.
            let gone: HashSet<CgroupId> = drained.iter().map(|one| one.cgroup).collect();
            self.entries.retain(|_, entry| match entry {
                Entry::Container(_) => true,
                Entry::Child { container, .. } => !gone.contains(container),
            });
        }
        drained
    }

    /// Every container, removed ones that are not drained included; in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Container> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Container(container) => Some(container.as_ref()),
            Entry::Child { .. } => None,
        })
    }

    /// The outermost live container that the path stands below.
    fn above(&self, path: &[u8]) -> Option<CgroupId> {
        path.iter()
            .enumerate()
            .skip(1)
            .filter(|(_, byte)| **byte == b'/')
            .find_map(|(slash, _)| self.by_path.get(&path[..slash]).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Runtime;

    const WEB: &[u8] = b"/default/web";
    const NOW: Since = Since::Made(1);

    fn id(n: u64) -> CgroupId {
        CgroupId(n)
    }

    fn bare(name: &str) -> CgroupName {
        CgroupName {
            runtime: Runtime::Runc,
            id: ContainerId::new(name).unwrap(),
            pod_uid: None,
        }
    }

    fn container_of(table: &Containers, cgroup: u64) -> Option<&str> {
        table
            .lookup(id(cgroup))
            .map(|container| container.name.id.as_str())
    }

    #[test]
    fn a_container_is_known_by_its_path() {
        let mut table = Containers::default();

        assert_eq!(
            table.made(id(1), b"/default", NOW),
            Made::Unconfirmed(vec![ContainerId::new("default").unwrap()])
        );
        assert_eq!(
            table.made(id(2), WEB, Since::BeforeTheAgent),
            Made::Container
        );
        assert_eq!(table.made(id(3), b"/system.slice", NOW), Made::Host);

        assert_eq!(container_of(&table, 1), None);
        assert_eq!(container_of(&table, 2), Some("web"));
        assert_eq!(container_of(&table, 3), None);
        assert_eq!(table.lookup(id(2)).unwrap().since, Since::BeforeTheAgent);
        assert_eq!(table.iter().count(), 1);
    }

    #[test]
    fn children_belong_to_the_outermost_container_whatever_they_are_called() {
        let mut table = Containers::default();
        table.confirm(id(1), b"/outer", bare("outer"), NOW);

        for (n, path) in [
            (2, &b"/outer/inner"[..]),
            (3, b"/outer/default/web"),
            (4, b"/outer/a/b/c"),
        ] {
            assert_eq!(table.made(id(n), path, NOW), Made::ChildOf(id(1)));
            assert_eq!(container_of(&table, n), Some("outer"));
        }
        assert_eq!(
            table.made(id(5), b"/outermost", NOW),
            Made::Unconfirmed(vec![ContainerId::new("outermost").unwrap()])
        );
    }

    #[test]
    fn a_child_of_a_container_that_was_missed_names_it() {
        let mut table = Containers::default();

        assert_eq!(
            table.made(id(2), b"/default/web/a", NOW),
            Made::ChildOfUnknown(WEB.to_vec())
        );
        table.made(id(1), WEB, NOW);

        assert_eq!(
            table.made(id(2), b"/default/web/a", NOW),
            Made::ChildOf(id(1))
        );
    }

    #[test]
    fn what_is_known_stays_as_it_is() {
        let mut table = Containers::default();
        table.made(id(1), WEB, Since::BeforeTheAgent);

        assert_eq!(table.made(id(1), WEB, NOW), Made::Container);

        assert_eq!(table.lookup(id(1)).unwrap().since, Since::BeforeTheAgent);
    }

    #[test]
    fn a_description_names_the_workload() {
        let mut table = Containers::default();
        table.made(id(1), WEB, NOW);
        table.made(id(2), b"/default/web/a", NOW);
        let workload = WorkloadId::Runtime {
            runtime: Runtime::Containerd,
            name: "web".into(),
        };
        let description = Description {
            workload: workload.clone(),
            image: None,
            pod: None,
            image_digest: None,
            pod_uid: None,
            in_pod: crate::containers::InPod::default(),
            complete: true,
        };

        assert_eq!(table.lookup(id(2)).unwrap().workload(), None);
        assert!(table.describe(id(1), description.clone()));
        assert!(!table.describe(id(2), description.clone()));
        assert!(!table.describe(id(9), description));

        assert_eq!(table.lookup(id(2)).unwrap().workload(), Some(&workload));
    }

    #[test]
    fn what_was_removed_is_found_until_it_is_drained() {
        let mut table = Containers::default();
        table.made(id(1), WEB, NOW);
        table.made(id(2), b"/default/web/a", NOW);

        table.removed(id(2), 10);
        table.removed(id(1), 11);
        table.removed(id(9), 11);

        assert_eq!(table.drain(10), []);
        assert_eq!(container_of(&table, 2), Some("web"));
        assert_eq!(table.lookup(id(1)).unwrap().removed_ns, Some(11));
        assert_eq!(table.drain(12).len(), 1);
        assert_eq!(container_of(&table, 1), None);
        assert_eq!(container_of(&table, 2), None);
    }

    #[test]
    fn a_drained_container_takes_its_children_along() {
        let mut table = Containers::default();
        table.made(id(1), WEB, NOW);
        table.made(id(2), b"/default/web/a", NOW);

        table.removed(id(1), 10);
        table.drain(11);

        assert!(table.entries.is_empty() && table.by_path.is_empty());
    }

    #[test]
    fn a_path_used_again_is_another_container() {
        let mut table = Containers::default();
        table.made(id(1), WEB, NOW);

        table.removed(id(1), 10);
        assert_eq!(table.made(id(2), WEB, Since::Made(11)), Made::Container);
        // The first one's end is told twice, or late.
        table.removed(id(1), 10);

        assert_eq!(
            table.made(id(3), b"/default/web/a", NOW),
            Made::ChildOf(id(2))
        );
        assert_eq!(table.lookup(id(1)).unwrap().removed_ns, Some(10));
        assert_eq!(table.lookup(id(2)).unwrap().removed_ns, None);
    }
}
