//! Documents that are read again: from the allowlists' folder, and the agent's own.

use super::Node;
use crate::allowlist::Reload;
use crate::containers::InPod;
use crate::history::{Decision, What, Who};
use crate::model::WorkloadId;
use jiff::Timestamp;
use std::collections::BTreeSet;

impl Node {
    /// Reads the documents again and applies what changed. A broken document
    /// changes nothing.
    pub(super) fn reload(&mut self, who: Option<Who>) {
        let changed = self.reload_noted();
        self.log_reload(who, &changed);
    }

    /// The same for changes that the journal of decisions has by another name.
    /// Whose documents changed.
    pub(super) fn reload_noted(&mut self) -> BTreeSet<WorkloadId> {
        let people = self.people.reload();
        let learned = self.learned.reload();
        let decided = self.decided.reload();
        let mut documents = people.changed.clone();
        documents.extend(learned.changed.iter().cloned());
        documents.extend(decided.changed.iter().cloned());
        let mut changed = documents.clone();
        if !people.changed.is_empty() {
            changed.extend(self.borrowers());
        }
        self.take_errors([&people, &learned, &decided]);
        for id in changed {
            self.change_phase(&id);
        }
        tracing::info!(
            documents = self.people.iter().count(),
            errors = self.document_errors.len(),
            "allowlists read"
        );
        documents
    }

    /// The workloads that wish to be held to a document by its name.
    fn borrowers(&self) -> Vec<WorkloadId> {
        let wishes = |in_pod: &InPod| {
            let wish = in_pod.wishes.allowlist.as_ref();
            wish.or(in_pod.defaults.allowlist.as_ref()).is_some()
        };
        let workloads = self.workloads.iter();
        workloads
            .filter(|(_, workload)| wishes(&workload.newest.in_pod))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Keeps the errors of all folders for the status, and logs the new ones.
    pub(super) fn take_errors(&mut self, reloads: [&Reload; 3]) {
        let errors: Vec<String> = reloads
            .into_iter()
            .flat_map(|reload| &reload.errors)
            .map(ToString::to_string)
            .collect();
        for error in &errors {
            if !self.document_errors.contains(error) {
                tracing::error!("{error}; what was loaded from it stays in force");
            }
        }
        self.document_errors = errors;
    }

    /// Notes that documents were read again and had changed.
    fn log_reload(&mut self, who: Option<Who>, changed: &BTreeSet<WorkloadId>) {
        let decisions: Vec<Decision> = changed
            .iter()
            .map(|id| {
                let what = match self.people.get(id) {
                    Some(person) => format!(
                        "a document with {} processes, mode {}{}",
                        person.document.spec.processes.len(),
                        person.document.spec.mode,
                        { person.signed_by }
                            .map(|key| format!(", signed with the key {key}"))
                            .unwrap_or_default()
                    ),
                    None => "no document".to_owned(),
                };
                Decision {
                    number: 0,
                    at: Timestamp::now(),
                    who: who.clone(),
                    what: What::Reload,
                    workload: Some(id.to_string()),
                    changes: vec![what],
                    reason: None,
                }
            })
            .collect();
        if decisions.is_empty() {
            return;
        }
        if let Err(error) = self.history.get().decide(&decisions) {
            tracing::error!(%error, "changed allowlists are not noted in the journal of decisions");
        }
    }
}
