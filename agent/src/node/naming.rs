//! Cgroups come and go; containers get their names and workloads.
//!
//! The kernel has put every new cgroup into `NEWBORN` before the first exec in
//! it can happen. A name that is not known at once is asked for again, shortly
//! and boundedly; until then the execs wait. None is dropped.

use super::Node;
use super::workloads::SlotUse;
use crate::containers::{
    Bundle, CgroupName, Confirmed, Container, Made, Recognised, Since, recognise,
};
use crate::model::{CgroupId, ContainerId, Runtime, Slot, WorkloadId};
use agent_common::wire::{Newborn, SLOT_HOST, SLOT_PENDING};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// The wait before the first further question; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(2);
/// How often a runtime is asked: the last time after about a second.
const QUESTIONS: u32 = 10;
/// How long a removed container is kept for what was seen of it, nanoseconds.
const LINGER_NS: u64 = 3_000_000_000;
/// Where there is nothing to ask about.
const NEVER: Duration = Duration::from_secs(3600);

/// A cgroup whose runtime has not told what it is.
pub struct Unnamed {
    path: Vec<u8>,
    since: Since,
    /// Empty for a container that only lacks its description.
    ids: Vec<ContainerId>,
    /// Of the process that made it: what is left to go by if the runtime has
    /// forgotten the container before it could be asked.
    bundle: Option<Bundle>,
    asked: u32,
    next: Instant,
    gone: bool,
}

impl Node {
    /// Takes in the cgroups that came or went.
    pub(super) fn take_newborns(&mut self) {
        let mut newborns = match self.kernel.take_newborns() {
            Ok(newborns) => newborns,
            Err(error) => {
                tracing::error!(%error, "cannot take new cgroups");
                return;
            }
        };
        // Parents before children; what only ended comes first.
        newborns.sort_by_key(|(_, newborn)| newborn.made_ns);
        let ended: HashSet<CgroupId> = newborns
            .iter()
            .filter(|(cgroup, newborn)| {
                let is_news = newborn.made_ns != 0 || self.unnamed.contains_key(cgroup);
                newborn.removed_ns != 0 && is_news
            })
            .map(|(cgroup, _)| *cgroup)
            .collect();
        if !ended.is_empty() {
            self.gather_execs_of(&ended);
        }
        for (cgroup, newborn) in &newborns {
            if newborn.made_ns != 0 {
                let path = self.path_of(*cgroup, newborn);
                self.cgroup_made(*cgroup, &path, Since::Made(newborn.made_ns));
                if let Some(unnamed) = self.unnamed.get_mut(cgroup) {
                    unnamed.bundle = self.files.bundle_of(newborn.maker);
                }
            }
        }
        for (cgroup, newborn) in &newborns {
            if newborn.removed_ns != 0 {
                self.cgroup_removed(*cgroup, newborn.removed_ns);
            }
        }
    }

    /// The path as the kernel had it; of a longer one, as the tree has it.
    fn path_of(&self, cgroup: CgroupId, newborn: &Newborn) -> Vec<u8> {
        let kept = &newborn.path[..(newborn.path_len as usize).min(newborn.path.len())];
        if newborn.cut == 0 {
            return kept.to_vec();
        }
        let tree = self.hierarchy.scan().unwrap_or_default();
        tree.into_iter()
            .find(|(id, _)| *id == cgroup)
            .map_or_else(|| kept.to_vec(), |(_, path)| path)
    }

    /// A cgroup is there.
    pub(super) fn cgroup_made(&mut self, cgroup: CgroupId, path: &[u8], since: Since) {
        match self.containers.made(cgroup, path, since) {
            Made::Container => self.ask(cgroup, path, since, Vec::new(), None),
            Made::ChildOf(container) => self.adopt(cgroup, container),
            Made::ChildOfUnknown(above) => match self.hierarchy.id_of(&above) {
                Ok(parent) if parent != cgroup => {
                    self.cgroup_made(parent, &above, since);
                    if let Made::ChildOf(container) = self.containers.made(cgroup, path, since) {
                        self.adopt(cgroup, container);
                    }
                }
                // The container is gone and only its child was heard of.
                _ => {
                    if let Recognised::Container { name, .. } = recognise(path) {
                        self.is_container(cgroup, path, name, since, None);
                    }
                }
            },
            Made::Unconfirmed(ids) => self.ask(cgroup, path, since, ids, None),
            Made::Host => self.is_host(cgroup, path, true),
        }
    }

    fn is_container(
        &mut self,
        cgroup: CgroupId,
        path: &[u8],
        name: CgroupName,
        since: Since,
        bundle: Option<Bundle>,
    ) {
        self.containers.confirm(cgroup, path, name, since);
        self.ask(cgroup, path, since, Vec::new(), bundle);
    }

    fn ask(
        &mut self,
        cgroup: CgroupId,
        path: &[u8],
        since: Since,
        ids: Vec<ContainerId>,
        bundle: Option<Bundle>,
    ) {
        let unnamed = Unnamed {
            path: path.to_vec(),
            since,
            ids,
            bundle,
            asked: 0,
            next: Instant::now(),
            gone: false,
        };
        self.ask_runtime(cgroup, unnamed);
    }

    /// When the next question is due.
    pub(super) fn next_name(&self) -> Instant {
        let soonest = self.unnamed.values().map(|unnamed| unnamed.next).min();
        soonest.unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Asks again for what is due.
    pub(super) fn name_again(&mut self) {
        let now = Instant::now();
        let due: Vec<CgroupId> = self
            .unnamed
            .iter()
            .filter(|(_, unnamed)| unnamed.next <= now)
            .map(|(cgroup, _)| *cgroup)
            .collect();
        for cgroup in due {
            if let Some(unnamed) = self.unnamed.remove(&cgroup) {
                self.ask_runtime(cgroup, unnamed);
            }
        }
    }

    /// Asks once more for everything that has no name, and takes that answer:
    /// the agent ends, and what waits for a name would be lost.
    pub(super) fn name_the_rest(&mut self) {
        for (cgroup, mut unnamed) in std::mem::take(&mut self.unnamed) {
            unnamed.gone = true;
            self.ask_runtime(cgroup, unnamed);
        }
    }

    /// One question, and what follows from the answer.
    fn ask_runtime(&mut self, cgroup: CgroupId, mut unnamed: Unnamed) {
        unnamed.asked += 1;
        let last = unnamed.gone || unnamed.asked >= QUESTIONS;
        if unnamed.ids.is_empty() {
            let Some(container) = self.containers.lookup(cgroup) else {
                return;
            };
            let mut description = self.files.describe(&container.name);
            if last
                && !description.complete
                && let Some(bundle) = &unnamed.bundle
            {
                description = self.files.describe_by(bundle, &container.name);
            }
            if description.complete || last {
                self.containers.describe(cgroup, description);
                return self.settle(cgroup);
            }
        } else {
            match self.files.confirm(&unnamed.path, &unnamed.ids) {
                Confirmed::Yes(name) => {
                    let Unnamed {
                        path,
                        since,
                        bundle,
                        ..
                    } = unnamed;
                    return self.is_container(cgroup, &path, name, since, bundle);
                }
                Confirmed::No => return self.nobody_vouches(cgroup, unnamed),
                Confirmed::NotYet if last => return self.nobody_vouches(cgroup, unnamed),
                Confirmed::NotYet => {}
            }
        }
        unnamed.next = Instant::now() + FIRST_WAIT * 2u32.pow(unnamed.asked - 1);
        self.unnamed.insert(cgroup, unnamed);
    }

    /// No runtime knows of it. What runs there decides: a process in a mount
    /// namespace of its own makes it a container, whoever made it.
    fn nobody_vouches(&mut self, cgroup: CgroupId, unnamed: Unnamed) {
        let own_namespace = self.waiting.get(&cgroup).is_some_and(|waiting| {
            waiting
                .iter()
                .any(|one| !one.exec.host_mntns && !one.exec.outer_mntns)
        });
        match unnamed.ids.first() {
            Some(id) if own_namespace => {
                let name = CgroupName {
                    runtime: Runtime::Runc,
                    id: id.clone(),
                    pod_uid: None,
                };
                let Unnamed {
                    path,
                    since,
                    bundle,
                    ..
                } = unnamed;
                self.is_container(cgroup, &path, name, since, bundle);
            }
            _ => self.is_host(cgroup, &unnamed.path, false),
        }
    }

    /// An exec in a cgroup without a name. A runtime has written down what the
    /// container is before its first process runs, and takes it away when that
    /// has ended, which may be a millisecond later: it is asked at once. Such
    /// questions are not among the [`QUESTIONS`]; there is one at most for each
    /// distinct exec.
    pub(super) fn ask_now(&mut self, cgroup: CgroupId) {
        let above = self.containers.lookup(cgroup);
        let container = above.map_or(cgroup, |container| container.cgroup);
        match self.unnamed.remove(&container) {
            Some(mut unnamed) => {
                unnamed.asked -= 1;
                self.ask_runtime(container, unnamed);
            }
            None => self.ask_once_more(cgroup),
        }
    }

    /// An exec in a cgroup that nobody vouched for, in a mount namespace of its
    /// own.
    fn ask_once_more(&mut self, cgroup: CgroupId) {
        if self.unnamed.contains_key(&cgroup) || self.containers.lookup(cgroup).is_some() {
            return;
        }
        let tree = self.hierarchy.scan().unwrap_or_default();
        if let Some((_, path)) = tree.into_iter().find(|(id, _)| *id == cgroup) {
            self.cgroup_made(cgroup, &path, Since::BeforeTheAgent);
        }
    }

    /// It is outside containers.
    fn is_host(&mut self, cgroup: CgroupId, path: &[u8], vouched: bool) {
        let slot = if self.config.host {
            let unit = WorkloadId::Unit {
                unit: unit_of(path),
            };
            self.units.insert(cgroup, unit.clone());
            self.workload_slot(&unit)
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
    fn settle(&mut self, cgroup: CgroupId) {
        let Some(container) = self.containers.lookup(cgroup).cloned() else {
            return;
        };
        let Some(id) = container.workload().cloned() else {
            return;
        };
        let slot = self.workload_slot(&id);
        if let Some(workload) = self.workloads.get_mut(&id) {
            workload.containers += 1;
            workload.pre_existing += u64::from(container.since == Since::BeforeTheAgent);
        }
        let root_dev = self.root_of(&container);
        // Gone already: the kernel has no use for it.
        if container.removed_ns.is_none() {
            let told = self.kernel.set_container(cgroup, cgroup, slot, root_dev);
            self.told(told);
        }
        tracing::info!(container = container.name.id.short(), workload = %id, "container");
        self.container_appeared(&container, &id);
        for child in self.containers.children(cgroup) {
            self.adopt(child, cgroup);
        }
        self.judge_waiting(cgroup);
    }

    /// A cgroup below a container.
    fn adopt(&mut self, cgroup: CgroupId, container: CgroupId) {
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
        let told = self.kernel.set_container(cgroup, container, slot, None);
        self.told(told);
        let forgotten = self.kernel.forget_namespaces(cgroup);
        self.told(forgotten);
        self.judge_waiting(cgroup);
    }

    fn cgroup_removed(&mut self, cgroup: CgroupId, at_ns: u64) {
        if let Some(mut unnamed) = self.unnamed.remove(&cgroup) {
            // No use in waiting: what is left now is all there will be.
            unnamed.gone = true;
            self.ask_runtime(cgroup, unnamed);
        }
        self.units.remove(&cgroup);
        if self.containers.lookup(cgroup).is_none() {
            let told = self.kernel.forget_cgroup(cgroup);
            self.told(told);
        }
        self.containers.removed(cgroup, at_ns);
    }

    /// Lets go of containers that ended a while ago, when all that was seen of
    /// them has been judged and counted.
    pub(super) fn drain_containers(&mut self) {
        let before = super::clock::monotonic_ns().saturating_sub(LINGER_NS);
        for container in self.containers.drain(before) {
            // Each takes up to half a millisecond. Were a hundred to go at
            // once, a container that comes meanwhile could be gone before it
            // was asked about.
            self.take_newborns();
            self.forget_execs_of(container.cgroup);
            for told in [
                self.kernel.forget_namespaces(container.cgroup),
                self.kernel.forget_escapes(container.cgroup),
                self.kernel.forget_cgroup(container.cgroup),
            ] {
                self.told(told);
            }
            self.escapes_told
                .retain(|(left, _), _| *left != container.cgroup);
            let Some(id) = container.workload() else {
                continue;
            };
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

    /// The slot of a workload, which is taken in if it is new.
    pub(super) fn workload_slot(&mut self, id: &WorkloadId) -> Slot {
        if let Some(workload) = self.workloads.get(id) {
            return workload.slot;
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
        let phase = self.first_phase(id);
        let slot = self.workloads.add(id.clone(), phase, before).slot;
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
