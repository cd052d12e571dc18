//! Whether the kernel's rules are still those that the agent put there: looked at
//! every few seconds, and before it changes them itself.

use super::Node;
use super::alerts::Came;
use crate::alert::Subject;
use crate::kernel::{Found, PinError, PolicyError};
use crate::model::{Meddling, Reason, Slot, Tampering, WorkloadId};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How often all of them are looked at. What somebody does is told within five
/// seconds.
const INTERVAL: Duration = Duration::from_secs(4);

impl Node {
    /// Puts back what somebody else has changed, if it is time to look.
    pub(super) fn compare_rules(&mut self) {
        if self.compared.elapsed() >= INTERVAL {
            self.compared = Instant::now();
            let found = self.kernel.put_back();
            for workload in self.report_tampering(found) {
                // What the kernel remembers by rules that were not ours is
                // forgotten with the generation.
                self.apply_policy(&workload);
            }
            self.look_for_frozen_maps();
            self.look_after_gates();
        }
    }

    /// Says once if a map takes no changes any more: only new ones do, which the next
    /// agent makes.
    fn look_for_frozen_maps(&mut self) {
        if !self.is_frozen && self.kernel.is_frozen() {
            self.is_frozen = true;
            self.raise_meddling(Meddling::Frozen, None::<PolicyError>);
        }
    }

    /// Undoes what somebody has done to what leads execs to the programs.
    fn look_after_gates(&mut self) {
        // Until then an earlier agent's judge.
        if self.in_charge_ns == u64::MAX {
            return;
        }
        if let Some(result) = self.kernel.turn_gates_back() {
            let is_undone = result.is_ok();
            self.raise_meddling(Meddling::Turned { is_undone }, result.err());
        }
        match self.kernel.mend_pins() {
            Some(Ok(())) => {
                self.unpinned = None;
                self.raise_meddling(Meddling::Unpinned { is_undone: true }, None::<PinError>);
            }
            // It is tried again, and not told of again.
            Some(Err(_)) if self.unpinned.is_some() => {}
            Some(Err(error)) => {
                self.unpinned = Some(error.to_string());
                self.raise_meddling(Meddling::Unpinned { is_undone: false }, Some(error));
            }
            None => {}
        }
    }

    fn raise_meddling(&mut self, done: Meddling, error: Option<impl std::fmt::Display>) {
        let error = error.map(|error| error.to_string());
        tracing::error!(?done, error, "somebody else has meddled with the programs");
        let nobodys = nobody();
        self.raise_about(&nobodys, Reason::Tampered, Subject::Meddled(done), once());
    }

    /// The same of one slot's own, which is about to be changed.
    pub(super) fn compare_rules_of(&mut self, slot: Slot) {
        let found = self.kernel.put_back_of(slot);
        self.report_tampering(found);
    }

    /// Says what was found; whose rules those were.
    fn report_tampering(
        &mut self,
        (found, put_back): (Found, Result<(), PolicyError>),
    ) -> Vec<WorkloadId> {
        if let Err(error) = put_back {
            tracing::error!(%error, "somebody has changed the kernel's rules, and not all of them could be put back");
        }
        let mut whose = Vec::new();
        for (slot, done) in found {
            tracing::error!(
                slot = slot.0,
                added = done.added,
                removed = done.removed,
                changed = done.changed,
                "somebody else has changed rules in the kernel"
            );
            self.raise_tampering(slot, done);
            whose.extend(self.workloads.by_slot(slot).cloned());
        }
        whose
    }

    fn raise_tampering(&mut self, slot: Slot, done: Tampering) {
        // What is outside containers, or has no name yet, is nobody's in particular.
        let id = self.workloads.by_slot(slot).cloned();
        let id = id.unwrap_or_else(nobody);
        self.raise_about(&id, Reason::Tampered, Subject::Tampered(done), once());
    }
}

/// Once, now, and of no entry.
fn once() -> Came {
    Came::new(None, 1, Timestamp::now())
}

/// The workload of what is outside containers and no unit.
fn nobody() -> WorkloadId {
    WorkloadId::Unit {
        unit: "-".to_owned(),
    }
}
