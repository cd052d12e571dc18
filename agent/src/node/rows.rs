//! What `execwarden status` tells of each workload.

use super::Node;
use super::policy::listed;
use super::states::{of_learner, shortcomings};
use super::workloads::{Phase, Workload};
use crate::allowlist::Mode;
use crate::control::status::{LearningStatus, WorkloadMode, WorkloadStatus};
use crate::learn::Baseline;
use crate::model::WorkloadId;
use agent_common::wire::SLOT_PENDING;
use jiff::Timestamp;

impl Node {
    /// Of every workload with a container, and of those that learn and have none
    /// at the moment: a CronJob between two runs.
    pub(super) fn workload_statuses(&self) -> Vec<WorkloadStatus> {
        let now = Timestamp::now();
        let active = self.workloads.iter();
        let active = active.map(|(id, workload)| self.workload_status(id, workload, now));
        let waiting =
            { self.learners_without_container() }.map(|baseline| waiting_status(baseline, now));
        let mut statuses: Vec<_> = active.chain(waiting).collect();
        statuses.sort_by(|one, other| one.workload.cmp(&other.workload));
        statuses
    }

    /// What workloads without a container learn into; not where the operator has
    /// set another mode since.
    fn learners_without_container(&self) -> impl Iterator<Item = &Baseline> {
        self.workloads.dormant.values().filter(|baseline| {
            let id = baseline.workload();
            let decided = self.decided_mode(id).map(|(mode, _)| mode);
            self.workloads.get(id).is_none() && matches!(decided, None | Some(Mode::Learn))
        })
    }

    fn workload_status(
        &self,
        id: &WorkloadId,
        workload: &Workload,
        now: Timestamp,
    ) -> WorkloadStatus {
        let counted = self.kernel.accounting(workload.slot).seen;
        let of_slot = match workload.slot.0 {
            SLOT_PENDING => 0,
            _ => counted.saturating_sub(workload.base.seen),
        };
        let (learner, learned) = match &workload.phase {
            Phase::Learning { baseline, .. } => (Some(&**baseline), None),
            Phase::Enforcing { source, .. } => (None, self.finished_of(id, source)),
            Phase::NoAllowlist | Phase::Off => (None, None),
        };
        let state = self.state(id, workload, now);
        let told = workload.state.filter(|(told, _)| Some(*told) == state);
        WorkloadStatus {
            workload: id.to_string(),
            mode: workload.phase.mode(),
            blocks: workload.is_blocked(),
            state,
            state_since: told.map(|(_, since)| since),
            learning: learner.and_then(|baseline| learning_status(baseline, now)),
            shortcomings: learned
                .map(|baseline| shortcomings(baseline, now))
                .unwrap_or_default(),
            pending: learner
                .or(learned)
                .map_or(0, |baseline| baseline.pending().len() as u64),
            kind: workload.newest.in_pod.kind,
            refused: { workload.terms.refused.iter() }
                .map(ToString::to_string)
                .collect(),
            allowed_until: { self.allowances.get(id) }.map(|allowance| allowance.ends.to_string()),
            processes: listed(&workload.phase),
            containers: workload.containers,
            pre_existing: workload.pre_existing,
            execs: of_slot + workload.early,
            deviations: workload.deviations,
        }
    }
}

/// Of a workload that learns and has no container at the moment.
fn waiting_status(baseline: &Baseline, now: Timestamp) -> WorkloadStatus {
    WorkloadStatus {
        workload: baseline.workload().to_string(),
        mode: WorkloadMode::Learn,
        blocks: false,
        state: Some(of_learner(baseline, now)),
        state_since: None,
        learning: learning_status(baseline, now),
        kind: None,
        shortcomings: Vec::new(),
        pending: baseline.pending().len() as u64,
        refused: Vec::new(),
        allowed_until: None,
        processes: baseline.entries().len() as u64,
        containers: 0,
        pre_existing: 0,
        execs: 0,
        deviations: 0,
    }
}

fn learning_status(baseline: &Baseline, now: Timestamp) -> Option<LearningStatus> {
    let progress = baseline.progress(now)?;
    let ending = progress.ending;
    let incomplete = match baseline.is_incomplete(now) {
        true => baseline.gaps().map(|gap| gap.to_string()).collect(),
        false => Vec::new(),
    };
    Some(LearningStatus {
        window_s: ending.minimum.as_secs(),
        elapsed_s: progress.elapsed.as_secs(),
        remaining_s: progress.remaining().as_secs(),
        incomplete,
        unbroken_s: progress.unbroken.as_secs(),
        quiet_s: progress.quiet.as_secs(),
        quiet_asked_s: ending.quiet().as_secs(),
        starts: progress.starts,
        starts_asked: ending.starts.into(),
        maximum_s: ending.maximum().as_secs(),
    })
}
