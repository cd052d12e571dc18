//! Execs that were judged and are still in the kernel's map: counted for as
//! long as they stay, and taken out when they need no place any more.

use super::Node;
use super::alerts::Came;
use super::clock::time_of;
use super::journalling::Noted;
use super::workloads::Phase;
use crate::alert::AlertId;
use crate::model::{CgroupId, Exec, Identity, Slot, WorkloadId};
use agent_common::wire::{SLOT_PENDING, SeenKey, flag};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How long an entry stays in the kernel's map after it became known: an exec
/// that was under way has found it by then.
const SETTLING: Duration = Duration::from_secs(1);
/// How long a deviation may rest before its entry makes room for others. Should
/// it come again, that is a first one again, under the same id.
const RESTING: Duration = Duration::from_secs(600);

/// How long an entry waits at most for a disk that does not take what is told of it.
const LEAVING: Duration = Duration::from_secs(60);

/// An entry of the kernel's map that was judged.
pub struct Tracked {
    /// How many execs of it were taken into account.
    counted: u64,
    /// When it last had more.
    moved: Instant,
    /// The slot whose quota it uses.
    charged: Slot,
    purpose: Purpose,
    /// What the journal has it as.
    pub(super) noted: Option<Noted>,
}

impl Tracked {
    /// What further execs count for.
    pub(super) fn purpose(&self) -> &Purpose {
        &self.purpose
    }
}

/// An entry that was let go, and is in the kernel's map until all of it is told of
/// for good.
pub struct Leaving {
    /// How many execs of it were taken into account.
    counted: u64,
    /// The slot whose quota it uses; `None` if that is another workload's now.
    charged: Option<Slot>,
    /// What it is told of as.
    id: AlertId,
    since: Instant,
}

/// What further execs of an entry count for.
pub enum Purpose {
    /// The sum of an alert.
    Alert(AlertId, WorkloadId),
    /// What passed of a workload that may run anything for a time.
    Passed(WorkloadId),
    /// A learned entry's evidence; later ones are known to the kernel.
    Learned(WorkloadId, Box<Identity>),
    /// Nothing: covered by the allowlist, or outside containers. Later ones
    /// are known to the kernel.
    Known,
    /// Nothing: the runtime's own stage, which comes again with every exec
    /// into the container.
    RuntimeStage,
}

impl Node {
    pub(super) fn track(&mut self, key: SeenKey, exec: &Exec, purpose: Purpose) {
        let charged = if exec.pending {
            Slot(SLOT_PENDING)
        } else {
            self.workload_of(exec.container)
                .and_then(|id| self.workloads.get(id))
                .map_or(Slot(SLOT_PENDING), |workload| workload.slot)
        };
        if self.left.judged(&key) {
            // It is in no map of this agent's.
            return;
        }
        let counted = match &purpose {
            Purpose::Alert(id, _) => self.alerts.raised_of(*id, &key),
            _ => 1,
        };
        let tracked = Tracked {
            counted,
            moved: Instant::now(),
            charged,
            purpose,
            noted: None,
        };
        self.tracked.insert(key, tracked);
    }

    /// Walks the kernel's map: what the ring did not deliver is judged, what
    /// came again is counted, what is known by now makes room.
    pub(super) fn settle_counts(&mut self) {
        for entry in self.kernel.seen() {
            if self.leaving.contains_key(&entry.key) {
                continue;
            }
            match self.tracked.get_mut(&entry.key) {
                Some(tracked) => {
                    let more = entry.count.saturating_sub(tracked.counted);
                    if more > 0 {
                        tracked.counted = entry.count;
                        tracked.moved = Instant::now();
                        self.count(&entry.key, more, time_of(entry.last_ns));
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
                    Purpose::Alert(..) | Purpose::Passed(_) | Purpose::RuntimeStage => {
                        rests >= RESTING
                    }
                }
            })
            .map(|(key, _)| *key)
            .collect();
        for key in over {
            self.forget_exec(&key);
        }
        self.let_leave();
        self.report_escapes();
    }

    /// `more` execs of an entry that was judged before, up to `at`.
    fn count(&mut self, key: &SeenKey, more: u64, at: Timestamp) {
        let Some(tracked) = self.tracked.get(key) else {
            return;
        };
        if more == 0 {
            return;
        }
        let noted = tracked.noted;
        match &tracked.purpose {
            Purpose::Alert(id, workload) => {
                if let Some(workload) = self.workloads.get_mut(workload) {
                    workload.deviations += more;
                }
                self.alerts.more(*id, Came::new(Some(*key), more, at));
            }
            Purpose::Passed(workload) => {
                let workload = workload.clone();
                self.passes_beyond(&workload, more);
            }
            Purpose::Learned(workload, identity) => {
                if let Some(workload) = self.workloads.get_mut(workload)
                    && let Phase::Learning {
                        baseline, dirty, ..
                    } = &mut workload.phase
                {
                    *dirty |= baseline.count(identity, more, at);
                } else if let Some(baseline) = self.workloads.finished.get_mut(workload) {
                    baseline.count_found(identity, more, at);
                }
            }
            Purpose::Known | Purpose::RuntimeStage => {}
        }
        if let Some(noted) = noted {
            self.journal_more(noted, more, at);
        }
    }

    /// Lets an entry go, after a last look at its count.
    fn forget_exec(&mut self, key: &SeenKey) {
        let Some(tracked) = self.tracked.get(key) else {
            return;
        };
        let total = self.kernel.seen_count(key).unwrap_or(0);
        let more = total.saturating_sub(tracked.counted);
        self.count(key, more, Timestamp::now());
        let Some(tracked) = self.tracked.remove(key) else {
            return;
        };
        let Purpose::Alert(id, _) = tracked.purpose else {
            return self.take_out(key, Some(tracked.charged));
        };
        // Execs may share one alert: of a container without an allowlist, or of
        // one file in more than one circumstance.
        if !self
            .of_container(CgroupId(key.container))
            .any(|(_, other)| matches!(other.purpose, Purpose::Alert(also, _) if also == id))
        {
            self.alerts.forget(id);
        }
        if self.alerts.have_told(id, key) {
            return self.take_out(key, Some(tracked.charged));
        }
        let leaving = Leaving {
            counted: total,
            charged: Some(tracked.charged),
            id,
            since: Instant::now(),
        };
        self.leaving.insert(*key, leaving);
    }

    /// Takes out what was let go and is told of for good; until then the agent that
    /// comes after this one, should it be killed, has to find it there.
    fn let_leave(&mut self) {
        let leaving: Vec<SeenKey> = { self.leaving.iter() }
            .filter(|(key, one)| {
                let is_late = one.since.elapsed() >= LEAVING && !self.alerts.owe(one.id, key);
                is_late || self.alerts.have_told(one.id, key)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in leaving {
            let Some(leaving) = self.leaving.remove(&key) else {
                continue;
            };
            // What ran again meanwhile is judged anew, with the next walk.
            if self.kernel.seen_count(&key).unwrap_or(0) <= leaving.counted {
                self.take_out(&key, leaving.charged);
            }
        }
    }

    /// Takes an entry out of the kernel's map, and gives its room back.
    fn take_out(&mut self, key: &SeenKey, charged: Option<Slot>) {
        let told = self.kernel.forget_seen(key);
        self.told(told);
        self.alerts.forget_entry(key);
        if let Some(slot) = charged {
            self.release(slot);
        }
    }

    /// A slot is another workload's from now on: what leaves uses nothing of that
    /// one's quota.
    pub(super) fn free_leaving_of(&mut self, slot: Slot) {
        for leaving in self.leaving.values_mut() {
            if leaving.charged == Some(slot) {
                leaving.charged = None;
            }
        }
    }

    /// What is tracked of a container.
    fn of_container(&self, container: CgroupId) -> impl Iterator<Item = (&SeenKey, &Tracked)> {
        let from = SeenKey {
            container: container.0,
            path_hash: 0,
            name_hash: 0,
            detail: 0,
            layer: 0,
            circumstances: 0,
        };
        self.tracked
            .range(from..)
            .take_while(move |(key, _)| key.container == container.0)
    }

    /// Whether something of a container was stopped lately.
    pub(super) fn was_blocked(&self, container: CgroupId) -> bool {
        self.of_container(container)
            .any(|(key, _)| key.circumstances & flag::BLOCKED != 0)
    }

    /// Takes out everything of a container.
    pub(super) fn forget_execs_of(&mut self, container: CgroupId) {
        self.judge_uninspected(container);
        let keys: Vec<SeenKey> = self.of_container(container).map(|(key, _)| *key).collect();
        for key in keys {
            self.forget_exec(&key);
        }
        self.let_leave();
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
            .chain(self.units.cgroups(id))
            .collect();
        for container in containers {
            self.forget_execs_of(container);
        }
    }
}
