//! Which phase a workload is in, and what the kernel is told of it.
//!
//! A person's document counts before a learned one. What the agent learns
//! beside it is written for them to read, and changes nothing, unless their
//! document has `mode: learn`: then it is added to theirs. [`terms`](super::terms)
//! decides what holds; here it is carried out.

use super::terms::{self, Case, Learned, Plan, Terms, Why};
use super::workloads::{Newest, Phase};
use super::{Node, permits};
use crate::allowlist::folder::Loaded;
use crate::allowlist::{Allowlist, Document, Mode};
use crate::config::AnnotationPolicy;
use crate::containers::InPod;
use crate::control::protocol::AllowlistSource;
use crate::learn::{Baseline, Ending, Window};
use crate::model::{ContainerKind, Slot, WorkloadId};
use agent_common::wire::SLOT_PENDING;
use jiff::Timestamp;
use std::time::Instant;

impl Node {
    /// Whose word holds for a workload, of which the newest container is this.
    pub(super) fn terms(&self, id: &WorkloadId, in_pod: &InPod) -> Terms {
        self.terms_where(id, in_pod, self.has_learned(id))
    }

    /// Whose would hold, had it learned or had it not.
    pub(super) fn terms_where(&self, id: &WorkloadId, in_pod: &InPod, has_learned: bool) -> Terms {
        let person = self.people.get(id);
        terms::terms(&Case {
            mode: self.config.mode,
            ending: self.config.learning.ending(id),
            class: self.config.classes.of(in_pod.kind),
            policy: policy_for(self.config.annotations, in_pod.kind),
            document: person.map(|loaded| loaded.document.spec.mode),
            decided: self.decided_mode(id).map(|(mode, _)| mode),
            has_learned,
            pod: &in_pod.wishes,
            namespace: &in_pod.defaults,
            named: &|name| {
                let loaded = self.document_named(name)?;
                Ok(loaded.document.spec.mode)
            },
        })
    }

    /// The mode that the operator has set for a workload, and when.
    pub(super) fn decided_mode(&self, id: &WorkloadId) -> Option<(Mode, Timestamp)> {
        self.decided.get(id)?.document.decided_mode()
    }

    /// Whether it has learned; since it was told to learn, if it was.
    pub(super) fn has_learned(&self, id: &WorkloadId) -> bool {
        let Some(learned) = self.learned.get(id) else {
            return false;
        };
        match self.decided_mode(id) {
            Some((Mode::Learn, since)) => {
                let status = learned.document.status.as_ref();
                let ended = status.and_then(|status| status.window.ended);
                ended.is_some_and(|ended| ended >= since)
            }
            _ => true,
        }
    }

    /// An allowlist with what was decided about its workload laid over it.
    fn with_decisions(&self, id: &WorkloadId, allowlist: Allowlist) -> Allowlist {
        let Some(decided) = self.decided.get(id) else {
            return allowlist;
        };
        allowlist
            .with_decisions(&decided.document)
            .unwrap_or_else(|error| {
                tracing::error!(workload = %id, %error, "what was decided is left out");
                allowlist
            })
    }

    /// The one document of this name.
    fn document_named(&self, name: &str) -> Result<&Loaded, Why> {
        let mut documents = self.people.named(name);
        match (documents.next(), documents.next()) {
            (None, _) => Err(Why::NoDocument),
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(Why::SeveralDocuments),
        }
    }

    /// What a person wrote for a workload to be held to.
    pub(super) fn person(&self, id: &WorkloadId, terms: &Terms) -> Option<&Loaded> {
        match &terms.borrowed {
            Some(name) => self.document_named(name).ok(),
            None => self.people.get(id),
        }
    }

    /// What is to be done with a workload. `ending` is that of the baseline it
    /// learns into, if another is to hold than it began with.
    pub(super) fn first_phase(
        &mut self,
        id: &WorkloadId,
        terms: &Terms,
        ending: Option<Ending>,
    ) -> Phase {
        match terms.plan {
            Plan::Off => Phase::Off,
            Plan::Learn {
                ending: of_plan,
                is_asked,
            } => {
                let beside = self.person(id, terms);
                let beside = beside.map(|loaded| loaded.allowlist.clone());
                let beside = self.with_decisions(id, beside.unwrap_or_default());
                let ending = is_asked.then_some(of_plan).or(ending);
                let mut baseline = self.baseline(id, of_plan);
                if let Some(ending) = ending {
                    baseline.end_when(ending);
                }
                Phase::Learning {
                    baseline: Box::new(baseline),
                    beside,
                    dirty: true,
                }
            }
            Plan::Enforce(learned) => match self.enforced(id, terms, learned) {
                Some((allowlist, source)) => {
                    let (action, unverified) = self.action(id, terms);
                    Phase::Enforcing {
                        allowlist,
                        source,
                        action,
                        unverified,
                    }
                }
                None => Phase::NoAllowlist,
            },
        }
    }

    /// What a workload is held to under these terms, and where that comes from;
    /// `None` where it has no allowlist.
    pub(super) fn enforced(
        &self,
        id: &WorkloadId,
        terms: &Terms,
        learned: Learned,
    ) -> Option<(Allowlist, AllowlistSource)> {
        let person = self.person(id, terms);
        let (allowlist, source) = match (person, self.learned.get(id), learned) {
            // They asked for it: what was learned adds to what they wrote.
            (Some(person), Some(found), Learned::Beside) => {
                (with_learned(person, found), self.source_of(person))
            }
            (Some(person), ..) => (person.allowlist.clone(), self.source_of(person)),
            (None, _, Learned::Ignored) => (Allowlist::default(), AllowlistSource::None),
            (None, Some(found), _) => (found.allowlist.clone(), AllowlistSource::Learned),
            (None, None, _) => return None,
        };
        Some((self.with_decisions(id, allowlist), source))
    }

    pub(super) fn source_of(&self, person: &Loaded) -> AllowlistSource {
        let workload = &person.document.spec.workload;
        let file = self.people.file_of(workload);
        file.map_or(AllowlistSource::None, |file| {
            AllowlistSource::File(file.display().to_string())
        })
    }

    /// The baseline it learns into: the one it had, or a new one.
    fn baseline(&mut self, id: &WorkloadId, ending: Ending) -> Baseline {
        self.workloads.dormant.remove(id).unwrap_or_else(|| {
            let started = Timestamp::now();
            Baseline::new(id.clone(), Window { started, ending })
        })
    }

    /// A container of a workload that is there already: if it is the newest, it
    /// speaks for the workload from now on.
    pub(super) fn hear_newest(&mut self, id: &WorkloadId, newest: Newest) {
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        if newest.cgroup <= workload.newest.cgroup {
            return;
        }
        workload.newest = newest;
        let (before, in_pod) = (workload.terms.clone(), workload.newest.in_pod.clone());
        if self.terms(id, &in_pod) != before {
            self.change_phase(id);
        }
    }

    /// A workload's phase is found anew; what it learned so far stays.
    pub(super) fn change_phase(&mut self, id: &WorkloadId) {
        let Some(workload) = self.workloads.get(id) else {
            return;
        };
        let before = workload.terms.clone();
        let terms = self.terms(id, &workload.newest.in_pod);
        terms.tell_refusals(id, &before.refused);
        if let Phase::Learning { baseline, .. } = &workload.phase {
            if !self.has_learned(id) {
                let baseline = (**baseline).clone();
                self.workloads.dormant.insert(id.clone(), baseline);
            }
            self.workloads.unsaved.insert(id.clone());
        }
        let phase = self.first_phase(id, &terms, before.ending_to_undo(&terms));
        if let Some(workload) = self.workloads.get_mut(id) {
            tracing::info!(workload = %id, mode = phase.mode().as_str(), "mode");
            workload.phase = phase;
            workload.terms = terms;
        }
        self.apply_policy(id);
        // Judged anew: what deviated may be allowed now, and the other way.
        self.forget_execs_of_workload(id);
    }

    /// Tells the kernel what a workload may run and how it is judged: entries
    /// first, then the slot, whose new generation makes old verdicts miss.
    pub(super) fn apply_policy(&mut self, id: &WorkloadId) {
        let quota = self.kernel.sizes().quota;
        let Some(workload) = self.workloads.get(id) else {
            return;
        };
        let slot = workload.slot;
        if slot.0 == SLOT_PENDING {
            return;
        }
        let permits = permits::all(&workload.phase);
        self.compare_rules_of(slot);
        self.journal_known_of(slot);
        let told = self.kernel.replace_allowed(slot, permits);
        let finished = self.workloads.finished.get(id);
        let gathers = finished.is_some_and(|finished| finished.probation().is_some());
        let stops = self.stops(id);
        self.spare_containers(id);
        self.crash_loops.blocks(id, stops != 0, Instant::now());
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let state = workload.next_slot_state(quota, gathers, stops);
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
        let Some(slot) = self.workloads.get(id).map(|workload| workload.slot) else {
            return;
        };
        self.journal_known_of(slot);
        self.workloads.remove(id);
        if slot.0 != SLOT_PENDING {
            self.free_leaving_of(slot);
            let told = self.kernel.replace_allowed(slot, []);
            self.told(told);
        }
    }
}

/// What annotations may change for a container of this kind. They are a team's,
/// about the containers that its pods were made of: a debug container is
/// somebody else's, and the pod's own runs nothing of theirs.
fn policy_for(policy: AnnotationPolicy, kind: Option<ContainerKind>) -> AnnotationPolicy {
    match kind {
        Some(ContainerKind::Ephemeral | ContainerKind::Sandbox) => AnnotationPolicy::Ignore,
        Some(ContainerKind::Init | ContainerKind::Sidecar | ContainerKind::Main) | None => policy,
    }
}

/// A person's document that asks to learn, with what was learned and they did
/// not strike. Where they said under which conditions something may run, or as
/// what, that stands.
fn with_learned(person: &Loaded, learned: &Loaded) -> Allowlist {
    let document = document_with_learned(person, learned);
    Allowlist::new(&document).unwrap_or_else(|error| {
        tracing::error!(%error, "what was learned is left out");
        person.allowlist.clone()
    })
}

/// The same as a document.
pub(super) fn document_with_learned(person: &Loaded, learned: &Loaded) -> Document {
    let mut document = person.document.clone();
    let learned = &learned.document.spec;
    let kept = learned.processes.iter().filter(|process| match process.identity() {
        Some(identity) => {
            !person.allowlist.is_removed(&identity) && !person.allowlist.restricts(&identity)
        }
        None => {
            let is_free = !person.allowlist.may_restrict(process.path());
            if !is_free {
                tracing::warn!(entry = %process.path(), "what was learned may undo what a person said of one of these files, and is left out");
            }
            is_free
        }
    });
    let kept = kept.map(|process| process.clone().with_digests_of(learned.digests));
    document.spec.processes.extend(kept);
    document
}

/// How many processes a phase lists.
pub fn listed(phase: &Phase) -> u64 {
    match phase {
        Phase::Learning { baseline, .. } => baseline.entries().len() as u64,
        Phase::Enforcing { allowlist, .. } => Allowlist::len(allowlist) as u64,
        Phase::NoAllowlist | Phase::Off => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{Observed, parse};
    use crate::model::{Exec, Identity, Inspection};

    fn loaded(entries: &str) -> Loaded {
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: runc, name: web }}\n{entries}"
        );
        let document = parse("web.yaml", text.as_bytes()).expect("valid");
        let allowlist = Allowlist::new(&document).expect("compiles");
        Loaded {
            document,
            allowlist,
            signed_by: None,
        }
    }

    #[test]
    fn what_was_learned_is_added_where_a_person_said_nothing_of_it() {
        let learned = loaded(
            "  processes:\n    - path: /bin/a\n    - path: /bin/struck\n    \
             - { path: /srv/*/run, wildcards: [date] }\n    \
             - { path: /opt/*/run, wildcards: [version] }\n",
        );
        let person = loaded(
            "  mode: learn\n  processes: []\n  removed:\n    - path: /bin/struck\n    \
             - path: /opt/1.2/run\n",
        );

        let both = with_learned(&person, &learned);

        let covers = |path: &str| {
            let identity = Identity::image(path);
            let exec = Exec::plain(identity.clone());
            let observed = Observed {
                identity: &identity,
                exec: &exec,
                inspection: &Inspection::default(),
            };
            both.naming_of(&observed).next().is_some()
        };
        assert!(covers("/bin/a") && covers("/srv/20261123/run"));
        assert!(!covers("/bin/struck") && !covers("/srv/evil/run"));
        // One of what that entry covers was struck.
        assert!(!covers("/opt/1.2/run") && !covers("/opt/1.3/run"));
    }
}
