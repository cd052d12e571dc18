//! The canary, tied to the kernel: its cgroup and slot there, what the kernel tells
//! of its runs, and who is told what came of them.
//!
//! Its cgroup is below the agent's own, and to the kernel a part of the same
//! container if that is one, but under a slot of its own: so it is judged where the
//! agent stands, and counts for nobody.

mod hearing;
mod telling;

use super::Node;
use super::clock::monotonic_ns;
use crate::canary::{Deliveries, Due, Expected, Helper, Perch, PerchError, Watch, Word};
use crate::containers::Hierarchy;
use crate::kernel::{Kernel, PolicyError};
use crate::model::{CgroupId, ExecCounts, Slot};
use agent_common::wire::{self, SLOT_CANARY, cgroup_state, mode, need, stop};
use jiff::Timestamp;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Where its execs are counted, and where nothing is allowed.
pub(super) const SLOT: Slot = Slot(SLOT_CANARY);

/// The canary of a running agent.
pub struct Canary {
    watch: Watch,
    place: Option<Place>,
    words: mpsc::Sender<Word>,
    generation: u32,
    /// Entries of its slot that were taken out of the map of what was seen.
    released: u64,
    /// What its slot had counted when the last run began, and when that was.
    before: ExecCounts,
    began_ns: u64,
    passed_at: Option<Timestamp>,
    deliveries: Deliveries,
}

/// Where it runs.
struct Place {
    perch: Perch,
    /// The agent's own cgroup, which is above it.
    own: CgroupId,
    helper: Option<Helper>,
    /// The process id of the last one, of which records may still come when it has
    /// ended.
    parent: Option<u32>,
}

impl Place {
    fn cgroup(&self) -> CgroupId {
        CgroupId(self.perch.id())
    }
}

/// What keeps a canary from being run.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRun {
    #[error(
        "{0}; make the agent's own cgroup writable for it, or do without a canary (--canary off)"
    )]
    Perch(#[from] PerchError),
    #[error(transparent)]
    Kernel(#[from] PolicyError),
    #[error("the process that is to execute it does not listen: {0}")]
    Helper(std::io::Error),
}

impl Canary {
    /// One that runs so often.
    pub fn new(interval: Duration, words: mpsc::Sender<Word>) -> Self {
        Self {
            watch: Watch::new(interval, Instant::now()),
            place: None,
            words,
            generation: 0,
            released: 0,
            before: ExecCounts::default(),
            began_ns: 0,
            passed_at: None,
            deliveries: Deliveries::default(),
        }
    }

    fn is_at(&self, cgroup: CgroupId) -> bool {
        { self.place.as_ref() }.is_some_and(|place| place.cgroup() == cgroup)
    }

    /// Nothing is allowed, and its number in the arguments makes each run another
    /// one to the kernel.
    fn next_slot_state(&mut self, quota: u64) -> wire::Slot {
        self.generation = self.generation.wrapping_add(1);
        wire::Slot {
            mode: mode::ENFORCE,
            generation: self.generation,
            detail: need::ARGS,
            stops: stop::UNLISTED,
            quota,
            released: self.released,
        }
    }

    /// Makes its cgroup, and has its helper in it. The first time this is done before
    /// the programs are attached, which then never see it come, and before the agent
    /// gives up its rights: where it stands in the root of the hierarchy, no other
    /// process may make one.
    pub(super) fn place(
        &mut self,
        kernel: &mut Kernel,
        hierarchy: &Hierarchy,
    ) -> Result<(), NoRun> {
        if { self.place.as_ref() }.is_some_and(|place| place.helper.is_some()) {
            return Ok(());
        }
        // One without a helper may have been removed by another agent.
        if { self.place.as_ref() }.is_none_or(|place| !place.perch.is_there()) {
            let no_own = || PerchError::NoOwn(hierarchy.mount_point().to_owned());
            let path = hierarchy.own().ok_or_else(no_own)?;
            self.place = Some(Place {
                own: hierarchy.id_of(&path).map_err(|_| no_own())?,
                perch: Perch::make(&hierarchy.folder(&path))?,
                helper: None,
                parent: None,
            });
        }
        // Before anything can run in it.
        self.tell_place(kernel)?;
        if let Some(place) = &mut self.place {
            let helper = Helper::start(&place.perch, self.words.clone())?;
            place.parent = Some(helper.pid());
            place.helper = Some(helper);
        }
        Ok(())
    }

    /// Tells the kernel whose cgroup it is. That of the agent may have got its name
    /// meanwhile.
    fn tell_place(&mut self, kernel: &mut Kernel) -> Result<(), PolicyError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let cgroup = place.cgroup();
        let above = match kernel.cgroup(place.own) {
            // Below a cgroup that nobody vouches for, a process in a mount namespace
            // of its own would have no name.
            Some(own) if own.state != cgroup_state::UNVOUCHED => CgroupId(own.container),
            _ => cgroup,
        };
        let state = self.next_slot_state(kernel.sizes().quota);
        kernel.set_slot(SLOT, state)?;
        kernel.set_container(cgroup, above, SLOT, None, false)
    }
}

impl Node {
    /// Whether what is to be stopped is, as the canary has it; `None` where none has
    /// passed.
    pub(super) fn canary_was_stopped(&self) -> Option<bool> {
        self.canary.as_ref()?.watch.was_stopped()
    }

    /// Whether a cgroup is the canary's, which is nobody's container.
    pub(super) fn is_canarys_cgroup(&self, cgroup: CgroupId) -> bool {
        { self.canary.as_ref() }.is_some_and(|canary| canary.is_at(cgroup))
    }

    /// Starts a run, or ends one, if it is time.
    pub(super) fn tend_canary(&mut self) {
        let waits = self.awaits_own_name();
        let Some(canary) = &mut self.canary else {
            return;
        };
        if waits && !canary.watch.is_running() {
            return;
        }
        match canary.watch.due(Instant::now()) {
            Due::Nothing => {}
            Due::Start(run) => self.send_canary(run),
            Due::Judge => self.judge_canary(),
        }
    }

    /// Whether the agent's own cgroup may still turn out to be a container: what runs
    /// there first would be taken for that container's first process.
    fn awaits_own_name(&self) -> bool {
        let own = self.cgroup_above_canary();
        own.is_some_and(|own| own.state == cgroup_state::PENDING)
    }

    fn canarys_place(&self) -> Option<&Place> {
        self.canary.as_ref()?.place.as_ref()
    }

    /// What the kernel knows of the agent's own cgroup.
    fn cgroup_above_canary(&self) -> Option<wire::Cgroup> {
        self.kernel.cgroup(self.canarys_place()?.own)
    }

    fn send_canary(&mut self, run: u64) {
        let sent = self.try_to_send_canary(run);
        if let Err(error) = sent
            && let Some(canary) = &mut self.canary
        {
            if let Some(place) = &mut canary.place {
                place.helper = None;
            }
            let news = canary.watch.cannot_run(error.to_string());
            self.tell_of_canary(news);
        }
    }

    fn try_to_send_canary(&mut self, run: u64) -> Result<(), NoRun> {
        self.compare_rules_of(SLOT);
        let Some(canary) = &mut self.canary else {
            return Ok(());
        };
        // Another agent that starts may have removed the cgroup before the helper
        // was in it.
        let (kernel, hierarchy) = (&mut self.kernel, &self.hierarchy);
        { canary.place(kernel, hierarchy) }.or_else(|_| canary.place(kernel, hierarchy))?;
        canary.tell_place(kernel)?;
        canary.before = kernel.accounting(SLOT);
        canary.began_ns = monotonic_ns();
        let helper = canary
            .place
            .as_mut()
            .and_then(|place| place.helper.as_mut());
        helper.map_or(Ok(()), |helper| helper.send(run).map_err(NoRun::Helper))
    }

    /// What is to come of a run: that it is stopped, where something relies on that.
    fn expected_of_canary(&self) -> Expected {
        let own = self.cgroup_above_canary();
        let is_spared = own.is_some_and(|own| own.spared != 0);
        let relies = self.workloads.iter().any(|(_, found)| found.is_blocked());
        match relies && !is_spared {
            true => Expected::Stopped,
            false => Expected::Reported,
        }
    }

    fn judge_canary(&mut self) {
        let expected = self.expected_of_canary();
        let Some(canary) = &mut self.canary else {
            return;
        };
        let counted = self.kernel.accounting(SLOT).since(canary.before);
        if canary.watch.lacks_answer()
            && let Some(place) = &mut canary.place
        {
            // It may never answer again.
            place.helper = None;
        }
        let news = canary.watch.judge(counted, expected);
        self.canary_was_judged(news);
    }

    /// Ends the helper and removes the cgroup: the agent ends.
    pub(super) async fn end_canary(&mut self) {
        let place = self.canary.as_mut().and_then(|canary| canary.place.take());
        if let Some(Place { perch, helper, .. }) = place {
            if let Some(helper) = helper {
                helper.end().await;
            }
            perch.remove().await;
        }
    }
}
