//! Which phase a workload is in, and what the kernel is told of it.
//!
//! A person's document counts before a learned one. What the agent learns
//! beside it is written for them to read, and changes nothing, unless their
//! document has `mode: learn`: then it is added to theirs.

use super::workloads::Phase;
use super::{Node, permits};
use crate::allowlist::folder::Loaded;
use crate::allowlist::{Allowlist, Mode as DocumentMode, Reload};
use crate::config::ModeChoice;
use crate::control::protocol::AllowlistSource;
use crate::learn::{Baseline, Window};
use crate::model::{Slot, WorkloadId};
use agent_common::wire::SLOT_PENDING;
use jiff::Timestamp;
use std::time::Duration;

impl Node {
    /// What is to be done with a workload, by the mode, the documents and what
    /// was learned before.
    pub(super) fn first_phase(&mut self, id: &WorkloadId) -> Phase {
        let person = self.people.get(id);
        let wish = person.map(|loaded| loaded.document.spec.mode);
        if wish == Some(DocumentMode::Off) {
            return Phase::Off;
        }
        let beside = match (person, self.learned.get(id)) {
            // They asked for it: what was learned adds to what they wrote.
            (Some(person), Some(learned)) if wish == Some(DocumentMode::Learn) => {
                Some(with_learned(person, learned))
            }
            (person, _) => person.map(|loaded| loaded.allowlist.clone()),
        };
        let learned = self.learned.get(id).map(|loaded| loaded.allowlist.clone());
        let enforced = |source| {
            let (allowlist, source) = match (&beside, learned.clone()) {
                (Some(allowlist), _) => (allowlist.clone(), source),
                (None, Some(allowlist)) => (allowlist, AllowlistSource::Learned),
                (None, None) => return Phase::NoAllowlist,
            };
            Phase::Enforcing { allowlist, source }
        };
        let window = match self.config.mode {
            ModeChoice::Enforce => return enforced(self.source_of(id)),
            ModeChoice::Learn { window } if learned.is_none() => window,
            ModeChoice::Automatic { window }
                if learned.is_none() && (beside.is_none() || wish == Some(DocumentMode::Learn)) =>
            {
                window
            }
            ModeChoice::Learn { .. } | ModeChoice::Automatic { .. } => {
                return enforced(self.source_of(id));
            }
        };
        let baseline = self.baseline(id, window);
        Phase::Learning {
            baseline: Box::new(baseline),
            beside: beside.unwrap_or_default(),
            dirty: true,
        }
    }

    fn source_of(&self, id: &WorkloadId) -> AllowlistSource {
        let file = self
            .people
            .iter()
            .find(|(_, loaded)| loaded.document.spec.workload == *id)
            .map(|(file, _)| file.display().to_string());
        file.map_or(AllowlistSource::Learned, AllowlistSource::File)
    }

    /// The baseline it learns into: the one it had, or a new one.
    fn baseline(&mut self, id: &WorkloadId, length: Duration) -> Baseline {
        self.workloads.dormant.remove(id).unwrap_or_else(|| {
            let started = Timestamp::now();
            Baseline::new(id.clone(), Window { started, length })
        })
    }

    /// A workload's phase is found anew; what it learned so far stays.
    pub(super) fn change_phase(&mut self, id: &WorkloadId) {
        let Some(workload) = self.workloads.get(id) else {
            return;
        };
        if let Phase::Learning { baseline, .. } = &workload.phase
            && self.learned.get(id).is_none()
        {
            let baseline = (**baseline).clone();
            self.workloads.dormant.insert(id.clone(), baseline);
        }
        let phase = self.first_phase(id);
        if let Some(workload) = self.workloads.get_mut(id) {
            tracing::info!(workload = %id, mode = phase.mode().as_str(), "mode");
            workload.phase = phase;
        }
        self.apply_policy(id);
        // Judged anew: what deviated may be allowed now, and the other way.
        self.forget_execs_of_workload(id);
    }

    /// Tells the kernel what a workload may run and how it is judged: entries
    /// first, then the slot, whose new generation makes old verdicts miss.
    pub(super) fn apply_policy(&mut self, id: &WorkloadId) {
        let quota = self.kernel.sizes().quota;
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let slot = workload.slot;
        if slot.0 == SLOT_PENDING {
            return;
        }
        let permits = permits::all(&workload.phase);
        let told = self.kernel.replace_allowed(slot, permits);
        let state = workload.next_slot_state(quota);
        let told = told.and(self.kernel.set_slot(slot, state));
        self.told(told);
    }

    /// Gives one place of a slot's quota back.
    pub(super) fn release(&mut self, slot: Slot) {
        if slot.0 == SLOT_PENDING {
            let told = self.kernel.release_pending();
            return self.told(told);
        }
        let quota = self.kernel.sizes().quota;
        let Some(id) = self.workloads.by_slot(slot).cloned() else {
            return;
        };
        if let Some(workload) = self.workloads.get_mut(&id) {
            let state = workload.release(quota);
            let told = self.kernel.set_slot(slot, state);
            self.told(told);
        }
    }

    /// Lets a workload go that has no container any more.
    pub(super) fn let_workload_go(&mut self, id: &WorkloadId) {
        // It may be gone for long: what it learned is written first.
        self.save();
        if let Some(workload) = self.workloads.remove(id)
            && workload.slot.0 != SLOT_PENDING
        {
            let told = self.kernel.replace_allowed(workload.slot, []);
            self.told(told);
        }
    }

    /// Reads the documents again and applies what changed. A broken document
    /// changes nothing.
    pub(super) fn reload(&mut self) {
        let people = self.people.reload();
        let learned = self.learned.reload();
        let mut changed = people.changed.clone();
        changed.extend(learned.changed.iter().cloned());
        self.take_errors(&people, &learned);
        for id in changed {
            self.change_phase(&id);
        }
        tracing::info!(
            documents = self.people.iter().count(),
            errors = self.document_errors.len(),
            "allowlists read"
        );
    }

    /// Keeps the errors of both folders for the status, and logs the new ones.
    pub(super) fn take_errors(&mut self, people: &Reload, learned: &Reload) {
        let errors: Vec<String> = people
            .errors
            .iter()
            .chain(&learned.errors)
            .map(ToString::to_string)
            .collect();
        for error in &errors {
            if !self.document_errors.contains(error) {
                tracing::error!("{error}; what was loaded from it stays in force");
            }
        }
        self.document_errors = errors;
    }
}

/// A person's document that asks to learn, with what was learned and they did
/// not strike. Where they said under which conditions something may run, or as
/// what, that stands.
fn with_learned(person: &Loaded, learned: &Loaded) -> Allowlist {
    let mut document = person.document.clone();
    let learned = &learned.document.spec;
    let kept = learned.processes.iter().filter(|process| {
        process.identity().is_some_and(|identity| {
            !person.allowlist.is_removed(&identity) && !person.allowlist.restricts(&identity)
        })
    });
    let kept = kept.map(|process| process.clone().with_digests_of(learned.digests));
    document.spec.processes.extend(kept);
    Allowlist::new(&document).unwrap_or_else(|error| {
        tracing::error!(%error, "what was learned is left out");
        person.allowlist.clone()
    })
}

/// How many processes a phase lists.
pub fn listed(phase: &Phase) -> u64 {
    match phase {
        Phase::Learning { baseline, .. } => baseline.entries().len() as u64,
        Phase::Enforcing { allowlist, .. } => Allowlist::len(allowlist) as u64,
        Phase::NoAllowlist | Phase::Off => 0,
    }
}
