//! The allowlists that there are, also those of workloads that have no container
//! at the moment.

use super::Node;
use super::decisions::failed;
use super::policy::listed;
use super::terms::{Learned, Plan, Terms};
use super::workloads::{Phase, Workload};
use crate::allowlist::{Allowlist, Document, lay_over, render};
use crate::containers::InPod;
use crate::control::protocol::{
    AllowlistSource, AllowlistSummary, AllowlistText, Answer, Refusal, RefusalKind, Response,
};
use crate::control::status::WorkloadMode;
use crate::model::WorkloadId;
use std::collections::BTreeSet;

impl Node {
    /// One line for each.
    pub(super) fn allowlists(&self) -> Vec<AllowlistSummary> {
        let known = self.known_workloads();
        let lines = known.iter().map(|id| self.summary(id));
        lines
            .filter(|line| line.processes > 0 || line.source != AllowlistSource::None)
            .collect()
    }

    /// How many workloads have an allowlist, and no container at the moment; those
    /// that learn are not counted.
    pub(super) fn idle_allowlists(&self) -> u64 {
        let lists = { self.people.iter() }.chain(self.learned.iter());
        let with_list: BTreeSet<&WorkloadId> = lists
            .map(|(_, loaded)| &loaded.document.spec.workload)
            .collect();
        let idle = with_list.into_iter().filter(|id| {
            let learns = self.workloads.dormant.contains_key(id);
            !learns && self.workloads.get(id).is_none()
        });
        idle.count() as u64
    }

    fn summary(&self, id: &WorkloadId) -> AllowlistSummary {
        let workload = self.workloads.get(id);
        let (mode, processes, source) = match workload {
            None => self.expected(id),
            Some(Workload { phase, terms, .. }) => {
                let (processes, source) = match phase {
                    Phase::Enforcing { source, .. } => (listed(phase), source.clone()),
                    Phase::Learning { .. } => (listed(phase), AllowlistSource::Learning),
                    Phase::NoAllowlist | Phase::Off => self.would_hold(id, terms, Learned::Instead),
                };
                (phase.mode(), processes, source)
            }
        };
        AllowlistSummary {
            workload: id.to_string(),
            mode,
            processes,
            source,
            containers: workload.map_or(0, |workload| workload.containers),
        }
    }

    /// What would be done with the next container of a workload, as far as that
    /// can be told without one: its annotations may change it.
    fn expected(&self, id: &WorkloadId) -> (WorkloadMode, u64, AllowlistSource) {
        let terms = self.terms(id, &InPod::default());
        match terms.plan {
            Plan::Learn { .. } => {
                let learner = self.workloads.dormant.get(id);
                let learned = learner.map_or(0, |baseline| baseline.entries().len() as u64);
                (WorkloadMode::Learn, learned, AllowlistSource::Learning)
            }
            Plan::Off => {
                let (processes, source) = self.would_hold(id, &terms, Learned::Instead);
                (WorkloadMode::Off, processes, source)
            }
            Plan::Enforce(learned) => match self.would_hold(id, &terms, learned) {
                (processes, AllowlistSource::None) => {
                    (WorkloadMode::NoAllowlist, processes, AllowlistSource::None)
                }
                (processes, source) => (WorkloadMode::Enforce, processes, source),
            },
        }
    }

    /// How many entries hold if it is enforced, and where they come from.
    fn would_hold(
        &self,
        id: &WorkloadId,
        terms: &Terms,
        learned: Learned,
    ) -> (u64, AllowlistSource) {
        match self.enforced(id, terms, learned) {
            Some((allowlist, source)) => (Allowlist::len(&allowlist) as u64, source),
            None => (0, AllowlistSource::None),
        }
    }

    /// One, as a document.
    pub(super) fn allowlist(&self, name: &str) -> Response {
        let none = || {
            Refusal::new(
                RefusalKind::NotFound,
                format!(
                    "there is no allowlist of {name:?}; `execwarden allowlist list` names those there are"
                ),
            )
        };
        let id = self.workload_named(name).map_err(|_| none())?;
        let (source, document) = self.shown(&id)?.ok_or_else(none)?;
        let decided = self.decided.get(&id).map(|loaded| &loaded.document);
        Ok(Answer::AllowlistShow(AllowlistText {
            workload: name.to_owned(),
            source,
            yaml: render(&document),
            decisions: decided
                .map(|document| document.decisions())
                .unwrap_or_default(),
            decided: { self.decided.file_of(&id) }.map(|file| file.display().to_string()),
            file: Some(self.person_file(&id).display().to_string()),
            must_be_signed: self.people.is_signed(),
        }))
    }

    /// What a workload is held to, or learns, with what was decided laid over it.
    pub(super) fn shown(
        &self,
        id: &WorkloadId,
    ) -> Result<Option<(AllowlistSource, Document)>, Refusal> {
        let decided = self.decided.get(id).map(|loaded| &loaded.document);
        let (source, mut document) = match (self.base_document(id), decided) {
            (Some(base), _) => base,
            (None, Some(decided)) => (AllowlistSource::None, decided.clone()),
            (None, None) => return Ok(None),
        };
        if let Some(decided) = decided {
            let spec = &mut document.spec;
            lay_over(&mut spec.processes, &mut spec.removed, decided).map_err(failed)?;
        }
        Ok(Some((source, document)))
    }
}
