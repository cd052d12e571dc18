//! What the kernel saw, judged once: learned, reported, or known after all.

use super::counting::Purpose;
use super::permits;
use super::sighted::Sighted;
use super::workloads::Phase;
use super::{Node, canary};
use crate::alert::Nearest;
use crate::judge::{Policy, Scope, Verdict, judge, role_of};
use crate::kernel::{Event, SeenEntry};
use crate::learn::Outcome;
use crate::model::{CgroupId, Exec, Identity, Inspection, Reason, Role, Untrusted, WorkloadId};
use agent_common::wire::SeenKey;
use std::collections::HashSet;

/// An exec with what its files contained.
pub struct Seen<'a> {
    /// Its entry in the kernel's map.
    pub key: SeenKey,
    /// What it was.
    pub exec: &'a Exec,
    /// What its files contained.
    pub inspection: &'a Inspection,
}

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
                self.on_exec(key, *exec);
            }
            Event::Escape => self.report_escapes(),
            // Its runs tell.
            Event::Overflow(slot) if slot == canary::SLOT => {}
            Event::Overflow(slot) => self.report_overflow(slot),
        }
    }

    pub(super) fn on_exec(&mut self, key: SeenKey, exec: Exec) {
        if self.took_in_canary(&key, &exec) {
            return;
        }
        if self.tracked.contains_key(&key) || self.is_waiting(&key) {
            // The walk over the map was quicker than the ring.
            return;
        }
        if self.leaving.contains_key(&key) {
            return;
        }
        if self.is_own_exec(&exec) {
            return self.track(key, &exec, Purpose::Known);
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
            self.look_into(key, exec);
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
        let unnamed = self.waiting.get(&CgroupId(key.container));
        unnamed.is_some_and(|waiting| waiting.iter().any(|one| one.key == *key))
            || self.inspecting.contains(key)
    }

    /// Takes in what ran in cgroups that ended before they had a name, and may
    /// still be in the ring: it decides what they were, and no later look will
    /// find them.
    pub(super) fn gather_execs_of(&mut self, cgroups: &HashSet<CgroupId>) {
        for SeenEntry { key, exec, .. } in self.kernel.seen() {
            let is_new = !self.tracked.contains_key(&key)
                && !self.leaving.contains_key(&key)
                && !self.is_waiting(&key);
            if is_new && exec.pending && cgroups.contains(&exec.container) {
                let waiting = self.waiting.entry(exec.container).or_default();
                waiting.push(Waiting { key, exec });
            }
        }
    }

    /// Judges what waited for a cgroup's name.
    pub(super) fn judge_waiting(&mut self, cgroup: CgroupId) {
        for Waiting { key, exec } in self.waiting.remove(&cgroup).unwrap_or_default() {
            if let Some(id) = self.workload_of(exec.container).cloned()
                && let Some(workload) = self.workloads.get_mut(&id)
            {
                workload.early += 1;
            }
            self.look_into(key, exec);
        }
    }

    /// Whose a cgroup is; `None` outside containers.
    pub(super) fn workload_of(&self, cgroup: CgroupId) -> Option<&WorkloadId> {
        match self.containers.lookup(cgroup) {
            Some(container) => container.workload(),
            None => self.units.of(cgroup),
        }
    }

    /// What an exec is under its workload's policy; `None` where nothing is
    /// judged.
    pub(super) fn verdict(&self, exec: &Exec, inspection: &Inspection) -> Option<Verdict> {
        let id = self.workload_of(exec.container)?;
        let workload = self.workloads.get(id)?;
        let put_in = self.config.classes.put_in;
        let policy = match &workload.phase {
            // What a new image runs is gathered; the floor holds as ever.
            Phase::Enforcing { allowlist, .. } if self.is_on_probation(id, exec.container) => {
                Policy::Learning { allowlist, put_in }
            }
            phase => phase.policy(put_in)?,
        };
        Some(judge(policy, self.scope_of(exec), exec, inspection))
    }

    pub(super) fn scope_of(&self, exec: &Exec) -> Scope {
        match self.containers.lookup(exec.container) {
            Some(_) => Scope::Container,
            None => Scope::Unit,
        }
    }

    pub(super) fn judge(&mut self, key: SeenKey, exec: &Exec, inspection: &Inspection) {
        let id = self.workload_of(exec.container).cloned();
        let Some((id, verdict)) = id.zip(self.verdict(exec, inspection)) else {
            if self.left.has(&key) && !exec.pending && self.workload_of(exec.container).is_none() {
                tracing::error!(cgroup = exec.container.0, path = %exec.identity.path().escaped(512), "what an earlier agent saw of a container is not told of: the container is gone, and has no name");
            }
            // Outside containers, or switched off.
            return self.track(key, exec, Purpose::Known);
        };
        let reported = match &verdict {
            Verdict::Deviates { reason, .. } => *reason,
            // If a baseline does not take it after all.
            _ => Reason::Unlisted,
        };
        match verdict {
            Verdict::Known => {
                self.permit(&id, key, exec, inspection);
                self.track(key, exec, Purpose::Known);
            }
            Verdict::RuntimeStage => self.track(key, exec, Purpose::RuntimeStage),
            // What runs in an emergency is not what the workload is.
            Verdict::Learn(_) if self.allowances.get(&id).is_some() => {
                self.passes(key, exec, inspection, &id);
            }
            Verdict::Learn(identity) => self.learn(key, exec, inspection, identity, &id),
            Verdict::Deviates {
                reason,
                also,
                nearest,
            } => {
                if reason == Reason::Unverified {
                    self.permit(&id, key, exec, inspection);
                }
                let nearest = nearest.map(|nearest| Nearest {
                    entry: Untrusted::from(nearest.process.path().as_str()),
                    differs: nearest.differs.as_str(),
                });
                let seen = Seen {
                    key,
                    exec,
                    inspection,
                };
                self.deviates(&seen, &id, reason, also, nearest);
            }
        }
        self.journal_exec(&key, exec, inspection, &id, reported);
    }

    /// Tells the kernel that the same again is known.
    fn permit(&mut self, id: &WorkloadId, key: SeenKey, exec: &Exec, inspection: &Inspection) {
        let Some(workload) = self.workloads.get(id) else {
            return;
        };
        let (slot, generation) = (workload.slot, workload.generation());
        let identity = role_of(exec, inspection);
        for permit in permits::of_exec(&workload.phase, exec, &identity) {
            let told = self.kernel.allow(slot, &permit);
            self.told(told);
        }
        // What is told apart before its container has a name has other details.
        if key.detail != 0 && !exec.pending {
            let told = self.kernel.clear(slot, generation, &key);
            self.told(told);
        }
    }

    fn learn(
        &mut self,
        key: SeenKey,
        exec: &Exec,
        inspection: &Inspection,
        identity: Identity,
        id: &WorkloadId,
    ) {
        let seen = Seen {
            key,
            exec,
            inspection,
        };
        let container = self.containers.lookup(exec.container);
        let sighted = Sighted::new(container, &identity, &seen);
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let Phase::Learning {
            baseline, dirty, ..
        } = &mut workload.phase
        else {
            return self.learn_of_new_image(&seen, identity, id);
        };
        let outcome = baseline.observe(&identity, &sighted.sighting(&self.config));
        *dirty = true;
        match outcome {
            Outcome::New | Outcome::Known => {
                if outcome == Outcome::New {
                    let applet = match &identity.role {
                        Role::Applet(name) => Some(name.escaped(64)),
                        Role::Program | Role::Script(_) => None,
                    };
                    tracing::info!(workload = %id, path = %identity.path().escaped(512), applet, layer = %identity.path_layer(), "learned");
                }
                self.permit(id, key, exec, inspection);
                self.track(key, exec, Purpose::Learned(id.clone(), Box::new(identity)));
            }
            Outcome::Full | Outcome::Refused => {
                self.deviates(&seen, id, Reason::Unlisted, Vec::new(), None);
            }
        }
    }

    /// A container of a new image ran it. The kernel is not told: in containers of
    /// the old image it still deviates.
    fn learn_of_new_image(&mut self, seen: &Seen<'_>, identity: Identity, id: &WorkloadId) {
        match self.gather(id, seen, &identity) {
            true => {
                let purpose = Purpose::Learned(id.clone(), Box::new(identity));
                self.track(seen.key, seen.exec, purpose);
            }
            false => self.deviates(seen, id, Reason::Unlisted, Vec::new(), None),
        }
    }
}
