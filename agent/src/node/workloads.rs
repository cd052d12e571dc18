//! The workloads that have containers on this node, each with its slot in the
//! kernel and its policy. Pure: who calls carries the changes to the kernel.

use super::permits;
use super::terms::Terms;
use crate::allowlist::{Action, Allowlist, Unverified};
use crate::containers::InPod;
use crate::control::protocol::AllowlistSource;
use crate::control::status::{WorkloadMode, WorkloadState};
use crate::judge::Policy;
use crate::kernel::detail_bits;
use crate::learn::Baseline;
use crate::model::{CgroupId, ExecCounts, PutIn, Slot, WorkloadId};
use agent_common::wire::{self, SLOT_FIRST, SLOT_PENDING, SLOTS, mode, stop};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is done with a workload, with all that it takes.
pub enum Phase {
    /// It learns. What `beside` covers, by a person's document, is known
    /// already.
    Learning {
        /// What was learned so far.
        baseline: Box<Baseline>,
        /// A person's document.
        beside: Allowlist,
        /// Whether the store lacks the latest.
        dirty: bool,
    },
    /// It is held to its allowlist.
    Enforcing {
        /// The allowlist.
        allowlist: Allowlist,
        /// Where it comes from.
        source: AllowlistSource,
        /// What a deviation leads to.
        action: Action,
        /// What becomes of what only the agent can decide, where that is to stop
        /// it.
        unverified: Unverified,
    },
    /// It would be, and has none.
    NoAllowlist,
    /// Nothing is asked of it.
    Off,
}

impl Phase {
    /// What the judge needs of it, where `put_in` is learned; `None` where nothing
    /// is judged.
    pub fn policy(&self, put_in: PutIn) -> Option<Policy<'_>> {
        match self {
            Self::Learning { beside, .. } => Some(Policy::Learning {
                allowlist: beside,
                put_in,
            }),
            Self::Enforcing { allowlist, .. } => Some(Policy::Enforcing { allowlist }),
            Self::NoAllowlist => Some(Policy::NoAllowlist),
            Self::Off => None,
        }
    }

    /// What it learns into, if it learns.
    pub fn learner(&self) -> Option<&Baseline> {
        match self {
            Self::Learning { baseline, .. } => Some(baseline),
            Self::Enforcing { .. } | Self::NoAllowlist | Self::Off => None,
        }
    }

    /// What it may run by documents and decisions; a baseline is not among it.
    pub fn allowlist(&self) -> Option<&Allowlist> {
        match self {
            Self::Learning { beside, .. } => Some(beside),
            Self::Enforcing { allowlist, .. } => Some(allowlist),
            Self::NoAllowlist | Self::Off => None,
        }
    }

    /// The word for it.
    pub fn mode(&self) -> WorkloadMode {
        match self {
            Self::Learning { .. } => WorkloadMode::Learn,
            Self::Enforcing { .. } => WorkloadMode::Enforce,
            Self::NoAllowlist => WorkloadMode::NoAllowlist,
            Self::Off => WorkloadMode::Off,
        }
    }

    fn kernel_mode(&self) -> u32 {
        match self {
            Self::Learning { .. } => mode::LEARN,
            Self::Enforcing { .. } | Self::NoAllowlist => mode::ENFORCE,
            Self::Off => mode::OFF,
        }
    }
}

/// One workload.
pub struct Workload {
    /// Its slot. [`SLOT_PENDING`] when all were taken: the kernel then knows
    /// nothing of its allowlist and the agent judges each distinct exec.
    pub slot: Slot,
    /// What is done with it.
    pub phase: Phase,
    /// Whose word holds for it.
    pub terms: Terms,
    /// What its newest container is to its pod.
    pub newest: Newest,
    /// Execs that the kernel counted before it knew the workload.
    pub early: u64,
    /// The state that was told last, and since when it is so.
    pub state: Option<(WorkloadState, Timestamp)>,
    /// Deviating execs so far.
    pub deviations: u64,
    /// Its live containers.
    pub containers: u64,
    /// Those of them that ran before the agent.
    pub pre_existing: u64,
    /// Execs over the slot's quota that were reported so far.
    pub overflow_told: u64,
    /// What the slot had counted when it became this workload's.
    pub base: ExecCounts,
    generation: u32,
    /// The first generation of the journal's hour.
    hour: u32,
    detail: u32,
    /// Whether what is new is gathered: a new image is on probation.
    gathers: bool,
    /// What of its execs the kernel stops: see [`wire::stop`].
    stops: u32,
    released: u64,
}

impl Workload {
    /// The slot's state for the kernel, of a new generation.
    /// `gathers`: what is new is told apart as where it is learned. `stops`: what
    /// is stopped.
    pub fn next_slot_state(&mut self, quota: u64, gathers: bool, stops: u32) -> wire::Slot {
        self.generation = self.generation.wrapping_add(1);
        self.gathers = gathers;
        self.stops = stops;
        let (needs, names) = permits::detail(&self.phase, gathers);
        self.detail = detail_bits(needs, names);
        self.slot_state(quota)
    }

    /// The same, with which another hour of the journal begins. Where what was not
    /// looked at is stopped, no other does: what was looked at would be forgotten.
    pub fn next_hour(&mut self, quota: u64) -> wire::Slot {
        if self.stops & stop::UNVERIFIED != 0 {
            return self.slot_state(quota);
        }
        let state = self.next_slot_state(quota, self.gathers, self.stops);
        self.hour = self.generation;
        state
    }

    /// In which hour of the journal this generation was: 0 for this one, 1 for
    /// one before it.
    pub fn hours_ago(&self, generation: u32) -> u32 {
        u32::from(is_before(generation, self.hour))
    }

    /// Whether the kernel stops what deviates.
    pub fn is_blocked(&self) -> bool {
        self.stops != 0
    }

    /// How often its allowlist changed, or another hour began.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// One distinct exec was taken out of the map of what was seen.
    pub fn release(&mut self, quota: u64) -> wire::Slot {
        self.released += 1;
        self.slot_state(quota)
    }

    fn slot_state(&self, quota: u64) -> wire::Slot {
        wire::Slot {
            mode: self.phase.kernel_mode(),
            generation: self.generation,
            detail: self.detail,
            stops: self.stops,
            quota,
            released: self.released,
        }
    }
}

/// The container that speaks for its workload: the newest, so that what a team
/// changes holds as soon as one starts with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Newest {
    /// Its cgroup; a newer one has a higher number.
    pub cgroup: CgroupId,
    /// What it is to its pod.
    pub in_pod: InPod,
}

/// What a slot had used when it was given to a new workload.
#[derive(Clone, Copy, Default, Debug)]
pub struct SlotUse {
    /// Distinct execs ever put in.
    pub inserted: u64,
    /// Execs ever over the quota.
    pub overflowed: u64,
    /// All counts.
    pub counted: ExecCounts,
}

/// All workloads with a container, and who learns without one.
#[derive(Default)]
pub struct Workloads {
    active: BTreeMap<WorkloadId, Workload>,
    by_slot: HashMap<Slot, WorkloadId>,
    /// The generations of slots that were given back: never one twice.
    free: Vec<(Slot, u32)>,
    used: u32,
    /// Baselines that learn, of workloads without a container at the moment.
    pub dormant: BTreeMap<WorkloadId, Baseline>,
    /// What was learned of workloads that have, whether or not they have a
    /// container.
    pub finished: BTreeMap<WorkloadId, Baseline>,
    /// Whose latest the store lacks, beside the learners that are `dirty`.
    pub unsaved: BTreeSet<WorkloadId>,
}

impl Workloads {
    /// A workload, if it has containers.
    pub fn get(&self, id: &WorkloadId) -> Option<&Workload> {
        self.active.get(id)
    }

    /// A workload, if it has containers.
    pub fn get_mut(&mut self, id: &WorkloadId) -> Option<&mut Workload> {
        self.active.get_mut(id)
    }

    /// The workload of a slot.
    pub fn by_slot(&self, slot: Slot) -> Option<&WorkloadId> {
        self.by_slot.get(&slot)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&WorkloadId, &Workload)> {
        self.active.iter()
    }

    /// All of them, by name.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&WorkloadId, &mut Workload)> {
        self.active.iter_mut()
    }

    /// What a workload of this name learns or has learned: what it learns into,
    /// with a container or without, before what it has learned.
    pub fn baseline_named(&self, name: &str) -> Option<&Baseline> {
        let learners = { self.active.values() }.filter_map(|workload| workload.phase.learner());
        learners
            .chain(self.dormant.values())
            .chain(self.finished.values())
            .find(|baseline| baseline.workload().to_string() == name)
    }

    /// What a workload learns into, with a container or without, or else what it
    /// has learned: what the store has of it.
    fn latest(&self, id: &WorkloadId) -> Option<&Baseline> {
        let learner = { self.active.get(id) }.and_then(|workload| workload.phase.learner());
        learner
            .or_else(|| self.dormant.get(id))
            .or_else(|| self.finished.get(id))
    }

    /// What the store lacks.
    pub fn unsaved(&self) -> Vec<&Baseline> {
        let dirty = self
            .active
            .iter()
            .filter(|(_, workload)| matches!(workload.phase, Phase::Learning { dirty: true, .. }));
        let ids: BTreeSet<_> = dirty.map(|(id, _)| id).chain(&self.unsaved).collect();
        ids.into_iter().filter_map(|id| self.latest(id)).collect()
    }

    /// The store has all of it.
    pub fn saved(&mut self) {
        self.unsaved.clear();
        for workload in self.active.values_mut() {
            if let Phase::Learning { dirty, .. } = &mut workload.phase {
                *dirty = false;
            }
        }
    }

    /// The slot the next new workload gets; `None` when all are taken.
    pub fn next_slot(&self) -> Option<Slot> {
        match self.free.last() {
            Some((slot, _)) => Some(*slot),
            None => (SLOT_FIRST + self.used < SLOTS).then_some(Slot(SLOT_FIRST + self.used)),
        }
    }

    /// How many slots were ever given away.
    pub fn slots_used(&self) -> u32 {
        self.used
    }

    /// Takes a workload in. `before` is what [`Workloads::next_slot`] had used.
    pub fn add(
        &mut self,
        id: WorkloadId,
        phase: Phase,
        terms: Terms,
        newest: Newest,
        before: SlotUse,
    ) -> &mut Workload {
        let (slot, generation) = match self.free.pop() {
            Some(taken) => taken,
            None if SLOT_FIRST + self.used < SLOTS => {
                self.used += 1;
                (Slot(SLOT_FIRST + self.used - 1), 0)
            }
            None => (Slot(SLOT_PENDING), 0),
        };
        if slot.0 != SLOT_PENDING {
            self.by_slot.insert(slot, id.clone());
        }
        self.active.entry(id).or_insert(Workload {
            slot,
            phase,
            terms,
            newest,
            early: 0,
            state: None,
            deviations: 0,
            containers: 0,
            pre_existing: 0,
            overflow_told: before.overflowed,
            base: before.counted,
            generation,
            hour: generation,
            detail: 0,
            gathers: false,
            stops: 0,
            released: before.inserted,
        })
    }

    /// Lets a workload go whose last container is gone. One that learns goes
    /// on to do so without.
    pub fn remove(&mut self, id: &WorkloadId) -> Option<Workload> {
        let mut workload = self.active.remove(id)?;
        if workload.slot.0 != SLOT_PENDING {
            self.by_slot.remove(&workload.slot);
            self.free.push((workload.slot, workload.generation));
        }
        if let Phase::Learning {
            baseline, dirty, ..
        } = &mut workload.phase
        {
            self.dormant.insert(id.clone(), (**baseline).clone());
            if *dirty {
                self.unsaved.insert(id.clone());
            }
        }
        Some(workload)
    }
}

/// Whether one generation came before another; they wrap around.
fn is_before(generation: u32, other: u32) -> bool {
    generation.wrapping_sub(other) > u32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_comes_before_another_also_around_the_end() {
        assert!(is_before(1, 2) && !is_before(2, 1) && !is_before(2, 2));
        assert!(is_before(u32::MAX, 0) && !is_before(0, u32::MAX));
    }
}
