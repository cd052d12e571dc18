//! What the kernel saw, judged once: learned, reported, or known after all.

use super::Node;
use super::clock::time_of;
use super::counting::Purpose;
use super::workloads::Phase;
use crate::alert::Nearest;
use crate::containers::Container;
use crate::judge::{Scope, Verdict, judge};
use crate::kernel::{Event, SeenEntry};
use crate::learn::{Outcome, Sighting};
use crate::model::{CgroupId, Exec, Reason, Untrusted, WorkloadId};
use agent_common::wire::SeenKey;
use std::collections::HashSet;

/// An exec whose cgroup has no name yet.
pub struct Waiting {
    /// Its entry in the kernel's map.
    pub key: SeenKey,
    /// What it was.
    pub exec: Exec,
}

impl Node {
    /// One record of the ring.
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            // A cgroup is always older than the execs in it.
            Event::Cgroup => self.take_newborns(),
            Event::Exec(key, exec) => {
                if exec.pending {
                    self.take_newborns();
                }
                self.on_exec(key, exec);
            }
            Event::Escape => self.report_escapes(),
            Event::Overflow(slot) => self.report_overflow(slot),
        }
    }

    pub(super) fn on_exec(&mut self, key: SeenKey, exec: Exec) {
        if self.tracked.contains_key(&key) || self.is_waiting(&key) {
            // The walk over the map was quicker than the ring.
            return;
        }
        let cgroup = exec.container;
        if exec.pending {
            self.waiting
                .entry(cgroup)
                .or_default()
                .push(Waiting { key, exec });
            self.ask_now(cgroup);
            if !self.awaits_a_name(cgroup) {
                self.judge_waiting(cgroup);
            }
        } else {
            self.judge(key, &exec);
        }
    }

    /// Whether the runtime has yet to tell what the cgroup is, or what the
    /// container above it is.
    fn awaits_a_name(&self, cgroup: CgroupId) -> bool {
        let container = self.containers.lookup(cgroup);
        self.unnamed.contains_key(&cgroup)
            || container.is_some_and(|container| container.workload().is_none())
    }

    pub(super) fn is_waiting(&self, key: &SeenKey) -> bool {
        self.waiting
            .get(&CgroupId(key.container))
            .is_some_and(|waiting| waiting.iter().any(|one| one.key == *key))
    }

    /// Takes in what ran in cgroups that ended before they had a name, and may
    /// still be in the ring: it decides what they were, and no later look will
    /// find them.
    pub(super) fn gather_execs_of(&mut self, cgroups: &HashSet<CgroupId>) {
        for SeenEntry { key, exec, .. } in self.kernel.seen() {
            let is_new = !self.tracked.contains_key(&key) && !self.is_waiting(&key);
            if is_new && exec.pending && cgroups.contains(&exec.container) {
                let waiting = self.waiting.entry(exec.container).or_default();
                waiting.push(Waiting { key, exec });
            }
        }
    }

    /// Judges what waited for a cgroup's name.
    pub(super) fn judge_waiting(&mut self, cgroup: CgroupId) {
        for Waiting { key, exec } in self.waiting.remove(&cgroup).unwrap_or_default() {
            self.judge(key, &exec);
        }
    }

    fn judge(&mut self, key: SeenKey, exec: &Exec) {
        let container = self.containers.lookup(exec.container).cloned();
        let workload_id = match &container {
            Some(container) => container.workload().cloned(),
            None => self.units.get(&exec.container).cloned(),
        };
        let Some(id) = workload_id else {
            // Outside containers.
            return self.track(key, exec, Purpose::Known);
        };
        let Some(workload) = self.workloads.get_mut(&id) else {
            return self.track(key, exec, Purpose::Known);
        };
        if exec.pending {
            workload.early += 1;
        }
        let slot = workload.slot;
        let Some(policy) = workload.phase.policy() else {
            return self.track(key, exec, Purpose::Known);
        };
        let scope = match container {
            Some(_) => Scope::Container,
            None => Scope::Unit,
        };
        match judge(policy, scope, exec) {
            Verdict::Known => {
                let told = self.kernel.allow_as_seen(slot, &key);
                self.told(told);
                self.track(key, exec, Purpose::Known);
            }
            Verdict::RuntimeStage => self.track(key, exec, Purpose::RuntimeStage),
            Verdict::Learn => self.learn(key, exec, &id, container.as_ref()),
            Verdict::Deviates {
                reason,
                also,
                nearest,
            } => {
                let nearest = nearest.map(|nearest| Nearest {
                    entry: Untrusted::from(nearest.process.path().as_str()),
                    differs: nearest.differs.as_str(),
                });
                self.deviates(key, exec, &id, container.as_ref(), reason, also, nearest);
            }
        }
    }

    fn learn(&mut self, key: SeenKey, exec: &Exec, id: &WorkloadId, container: Option<&Container>) {
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let slot = workload.slot;
        let Phase::Learning {
            baseline, dirty, ..
        } = &mut workload.phase
        else {
            return;
        };
        let name = super::learning::container_name(container, exec.container);
        let outcome = baseline.observe(
            &exec.identity,
            &Sighting {
                at: time_of(exec.at_ns),
                execs: 1,
                container: &name,
                image: container
                    .and_then(|container| container.description.as_ref())
                    .and_then(|description| description.image.as_deref()),
            },
        );
        *dirty = true;
        match outcome {
            Outcome::New | Outcome::Known => {
                if outcome == Outcome::New {
                    tracing::info!(workload = %id, path = %exec.identity.path().escaped(512), layer = %exec.identity.layer, "learned");
                }
                let told = self.kernel.allow(slot, &exec.identity);
                self.told(told);
                let told = self.kernel.allow_as_seen(slot, &key);
                self.told(told);
                let identity = Box::new(exec.identity.clone());
                self.track(key, exec, Purpose::Learned(id.clone(), identity));
            }
            Outcome::Full | Outcome::Refused => {
                self.deviates(key, exec, id, container, Reason::Unlisted, Vec::new(), None);
            }
        }
    }
}
