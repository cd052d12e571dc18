//! Learning over time: what appears, windows that end, baselines that are
//! saved, documents that are written.

use super::Node;
use super::alerts::Came;
use super::documents::document_of;
use super::states::shortcomings;
use super::workloads::{Phase, Workloads};
use crate::alert::{AlertId, Subject};
use crate::allowlist::{Mode, write_document};
use crate::config::{Config, Promotion};
use crate::containers::{Container, Since};
use crate::journal::Lack;
use crate::learn::{Appearance, Baseline, Gap};
use crate::model::{Reason, WorkloadId};
use crate::store::StoreError;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How often the store is told that the agent is alive.
pub const ALIVE: Duration = Duration::from_secs(60);

/// How a write of the store ended, and whose baselines it was of.
pub struct Saved {
    of: Vec<WorkloadId>,
    result: Result<(), StoreError>,
}

impl Node {
    /// A container of a workload has appeared.
    pub(super) fn container_appeared(&mut self, container: &Container, id: &WorkloadId) {
        let before = container.since == Since::BeforeTheAgent;
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        match &mut workload.phase {
            Phase::Learning {
                baseline, dirty, ..
            } => {
                let name = &container.name.id;
                // One that an agent before this one saw start is no gap of its
                // own: that the agent was away is noted already.
                if before && !baseline.containers().iter().any(|known| known == name) {
                    let gap = Gap::PreExisting {
                        container: name.clone(),
                    };
                    baseline.note(gap, Timestamp::now());
                }
                baseline.appeared(&appearance(container, &self.config, !before));
                *dirty = true;
            }
            // One that starts now is reported with its first exec.
            Phase::NoAllowlist if before => {
                let at = Timestamp::now();
                let reason = Reason::NoAllowlist;
                let alert = AlertId::new(&self.boot, container.cgroup, reason, None);
                let subject = Subject::Container;
                let record =
                    self.record(alert, at, reason, Vec::new(), subject, id, Some(container));
                self.alerts.raise(record, Came::new(None, 1, at));
            }
            Phase::Enforcing { .. } => self.meet_image(container, id),
            Phase::NoAllowlist | Phase::Off => {}
        }
    }

    /// Ends what is due: writes its document and holds the workload to it. Where
    /// a person is to say so, it goes on.
    pub(super) fn end_windows(&mut self) {
        if self.config.learning.promotion == Promotion::ByHand {
            return;
        }
        let now = Timestamp::now();
        let due: Vec<WorkloadId> = self
            .workloads
            .iter()
            .filter(|(_, workload)| {
                let learner = workload.phase.learner();
                learner.is_some_and(|baseline| baseline.due(now))
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            // What the kernel counted until now belongs to it.
            self.forget_execs_of_workload(&id);
            let workload = self.workloads.get(&id);
            let Some(baseline) = workload.and_then(|workload| workload.phase.learner()) else {
                continue;
            };
            if self.finish(baseline.clone(), now) {
                self.workloads.dormant.remove(&id);
                self.change_phase(&id);
            }
        }
        let waits = |baseline: &Baseline| {
            let id = baseline.workload();
            let is_off = matches!(self.decided_mode(id), Some((Mode::Off, _)));
            let workload = self.workloads.get(id);
            is_off || workload.is_some_and(|workload| workload.terms.by_annotation)
        };
        let dormant: Vec<Baseline> = self
            .workloads
            .dormant
            .values()
            // Of a workload that learns no more because its team or the operator
            // says so, what was learned until then waits: it would become an allowlist that
            // nobody asked for.
            .filter(|baseline| baseline.due(now) && !waits(baseline))
            .cloned()
            .collect();
        for baseline in dormant {
            let id = baseline.workload().clone();
            if self.finish(baseline, now) {
                self.workloads.dormant.remove(&id);
            }
        }
    }

    /// Writes the document first, then the finished baseline: a crash in
    /// between ends the same window once more. Whether both are written.
    pub(super) fn finish(&mut self, mut baseline: Baseline, now: Timestamp) -> bool {
        baseline.finish(now);
        if !self.write_learned(&baseline) {
            return false;
        }
        let gaps = baseline.gaps().count();
        tracing::info!(
            workload = %baseline.workload(),
            processes = baseline.entries().len(),
            gaps,
            "learned; enforced from now on"
        );
        for sentence in shortcomings(&baseline, now) {
            tracing::warn!(workload = %baseline.workload(), "{sentence}");
        }
        let id = baseline.workload().clone();
        self.workloads.finished.insert(id, baseline);
        true
    }

    /// Writes the document of what was learned, then saves that. Whether both
    /// are done; else they are tried again.
    pub(super) fn write_learned(&mut self, baseline: &Baseline) -> bool {
        let document = document_of(baseline, self.config.generalise_after.parts());
        let file = match write_document(self.learned.path(), &document) {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(%error, "what was learned cannot be written; it is tried again");
                return false;
            }
        };
        if let Err(error) = self.store.get().save(&[baseline]) {
            tracing::error!(%error, "what was learned cannot be saved; it is tried again");
            return false;
        }
        tracing::debug!(workload = %baseline.workload(), file = %file.display(), "written");
        for error in self.learned.reload().errors {
            tracing::error!(%error, "a learned allowlist is broken");
        }
        true
    }

    /// What was reckoned by the wall clock goes with it when it is set.
    pub(super) fn follow_the_clock(&mut self) {
        let Some(by) = self.clock.step() else {
            return;
        };
        tracing::warn!(
            by_s = by.as_secs(),
            "the clock was set; learning goes on from where it was"
        );
        for (_, workload) in self.workloads.iter_mut() {
            if let Phase::Learning {
                baseline, dirty, ..
            } = &mut workload.phase
            {
                baseline.clock_set(by);
                *dirty = true;
            }
        }
        let Workloads {
            dormant,
            finished,
            unsaved,
            ..
        } = &mut self.workloads;
        for (id, baseline) in dormant.iter_mut().chain(finished) {
            baseline.clock_set(by);
            unsaved.insert(id.clone());
        }
    }

    /// Begins to save what the store lacks, unless it is being written; what cannot
    /// be saved is tried again at the next tick.
    pub(super) fn save(&mut self) {
        if self.store.is_busy() {
            return;
        }
        self.see_what_was_saved();
        let unsaved: Vec<Baseline> = self.workloads.unsaved().into_iter().cloned().collect();
        if unsaved.is_empty() {
            return;
        }
        self.workloads.saved();
        self.store.begin(move |store| {
            let baselines: Vec<&Baseline> = unsaved.iter().collect();
            let result = store.save(&baselines);
            let of = unsaved.iter().map(|baseline| baseline.workload().clone());
            Saved {
                of: of.collect(),
                result,
            }
        });
    }

    /// The same, and waits until it is saved.
    pub(super) fn save_now(&mut self) {
        self.see_what_was_saved();
        self.save();
        self.see_what_was_saved();
    }

    /// Takes note of how the last write ended, which is waited for.
    pub(super) fn see_what_was_saved(&mut self) {
        let Some(Saved { of, result }) = self.store.ended() else {
            return;
        };
        if let Err(error) = result {
            self.workloads.unsaved.extend(of);
            tracing::error!(%error, "the state is not saved; it is tried again until it can be");
        }
    }

    /// Notes that nothing is missing until this time, so that the next agent knows
    /// from when on something is.
    pub(super) fn note_alive(&mut self, until: Timestamp) {
        self.store_told = Instant::now();
        self.see_what_was_saved();
        self.store.begin(move |store| Saved {
            of: Vec::new(),
            result: store.heartbeat(until),
        });
    }

    /// Something was lost that may have been of any workload.
    pub(super) fn note_lost(&mut self, count: u64) {
        self.journal_gap(Lack::Lost);
        for (_, workload) in self.workloads.iter_mut() {
            if let Phase::Learning {
                baseline, dirty, ..
            } = &mut workload.phase
            {
                baseline.note(Gap::EventsLost { count }, Timestamp::now());
                *dirty = true;
            }
        }
    }
}

/// A container as a baseline takes it in.
pub fn appearance<'a>(
    container: &'a Container,
    config: &'a Config,
    from_its_start: bool,
) -> Appearance<'a> {
    let description = container.description.as_ref();
    Appearance {
        container: &container.name.id,
        image: description.and_then(|found| found.image.as_deref()),
        image_digest: description.and_then(|found| found.image_digest.as_deref()),
        node: config.node_name.as_str(),
        from_its_start,
    }
}
