//! What the kernel saw: judged once, learned or reported, and counted for as
//! long as it stays in the kernel's map.

use super::Node;
use super::clock::time_of;
use super::workloads::Phase;
use crate::alert::{
    Action, AlertId, ContainerInfo, ExecEvidence, Kind, Leaver, Mode, Nearest, Record, Subject,
};
use crate::containers::Container;
use crate::judge::{Scope, Verdict, judge};
use crate::kernel::{Event, SeenEntry};
use crate::learn::{Gap, Outcome, Sighting};
use crate::model::{CgroupId, Exec, Reason, Slot, Untrusted, WorkloadId};
use agent_common::wire::{SLOT_PENDING, SeenKey};
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long an entry stays in the kernel's map after it became known: an exec
/// that was under way has found it by then.
const SETTLING: Duration = Duration::from_secs(1);
/// How long a deviation may rest before its entry makes room for others. Should
/// it come again, that is a first one again, under the same id.
const RESTING: Duration = Duration::from_secs(600);

/// An exec whose cgroup has no name yet.
pub struct Waiting {
    /// Its entry in the kernel's map.
    pub key: SeenKey,
    /// What it was.
    pub exec: Exec,
}

/// An entry of the kernel's map that was judged.
pub struct Tracked {
    /// How many execs of it were taken into account.
    counted: u64,
    /// When it last had more.
    moved: Instant,
    /// The slot whose quota it uses.
    charged: Slot,
    purpose: Purpose,
}

/// What further execs of an entry count for.
enum Purpose {
    /// The sum of an alert.
    Alert(AlertId, WorkloadId),
    /// A learned entry's evidence; later ones are known to the kernel.
    Learned(WorkloadId, Box<crate::model::Identity>),
    /// Nothing: covered by the allowlist, or outside containers. Later ones
    /// are known to the kernel.
    Known,
    /// Nothing: the runtime's own stage, which comes again with every exec
    /// into the container.
    RuntimeStage,
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

    fn on_exec(&mut self, key: SeenKey, exec: Exec) {
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

    fn is_waiting(&self, key: &SeenKey) -> bool {
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

    #[expect(clippy::too_many_arguments, reason = "the parts of one verdict")]
    fn deviates(
        &mut self,
        key: SeenKey,
        exec: &Exec,
        workload_id: &WorkloadId,
        container: Option<&Container>,
        reason: Reason,
        also: Vec<Reason>,
        nearest: Option<Nearest>,
    ) {
        let at = time_of(exec.at_ns);
        // A workload without an allowlist: one alert per container, and all
        // that is merely unlisted in its sum.
        let (id, subject) = if reason == Reason::NoAllowlist {
            (
                AlertId::new(&self.boot, exec.container, reason, None),
                Subject::Container,
            )
        } else {
            (
                AlertId::new(&self.boot, exec.container, reason, Some(&exec.identity)),
                Subject::Exec {
                    identity: exec.identity.clone(),
                    evidence: Some(ExecEvidence::from(exec)),
                    nearest,
                },
            )
        };
        let record = self.record(id, at, reason, also, subject, workload_id, container);
        self.alerts.raise(record, 1, at);
        if let Some(workload) = self.workloads.get_mut(workload_id) {
            workload.deviations += 1;
        }
        self.track(key, exec, Purpose::Alert(id, workload_id.clone()));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one record")]
    pub(super) fn record(
        &self,
        id: AlertId,
        time: Timestamp,
        reason: Reason,
        also: Vec<Reason>,
        subject: Subject,
        workload: &WorkloadId,
        container: Option<&Container>,
    ) -> Record {
        let learning = self
            .workloads
            .get(workload)
            .is_some_and(|workload| matches!(workload.phase, Phase::Learning { .. }));
        let description = container.and_then(|container| container.description.as_ref());
        let text = |text: Option<&String>| text.map(|text| Untrusted::from(text.as_str()));
        Record {
            id,
            number: 0,
            time,
            node: self.config.node_name.as_str().to_owned(),
            kind: Kind::Deviation,
            reason,
            also,
            subject,
            workload: workload.clone(),
            container: container.map(|container| ContainerInfo {
                id: container.name.id.clone(),
                runtime: Some(container.name.runtime),
                pod: text(description.and_then(|found| found.pod.as_ref())),
                image: text(description.and_then(|found| found.image.as_ref())),
            }),
            attributed: container.is_none() || description.is_some_and(|found| found.complete),
            mode: if learning { Mode::Learn } else { Mode::Enforce },
            action: Action::Alerted,
        }
    }

    fn track(&mut self, key: SeenKey, exec: &Exec, purpose: Purpose) {
        let charged = if exec.pending {
            Slot(SLOT_PENDING)
        } else {
            self.containers
                .lookup(exec.container)
                .and_then(Container::workload)
                .or_else(|| self.units.get(&exec.container))
                .and_then(|id| self.workloads.get(id))
                .map_or(Slot(SLOT_PENDING), |workload| workload.slot)
        };
        let tracked = Tracked {
            counted: 1,
            moved: Instant::now(),
            charged,
            purpose,
        };
        self.tracked.insert(key, tracked);
    }

    /// Walks the kernel's map: what the ring did not deliver is judged, what
    /// came again is counted, what is known by now makes room.
    pub(super) fn settle_counts(&mut self) {
        for entry in self.kernel.seen() {
            match self.tracked.get_mut(&entry.key) {
                Some(tracked) => {
                    let more = entry.count.saturating_sub(tracked.counted);
                    if more > 0 {
                        tracked.counted = entry.count;
                        tracked.moved = Instant::now();
                        self.count(&entry, more);
                    }
                }
                None => self.on_exec(entry.key, entry.exec),
            }
        }
        let now = Instant::now();
        let over: Vec<SeenKey> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| {
                let rests = now.saturating_duration_since(tracked.moved);
                match tracked.purpose {
                    Purpose::Known | Purpose::Learned(..) => rests >= SETTLING,
                    Purpose::Alert(..) => rests >= RESTING,
                    Purpose::RuntimeStage => false,
                }
            })
            .map(|(key, _)| *key)
            .collect();
        for key in over {
            self.forget_exec(&key);
        }
        self.report_escapes();
    }

    /// `more` execs of an entry that was judged before.
    fn count(&mut self, entry: &SeenEntry, more: u64) {
        let Some(tracked) = self.tracked.get(&entry.key) else {
            return;
        };
        let at = time_of(entry.last_ns);
        match &tracked.purpose {
            Purpose::Alert(id, workload) => {
                if let Some(workload) = self.workloads.get_mut(workload) {
                    workload.deviations += more;
                }
                self.alerts.more(*id, more, at);
            }
            Purpose::Learned(workload, identity) => {
                if let Some(workload) = self.workloads.get_mut(workload)
                    && let Phase::Learning {
                        baseline, dirty, ..
                    } = &mut workload.phase
                {
                    *dirty |= baseline.count(identity, more, at);
                }
            }
            Purpose::Known | Purpose::RuntimeStage => {}
        }
    }

    /// Takes an entry out of the kernel's map and gives its room back.
    fn forget_exec(&mut self, key: &SeenKey) {
        let Some(tracked) = self.tracked.remove(key) else {
            return;
        };
        let told = self.kernel.forget_seen(key);
        self.told(told);
        self.release(tracked.charged);
        if let Purpose::Alert(id, _) = tracked.purpose
            && !self
                .tracked
                .values()
                .any(|other| matches!(other.purpose, Purpose::Alert(also, _) if also == id))
        {
            self.alerts.forget(id);
        }
    }

    /// Takes out everything of a container, after a last look at its counts.
    pub(super) fn forget_execs_of(&mut self, container: CgroupId) {
        let from = SeenKey {
            container: container.0,
            path_hash: 0,
            script_hash: 0,
            layer: 0,
            circumstances: 0,
        };
        let of_container = |key: &SeenKey| key.container == container.0;
        let keys: Vec<SeenKey> = self
            .tracked
            .range(from..)
            .map(|(key, _)| *key)
            .take_while(of_container)
            .collect();
        for key in keys {
            self.forget_exec(&key);
        }
    }

    /// Takes out everything of a workload, so that it is judged anew.
    pub(super) fn forget_execs_of_workload(&mut self, id: &WorkloadId) {
        let containers: Vec<CgroupId> = self
            .containers
            .iter()
            .filter(|container| container.workload() == Some(id))
            .flat_map(|container| {
                let mut own = self.containers.children(container.cgroup);
                own.push(container.cgroup);
                own
            })
            .chain(
                self.units
                    .iter()
                    .filter(|(_, unit)| *unit == id)
                    .map(|(cgroup, _)| *cgroup),
            )
            .collect();
        for container in containers {
            self.forget_execs_of(container);
        }
    }

    fn report_escapes(&mut self) {
        for escape in self.kernel.escapes() {
            let told = self
                .escapes_told
                .entry((escape.container, escape.to))
                .or_insert(0);
            let more = escape.count.saturating_sub(*told);
            if more == 0 {
                continue;
            }
            *told = escape.count;
            let Some(container) = self.containers.lookup(escape.container).cloned() else {
                continue;
            };
            let Some(workload) = container.workload().cloned() else {
                // Later, when it has a name.
                *told -= more;
                continue;
            };
            let at = time_of(escape.at_ns);
            let id = AlertId::new(&self.boot, escape.container, Reason::Escaped, None);
            let subject = Subject::Escape(Leaver {
                pid: escape.pid,
                uid: escape.uid,
                comm: escape.comm,
                start_ns: escape.start_ns,
                to: escape.to,
            });
            let record = self.record(
                id,
                at,
                Reason::Escaped,
                Vec::new(),
                subject,
                &workload,
                Some(&container),
            );
            self.alerts.raise(record, more, at);
        }
    }

    /// Execs that found a slot's quota used up.
    fn report_overflow(&mut self, slot: Slot) {
        let overflowed = self.kernel.usage(slot).overflowed;
        let Some(id) = self.workloads.by_slot(slot).cloned() else {
            tracing::error!(
                overflowed,
                "more distinct execs of containers without a name than are kept apart"
            );
            return;
        };
        let Some(workload) = self.workloads.get_mut(&id) else {
            return;
        };
        let count = overflowed.saturating_sub(workload.overflow_told);
        if count == 0 {
            return;
        }
        workload.overflow_told = overflowed;
        workload.deviations += count;
        if let Phase::Learning {
            baseline, dirty, ..
        } = &mut workload.phase
        {
            baseline.note(Gap::EventsLost { count });
            *dirty = true;
        }
        let at = Timestamp::now();
        // One per workload: its containers share the quota.
        let alert = AlertId::new(
            &format!("{}/{id}", self.boot),
            CgroupId(0),
            Reason::Overflow,
            None,
        );
        let subject = Subject::Overflow { count };
        let record = self.record(alert, at, Reason::Overflow, Vec::new(), subject, &id, None);
        self.alerts.raise(record, count, at);
    }

    /// Looks for what the kernel could not do.
    pub(super) fn check_losses(&mut self) {
        let losses = self.kernel.losses();
        if losses.cgroups_full > self.losses_told.cgroups_full {
            tracing::error!(
                times = losses.cgroups_full,
                "the kernel's map of cgroups was full; looking through all of them"
            );
            self.take_in_cgroups();
        }
        if losses.seen_full > self.losses_told.seen_full {
            self.note_lost(losses.seen_full - self.losses_told.seen_full);
        }
        if losses.ring_full > self.losses_told.ring_full {
            tracing::warn!(
                times = losses.ring_full,
                "the ring was full; the maps were walked instead and nothing was lost"
            );
        }
        self.losses_told = losses;
        let slots: Vec<Slot> = self
            .workloads
            .iter()
            .map(|(_, workload)| workload.slot)
            .collect();
        for slot in slots {
            self.report_overflow(slot);
        }
    }
}
