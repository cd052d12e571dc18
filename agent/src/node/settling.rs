//! A cgroup that has a name: the workload it belongs to, its slot, its end.

use super::Node;
use super::workloads::{Newest, SlotUse};
use crate::containers::{Container, InPod, Since, first_process};
use crate::model::{CgroupId, Slot, WorkloadId};
use agent_common::wire::{SLOT_HOST, SLOT_PENDING};

/// How long a removed container is kept for what was seen of it, nanoseconds.
const LINGER_NS: u64 = 3_000_000_000;

impl Node {
    /// It is outside containers.
    pub(super) fn is_host(&mut self, cgroup: CgroupId, path: &[u8], vouched: bool) {
        let slot = if self.config.host {
            let unit = WorkloadId::Unit {
                unit: unit_of(path),
            };
            self.units.add(cgroup, unit.clone());
            let newest = Newest {
                cgroup,
                in_pod: InPod::default(),
            };
            self.workload_slot(&unit, newest)
        } else {
            Slot(SLOT_HOST)
        };
        let told = self.kernel.set_host(cgroup, slot, vouched);
        self.told(told);
        let forgotten = self.kernel.forget_namespaces(cgroup);
        self.told(forgotten);
        self.judge_waiting(cgroup);
    }

    /// A container has a name: its workload, its slot, and what waited for it.
    pub(super) fn settle(&mut self, cgroup: CgroupId) {
        let Some(container) = self.containers.lookup(cgroup).cloned() else {
            return;
        };
        let Some(id) = container.workload().cloned() else {
            return;
        };
        let description = container.description.as_ref();
        let newest = Newest {
            cgroup,
            in_pod: description.map_or_else(InPod::default, |found| found.in_pod.clone()),
        };
        let slot = self.workload_slot(&id, newest);
        if let Some(workload) = self.workloads.get_mut(&id) {
            workload.containers += 1;
            workload.pre_existing += u64::from(container.since == Since::BeforeTheAgent);
        }
        let root_dev = self.root_of(&container);
        self.tell_first_process(&container);
        tracing::info!(container = container.name.id.short(), workload = %id, "container");
        // A new image is met before anything of it can be stopped.
        self.container_appeared(&container, &id);
        // Gone already: the kernel has no use for it.
        if container.removed_ns.is_none() {
            let is_spared = self.is_spared(&id, &container);
            let told = self
                .kernel
                .set_container(cgroup, cgroup, slot, root_dev, is_spared);
            self.told(told);
        }
        if container.since == Since::BeforeTheAgent && self.took_in_processes {
            self.take_in_processes(Some(cgroup));
        }
        for child in self.containers.children(cgroup) {
            self.adopt(child, cgroup);
        }
        self.judge_waiting(cgroup);
    }

    /// A cgroup below a container.
    pub(super) fn adopt(&mut self, cgroup: CgroupId, container: CgroupId) {
        let Some(workload) = self
            .containers
            .lookup(container)
            .and_then(Container::workload)
        else {
            // With its container, when that has a name.
            return;
        };
        let slot = self
            .workloads
            .get(workload)
            .map_or(Slot(SLOT_PENDING), |workload| workload.slot);
        let told = self
            .kernel
            .set_container(cgroup, container, slot, None, false);
        self.told(told);
        let forgotten = self.kernel.forget_namespaces(cgroup);
        self.told(forgotten);
        self.judge_waiting(cgroup);
    }

    pub(super) fn cgroup_removed(&mut self, cgroup: CgroupId, at_ns: u64) {
        self.ask_of_the_gone(cgroup);
        self.units.removed(cgroup, at_ns);
        if self.containers.lookup(cgroup).is_none() {
            let told = self.kernel.forget_cgroup(cgroup);
            self.told(told);
        }
        self.containers.removed(cgroup, at_ns);
    }

    /// Lets go of containers, and of units, that ended a while ago, when all that was
    /// seen of them has been judged and counted.
    pub(super) fn drain_containers(&mut self) {
        let before = super::clock::monotonic_ns().saturating_sub(LINGER_NS);
        self.drain_units(before);
        for container in self.containers.drain(before) {
            // Each takes up to half a millisecond. Were a hundred to go at
            // once, a container that comes meanwhile could be gone before it
            // was asked about.
            self.take_newborns();
            let was_blocked = self.was_blocked(container.cgroup);
            self.forget_execs_of(container.cgroup);
            self.forget_escapes_of(container.cgroup);
            for told in [
                self.kernel.forget_namespaces(container.cgroup),
                self.kernel.forget_cgroup(container.cgroup),
            ] {
                self.told(told);
            }
            let Some(id) = container.workload() else {
                continue;
            };
            if was_blocked {
                self.ended_blocked(id);
            }
            let Some(workload) = self.workloads.get_mut(id) else {
                continue;
            };
            workload.containers = workload.containers.saturating_sub(1);
            if container.since == Since::BeforeTheAgent {
                workload.pre_existing = workload.pre_existing.saturating_sub(1);
            }
            if workload.containers == 0 {
                self.let_workload_go(id);
            }
        }
    }

    fn drain_units(&mut self, before_ns: u64) {
        let gone = self.units.drain(before_ns);
        for cgroup in gone.cgroups {
            self.forget_execs_of(cgroup);
            self.forget_escapes_of(cgroup);
        }
        for unit in gone.units {
            self.let_workload_go(&unit);
        }
    }

    /// The slot of a workload, which is taken in if it is new. Its newest
    /// container speaks for it.
    fn workload_slot(&mut self, id: &WorkloadId, newest: Newest) -> Slot {
        if let Some(workload) = self.workloads.get(id) {
            let slot = workload.slot;
            self.hear_newest(id, newest);
            return slot;
        }
        let before = self.workloads.next_slot().map_or_else(
            || {
                tracing::error!(workload = %id, "more workloads than the kernel has slots; each distinct exec of this one is judged by the agent");
                SlotUse::default()
            },
            |slot| {
                let usage = self.kernel.usage(slot);
                SlotUse {
                    inserted: usage.inserted,
                    overflowed: usage.overflowed,
                    counted: self.kernel.accounting(slot),
                }
            },
        );
        let terms = self.terms(id, &newest.in_pod);
        terms.tell_refusals(id, &[]);
        let phase = self.first_phase(id, &terms, None);
        let workload = self.workloads.add(id.clone(), phase, terms, newest, before);
        let slot = workload.slot;
        self.apply_policy(id);
        slot
    }

    /// The device of a container's root, where it ran before the agent; the
    /// kernel finds it at the first exec of any other.
    fn root_of(&self, container: &Container) -> Option<u32> {
        if container.since != Since::BeforeTheAgent {
            return None;
        }
        super::start::root_dev(&self.hierarchy.folder(&container.path))
    }

    /// Which process is the first one of a container that ran before the agent;
    /// the kernel sees that of any other.
    fn tell_first_process(&mut self, container: &Container) {
        if container.since != Since::BeforeTheAgent {
            return;
        }
        let folder = self.hierarchy.folder(&container.path);
        if let Some(pid) = first_process(&folder) {
            let told = self.kernel.set_init(container.cgroup, pid);
            self.told(told);
        }
    }

    /// What the kernel did not take is said, and judged by the agent instead.
    pub(super) fn told(&self, result: Result<(), crate::kernel::PolicyError>) {
        if let Err(error) = result {
            tracing::error!(%error, "what the kernel does not know is reported as a deviation");
        }
    }
}

/// The systemd unit that a cgroup belongs to: the last folder that is one, or
/// `-`.
fn unit_of(path: &[u8]) -> String {
    String::from_utf8_lossy(path)
        .split('/')
        .rev()
        .find(|name| {
            let suffixes = [".service", ".socket", ".mount", ".swap"];
            suffixes.iter().any(|suffix| name.ends_with(suffix))
        })
        .unwrap_or("-")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_the_innermost_service() {
        for (path, unit) in [
            ("/system.slice/cron.service", "cron.service"),
            ("/system.slice/docker.service/x", "docker.service"),
            ("/user.slice/user-0.slice/session-1.scope", "-"),
            (
                "/user.slice/user-0.slice/user@0.service/app.slice/a.service",
                "a.service",
            ),
            ("/", "-"),
        ] {
            assert_eq!(unit_of(path.as_bytes()), unit, "{path}");
        }
    }
}
