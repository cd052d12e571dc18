//! What people decide over the control socket: planned, shown, and carried out
//! whole or not at all.
//!
//! A decision is written as a document of the agent's own in
//! `<state>/decided`, noted in the journal, and laid over what is in force. If it
//! cannot be written or noted, it is taken back, and the asker is told.

use super::Node;
use super::documents::document_of;
use super::policy::document_with_learned;
use super::terms::{Learned, Plan as TermsPlan};
use crate::allowlist::{
    Document, Process, Removed, lay_over, render_process, render_removed, write_document,
};
use crate::control::operation::{Change, Difference, How, Sign, WorkloadChange};
use crate::control::protocol::{AllowlistSource, Answer, Refusal, RefusalKind, Response};
use crate::history::{Decision, What, Who};
use crate::model::WorkloadId;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io;

/// The most lines that one row of the journal has: one pattern may take away
/// thousands of entries.
const MAX_LINES: usize = 100;

/// One workload's part of a change.
pub(super) struct Plan {
    pub(super) workload: WorkloadId,
    /// What was decided about it, from then on.
    pub(super) document: Document,
    pub(super) change: WorkloadChange,
}

/// What a workload may run, and what is struck.
type InForce = (BTreeSet<Process>, BTreeSet<Removed>);

impl Node {
    /// The workload of this canonical name, among all that something is known of.
    pub(super) fn workload_named(&self, name: &str) -> Result<WorkloadId, Refusal> {
        let mut found = self.known_workloads();
        found.retain(|id| id.to_string() == name);
        match (found.pop_first(), found.is_empty()) {
            (Some(id), true) => Ok(id),
            (Some(_), false) => Err(Refusal::new(
                RefusalKind::Failed,
                format!("more than one workload is called {name:?}"),
            )),
            (None, _) => Err(Refusal::new(
                RefusalKind::NotFound,
                format!("there is no workload {name:?}; `execwarden status` names those there are"),
            )),
        }
    }

    /// Those that have a container, an allowlist, or were learned of.
    pub(super) fn known_workloads(&self) -> BTreeSet<WorkloadId> {
        let folders = [&self.people, &self.learned, &self.decided];
        let of_folders = folders
            .into_iter()
            .flat_map(|folder| folder.iter())
            .map(|(_, loaded)| &loaded.document.spec.workload);
        let active = self.workloads.iter().map(|(id, _)| id);
        let all = active.chain(self.workloads.dormant.keys());
        all.chain(of_folders).cloned().collect()
    }

    /// What was decided about a workload so far.
    pub(super) fn decided_document(&self, id: &WorkloadId) -> Document {
        self.decided.get(id).map_or_else(
            || Document::of_decisions(id.clone()),
            |loaded| loaded.document.clone(),
        )
    }

    /// What a workload is held to without what was decided, and where it comes
    /// from; what it learned so far, where it learns.
    pub(super) fn base_document(&self, id: &WorkloadId) -> Option<(AllowlistSource, Document)> {
        let terms = self.workloads.get(id).map(|workload| &workload.terms);
        let borrowed = terms.and_then(|terms| terms.borrowed.as_deref());
        let named = |name| self.people.named(name).next();
        let person = borrowed.map_or_else(|| self.people.get(id), named);
        if let Some(baseline) = self.baseline_of(id) {
            let mut document = document_of(baseline, self.config.generalise_after.parts());
            let spec = person.map(|loaded| &loaded.document.spec);
            let listed = spec.into_iter().flat_map(|spec| {
                let digests = spec.digests;
                let processes = spec.processes.iter().cloned();
                processes.map(move |process| process.with_digests_of(digests))
            });
            document.spec.processes.extend(listed);
            return Some((AllowlistSource::Learning, document));
        }
        let learned = self.learned.get(id);
        match (person, learned) {
            (Some(person), learned) => {
                let beside = TermsPlan::Enforce(Learned::Beside);
                let is_beside = terms.is_some_and(|terms| terms.plan == beside);
                let document = match learned.filter(|_| is_beside) {
                    Some(learned) => document_with_learned(person, learned),
                    None => person.document.clone(),
                };
                Some((self.source_of(person), document))
            }
            (None, Some(learned)) => Some((AllowlistSource::Learned, learned.document.clone())),
            (None, None) => None,
        }
    }

    /// What a workload learns into, with containers or without.
    pub(super) fn baseline_of(&self, id: &WorkloadId) -> Option<&crate::learn::Baseline> {
        match self.workloads.get(id) {
            Some(workload) => workload.phase.learner(),
            None => self.workloads.dormant.get(id),
        }
    }

    /// What holds with these decisions laid over it.
    pub(super) fn in_force(&self, id: &WorkloadId, decided: &Document) -> Result<InForce, Refusal> {
        let base = self.base_document(id).map(|(_, document)| document.spec);
        let (mut processes, mut removed) = base.map_or_else(InForce::default, |spec| {
            let digests = spec.digests;
            let processes = spec.processes.into_iter();
            let settled = processes.map(|process| process.with_digests_of(digests));
            (settled.collect(), spec.removed)
        });
        lay_over(&mut processes, &mut removed, decided).map_err(failed)?;
        Ok((processes, removed))
    }

    /// A plan that leads from what was decided to `document`.
    pub(super) fn plan(
        &self,
        workload: WorkloadId,
        document: Document,
        notes: Vec<String>,
    ) -> Result<Plan, Refusal> {
        let before = self.in_force(&workload, &self.decided_document(&workload))?;
        let after = self.in_force(&workload, &document)?;
        let mut changes = differences("processes", &before.0, &after.0, render_process);
        changes.extend(differences("removed", &before.1, &after.1, render_removed));
        let change = WorkloadChange {
            workload: workload.to_string(),
            changes,
            notes,
        };
        Ok(Plan {
            workload,
            document,
            change,
        })
    }

    /// Carries plans out, all or none of them, or only says what they are.
    pub(super) fn carry_out(
        &mut self,
        what: What,
        mut plans: Vec<Plan>,
        how: &How,
        who: &Who,
    ) -> Response {
        plans.retain(|plan| self.decided_document(&plan.workload) != plan.document);
        let changes = || plans.iter().map(|plan| plan.change.clone()).collect();
        let change = checked(changes(), how)?;
        if !how.apply || plans.is_empty() {
            return Ok(Answer::Change(change));
        }
        let decisions: Vec<Decision> = plans
            .iter()
            .map(|plan| decision(what, &plan.change, how, who))
            .collect();
        let mut written: Vec<(WorkloadId, Document)> = Vec::new();
        let mut result = Ok(());
        for plan in &plans {
            let before = self.decided_document(&plan.workload);
            result = self.write_decided(&plan.document);
            if result.is_err() {
                break;
            }
            written.push((plan.workload.clone(), before));
        }
        let result = result.and_then(|()| self.history.get().decide(&decisions).map_err(failed));
        if let Err(refusal) = result {
            for (_, before) in &written {
                if let Err(error) = self.write_decided(before) {
                    tracing::error!(%error, "a decision that was not carried out could not be taken back whole");
                }
            }
            return Err(refusal);
        }
        self.read_decided();
        for plan in &plans {
            tracing::info!(workload = %plan.workload, what = what.as_str(), by = %who, "decided");
            self.change_phase(&plan.workload);
        }
        Ok(Answer::Change(change))
    }

    /// Reads again what was decided.
    fn read_decided(&mut self) {
        for error in self.decided.reload().errors {
            tracing::error!(%error, "what was decided is broken");
        }
    }

    /// Carries out what the agent itself decides about a workload.
    ///
    /// # Errors
    /// It is not written, or not noted in the journal.
    pub(super) fn decide_by_itself(
        &mut self,
        what: What,
        document: Document,
    ) -> Result<(), Refusal> {
        let id = document.spec.workload.clone();
        let row = Decision {
            number: 0,
            at: Timestamp::now(),
            who: None,
            what,
            workload: Some(id.to_string()),
            changes: document.decisions(),
            reason: None,
        };
        let written = self.write_decided(&document);
        let noted = written.and_then(|()| self.history.get().decide(&[row]).map_err(failed));
        self.read_decided();
        self.change_phase(&id);
        noted
    }

    /// Writes what was decided about a workload; nothing is left of a document
    /// without decisions.
    fn write_decided(&self, document: &Document) -> Result<(), Refusal> {
        if !document.decides_nothing() {
            return write_document(self.decided.path(), document)
                .map(drop)
                .map_err(failed);
        }
        let file = format!("{}.yaml", document.metadata.name);
        match std::fs::remove_file(self.decided.path().join(&file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(format!(
                "cannot remove {file} in {}: {error}",
                self.decided.path().display()
            ))),
            _ => Ok(()),
        }
    }
}

/// The change, if it is the one that the asker has seen.
pub(super) fn checked(workloads: Vec<WorkloadChange>, how: &How) -> Result<Change, Refusal> {
    let text = serde_json::to_vec(&workloads).map_err(failed)?;
    let hash = Sha256::digest(text);
    let plan: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    if how.plan.as_ref().is_some_and(|seen| *seen != plan) {
        return Err(Refusal::new(
            RefusalKind::Refused,
            "what is in force has changed meanwhile, and nothing was done; look at it again",
        ));
    }
    Ok(Change {
        applied: how.apply,
        plan,
        workloads,
    })
}

/// One row of the journal.
pub(super) fn decision(what: What, change: &WorkloadChange, how: &How, who: &Who) -> Decision {
    let lines = change.changes.iter().map(|difference| {
        let sign = match difference.sign {
            Sign::Added => '+',
            Sign::Removed => '-',
        };
        let text: Vec<&str> = difference.text.lines().map(str::trim).collect();
        let text = text.join(" ");
        let text = text.strip_prefix("- ").unwrap_or(&text);
        format!("{sign} {}: {text}", difference.part)
    });
    let mut lines: Vec<String> = lines.collect();
    lines.extend(change.notes.iter().cloned());
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("and {more} more"));
    }
    Decision {
        number: 0,
        at: Timestamp::now(),
        who: Some(who.clone()),
        what,
        workload: Some(change.workload.clone()),
        changes: lines,
        reason: how.reason.clone(),
    }
}

/// What goes and what comes, in the document's order.
pub(super) fn differences<T: Ord>(
    part: &str,
    before: &BTreeSet<T>,
    after: &BTreeSet<T>,
    text: impl Fn(&T) -> String,
) -> Vec<Difference> {
    let one = |sign, entry| Difference {
        sign,
        part: part.to_owned(),
        text: text(entry),
    };
    let gone = before.difference(after);
    let come = after.difference(before);
    gone.map(|entry| one(Sign::Removed, entry))
        .chain(come.map(|entry| one(Sign::Added, entry)))
        .collect()
}

pub(super) fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalKind::Failed, error.to_string())
}

pub(super) fn refused(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Refused, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{PathPattern, RunAs};
    use crate::model::Layer;

    fn entry(path: &str) -> Process {
        let path = PathPattern::new(path).expect("a path");
        Process::new(path, RunAs::Program, Layer::Upper).expect("an entry")
    }

    fn change() -> WorkloadChange {
        let before = [entry("/a"), entry("/b")].into();
        let after = [entry("/b"), entry("/c")].into();
        WorkloadChange {
            workload: "runc/web".to_owned(),
            changes: differences("processes", &before, &after, render_process),
            notes: Vec::new(),
        }
    }

    #[test]
    fn only_what_was_seen_is_done() {
        let seen = checked(vec![change()], &How::default()).expect("planned");
        assert!(!seen.applied);
        let how = |plan: &str| How {
            apply: true,
            plan: Some(plan.to_owned()),
            ..How::default()
        };

        let done = checked(vec![change()], &how(&seen.plan)).expect("the same");
        let other = checked(Vec::new(), &how(&seen.plan)).expect_err("another");

        assert!(done.applied && done.plan == seen.plan);
        assert_eq!(other.kind, RefusalKind::Refused);
    }

    #[test]
    fn a_row_of_the_journal_says_what_came_and_went() {
        let how = How {
            reason: Some("why".to_owned()),
            ..How::default()
        };

        let row = decision(What::Accept, &change(), &how, &Who::default());

        assert_eq!(
            row.changes,
            [
                "- processes: path: /a layer: upper",
                "+ processes: path: /c layer: upper"
            ]
        );
        assert_eq!(row.reason.as_deref(), Some("why"));
    }

    #[test]
    fn a_row_of_the_journal_is_bounded() {
        let after = (0..1000).map(|n| entry(&format!("/{n}"))).collect();
        let change = WorkloadChange {
            changes: differences("processes", &BTreeSet::new(), &after, render_process),
            ..change()
        };

        let row = decision(What::Remove, &change, &How::default(), &Who::default());

        assert_eq!(row.changes.len(), MAX_LINES + 1);
        assert_eq!(row.changes[MAX_LINES], "and 900 more");
    }
}
