//! The state that each workload is in, said when it changes.

use super::Node;
use super::workloads::{Phase, Workload};
use crate::control::protocol::AllowlistSource;
use crate::control::status::WorkloadState;
use crate::learn::{Baseline, Gap};
use crate::model::WorkloadId;
use jiff::Timestamp;

impl Node {
    /// The state of a workload; `None` where nothing is learned or enforced.
    pub(super) fn state(
        &self,
        id: &WorkloadId,
        workload: &Workload,
        now: Timestamp,
    ) -> Option<WorkloadState> {
        match &workload.phase {
            Phase::Learning { baseline, .. } => Some(of_learner(baseline, now)),
            Phase::Enforcing { source, .. } => Some(match self.finished_of(id, source) {
                Some(finished) => of_learned(finished, now),
                None => WorkloadState::Enforcing,
            }),
            Phase::NoAllowlist | Phase::Off => None,
        }
    }

    /// What a workload learned, where that is what it is held to.
    pub(super) fn finished_of(
        &self,
        id: &WorkloadId,
        source: &AllowlistSource,
    ) -> Option<&Baseline> {
        match source {
            AllowlistSource::Learned => self.workloads.finished.get(id),
            AllowlistSource::File(_) | AllowlistSource::Learning | AllowlistSource::None => None,
        }
    }

    /// Logs every change of a state since the last time.
    pub(super) fn tell_states(&mut self) {
        let now = Timestamp::now();
        let changed: Vec<_> = self
            .workloads
            .iter()
            .filter_map(|(id, workload)| {
                let state = self.state(id, workload, now);
                let before = workload.state.map(|(state, _)| state);
                (state != before).then(|| (id.clone(), before, state))
            })
            .collect();
        for (id, before, state) in changed {
            let word = |state: Option<WorkloadState>| state.map_or("none", WorkloadState::as_str);
            tracing::info!(workload = %id, from = word(before), to = word(state), "state");
            if let Some(workload) = self.workloads.get_mut(&id) {
                workload.state = state.map(|state| (state, now));
            }
        }
    }
}

/// The state of a workload that learns.
pub fn of_learner(baseline: &Baseline, now: Timestamp) -> WorkloadState {
    let progress = baseline.progress(now);
    let settled = progress.is_some_and(|progress| progress.is_settled());
    let over = progress.is_some_and(|progress| progress.is_over());
    match (settled && !baseline.is_incomplete(now), over) {
        (true, _) => WorkloadState::Stable,
        (false, true) => WorkloadState::Incomplete,
        (false, false) => WorkloadState::Learning,
    }
}

fn of_learned(baseline: &Baseline, now: Timestamp) -> WorkloadState {
    if baseline.probation().is_some() {
        WorkloadState::Probation
    } else if baseline.is_incomplete(now) {
        WorkloadState::Incomplete
    } else {
        WorkloadState::Enforcing
    }
}

/// Why what a workload has learned is incomplete, and what to do: one sentence
/// each. Nothing where it is complete.
pub fn shortcomings(baseline: &Baseline, now: Timestamp) -> Vec<String> {
    if !baseline.is_incomplete(now) {
        return Vec::new();
    }
    let gaps: Vec<Gap> = baseline.gaps().collect();
    let was_running = |gap: &Gap| matches!(gap, Gap::PreExisting { .. });
    let what_to_do = match baseline.starts() == 0 && gaps.iter().any(was_running) {
        true => "restart one of its containers, so that its start is seen",
        false => "let it learn for longer: execwarden extend",
    };
    let advice = format!("what it has learned may not be all; {what_to_do}");
    std::iter::once(advice)
        .chain(gaps.iter().map(ToString::to_string))
        .collect()
}
