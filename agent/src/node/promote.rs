//! The operator's word about a workload's mode, and about what a deviation leads to.

use super::Node;
use super::decisions::{Plan, checked, failed, refused};
use super::learning::appearance;
use super::promotion::{Care, Word};
use super::workloads::Phase;
use crate::allowlist::{DecidedAction, Mode, Spec};
use crate::containers::Container;
use crate::control::operation::{Difference, How, Sign};
use crate::control::protocol::{Refusal, RefusalKind, Response};
use crate::history::{What, Who};
use crate::learn::{Baseline, Gap};
use crate::model::WorkloadId;
use jiff::Timestamp;
use std::collections::BTreeMap;

impl Node {
    /// Which workloads are meant.
    pub(super) fn promoted(
        &self,
        workload: Option<&str>,
        wanted: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<WorkloadId>, Refusal> {
        let is_chosen = wanted.is_some() || !labels.is_empty();
        match workload {
            Some(name) if !is_chosen => return self.workload_named(name).map(|id| vec![id]),
            None if is_chosen => {}
            _ => {
                let message = "name either a workload, or a namespace and labels";
                return Err(Refusal::new(RefusalKind::BadRequest, message));
            }
        }
        let mut found = self.known_workloads();
        found.retain(|id| {
            let in_namespace = |wanted| {
                matches!(id, WorkloadId::Kubernetes { namespace, .. } if namespace == wanted)
            };
            wanted.is_none_or(in_namespace) && self.has_labels(id, labels)
        });
        match found.is_empty() {
            false => Ok(found.into_iter().collect()),
            true => Err(Refusal::new(
                RefusalKind::NotFound,
                "there is no such workload; `execwarden status` names those there are",
            )),
        }
    }

    /// Whether the newest pod of a workload has these labels.
    fn has_labels(&self, id: &WorkloadId, labels: &BTreeMap<String, String>) -> bool {
        let workload = self.workloads.get(id);
        let found = workload.map(|workload| &workload.newest.in_pod.labels);
        labels
            .iter()
            .all(|(key, value)| found.is_some_and(|found| found.get(key) == Some(value)))
    }

    pub(super) fn promote(
        &mut self,
        of: Vec<WorkloadId>,
        word: Word,
        care: &Care,
        how: &How,
        who: &Who,
    ) -> Response {
        let now = Timestamp::now();
        let mut plans = Vec::new();
        let mut ends = Vec::new();
        for id in of {
            self.check_person(&id, word)?;
            if let Some(blocking) = word.blocking() {
                self.check_blocking(&id, blocking, care, now)?;
            }
            let learning = self.baseline_of(&id);
            if let (Some(Mode::Enforce), Some(baseline)) = (word.mode(), learning) {
                check_complete(baseline, care.even_incomplete, now)?;
                ends.push(id.clone());
            }
            plans.extend(self.promotion_plan(id, word, now)?);
        }
        if how.apply {
            // First whether this is what was shown, then what takes a disk.
            checked(plans.iter().map(|plan| plan.change.clone()).collect(), how)?;
            for id in ends {
                self.end_learning(&id, now)?;
            }
        }
        let learns: Vec<WorkloadId> = match word.mode() {
            Some(Mode::Learn) => plans.iter().map(|plan| plan.workload.clone()).collect(),
            Some(Mode::Enforce | Mode::Off) | None => Vec::new(),
        };
        let unchecked = How {
            plan: None,
            ..how.clone()
        };
        let answer = self.carry_out(What::Promote, plans, &unchecked, who)?;
        if how.apply {
            for id in learns {
                self.take_in_containers(&id);
            }
        }
        Ok(answer)
    }

    /// A workload that begins to learn now: what its containers run already is
    /// taken in, and marked, as where they ran before the agent.
    fn take_in_containers(&mut self, id: &WorkloadId) {
        let containers: Vec<Container> = self
            .containers
            .iter()
            .filter(|container| container.workload() == Some(id))
            .cloned()
            .collect();
        let Some(Phase::Learning {
            baseline, dirty, ..
        }) = self.workloads.get_mut(id).map(|found| &mut found.phase)
        else {
            return;
        };
        // Of one that learned on, they are known.
        if !baseline.containers().is_empty() {
            return;
        }
        for container in &containers {
            let gap = Gap::PreExisting {
                container: container.name.id.clone(),
            };
            baseline.note(gap, Timestamp::now());
            baseline.appeared(&appearance(container, &self.config, false));
        }
        *dirty = true;
        for container in containers {
            self.take_in_processes(Some(container.cgroup));
        }
    }

    /// What changes for one workload; nothing where it is so by the operator's word
    /// already.
    fn promotion_plan(
        &self,
        id: WorkloadId,
        word: Word,
        now: Timestamp,
    ) -> Result<Option<Plan>, Refusal> {
        let mut document = self.decided_document(&id);
        let mut notes = Vec::new();
        let mut changes = Vec::new();
        if let Some(mode) = word.of_mode()
            && !self.has_mode_by_decision(&id, mode)
        {
            document.decide_mode(mode.map(|mode| (mode, now)));
            notes.extend(self.note_on_mode(&id, mode));
            let before = match self.workloads.get(&id) {
                Some(workload) => workload.phase.mode().as_str().to_owned(),
                None => said(self.decided_mode(&id).map(|(mode, _)| mode)),
            };
            changes.extend(differs("mode", before, said(mode)));
        }
        if let Some(action) = word.of_action() {
            let before = document.decided_action();
            let decided = action.map(|(action, percent)| DecidedAction {
                action,
                percent,
                since: now,
                stepped_back: false,
            });
            let whenever = |it: DecidedAction| (it.action, it.percent, it.stepped_back);
            if before.map(whenever) != decided.map(whenever) {
                document.decide_action(decided);
                let told = |decided: Option<DecidedAction>| said(decided.map(|it| it.in_words()));
                changes.extend(differs("action", told(before), told(decided)));
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let mut plan = self.plan(id, document, notes)?;
        plan.change.changes = changes;
        Ok(Some(plan))
    }

    /// Told to learn again, it begins anew unless it is at it.
    fn has_mode_by_decision(&self, id: &WorkloadId, mode: Option<Mode>) -> bool {
        let decided = self.decided_mode(id).map(|(mode, _)| mode);
        decided == mode && (mode != Some(Mode::Learn) || self.baseline_of(id).is_some())
    }

    fn note_on_mode(&self, id: &WorkloadId, mode: Option<Mode>) -> Option<String> {
        let learns = self.baseline_of(id).is_some();
        let note = match mode {
            Some(Mode::Enforce) if !self.has_list(id) => {
                "it has no allowlist, which is reported for each container"
            }
            Some(Mode::Enforce) if learns => "it has learned enough",
            Some(Mode::Learn) if !learns && self.learned.get(id).is_some() => {
                "it learns from nothing; what it had learned holds again only if this is taken \
                 back before it ends"
            }
            _ => return None,
        };
        Some(note.to_owned())
    }

    /// Whether there is something that it can be held to.
    pub(super) fn has_list(&self, id: &WorkloadId) -> bool {
        let learns = self.baseline_of(id).is_some();
        learns || self.people.get(id).is_some() || self.learned.get(id).is_some()
    }

    /// A person's document says for itself which mode it has, and what a deviation
    /// leads to.
    fn check_person(&self, id: &WorkloadId, word: Word) -> Result<(), Refusal> {
        let Some((person, file)) = self.people.get(id).zip(self.people.file_of(id)) else {
            return Ok(());
        };
        let Spec { mode, action, .. } = &person.document.spec;
        let says = if word.mode().is_some_and(|wanted| wanted != *mode) {
            format!("mode {mode}")
        } else if let Some(action) =
            action.filter(|action| word.action().is_some_and(|wanted| wanted != *action))
        {
            format!("action {action}")
        } else {
            return Ok(());
        };
        Err(refused(format!(
            "{} says {says} for {id}, and a document that a person wrote counts; change it there",
            file.display()
        )))
    }

    /// Ends learning now, as the end of its window would.
    fn end_learning(&mut self, id: &WorkloadId, now: Timestamp) -> Result<(), Refusal> {
        // What the kernel counted until now belongs to it.
        self.forget_execs_of_workload(id);
        let Some(baseline) = self.baseline_of(id).cloned() else {
            return Ok(());
        };
        if !self.finish(baseline, now) {
            return Err(failed(
                "what was learned cannot be written, and learning goes on; the agent's log says why",
            ));
        }
        self.workloads.dormant.remove(id);
        self.change_phase(id);
        Ok(())
    }
}

fn said(what: Option<impl ToString>) -> String {
    what.map_or_else(|| "as documents say".to_owned(), |what| what.to_string())
}

fn differs(part: &str, before: String, after: String) -> [Difference; 2] {
    let one = |sign, text| Difference {
        sign,
        part: part.to_owned(),
        text,
    };
    [one(Sign::Removed, before), one(Sign::Added, after)]
}

/// What was learned may lack something, which nobody should find out from
/// alerts.
pub(super) fn check_complete(
    baseline: &Baseline,
    even_incomplete: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let id = baseline.workload();
    let is_incomplete = baseline.is_incomplete(now);
    let gaps = baseline.gaps().filter(|_| is_incomplete);
    let gaps = gaps.map(|gap| gap.to_string());
    let nothing = baseline.entries().is_empty();
    let nothing = nothing.then(|| "it has learned nothing yet".to_owned());
    let missing: Vec<String> = gaps.chain(nothing).collect();
    match missing.is_empty() || even_incomplete {
        true => Ok(()),
        false => Err(refused(format!(
            "what {id} has learned is incomplete ({}); --even-incomplete takes it as it is",
            missing.join("; ")
        ))),
    }
}
