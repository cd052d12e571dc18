//! What the kernel could not do, and whether its counts add up: looked at once
//! a second.

use super::Node;
use crate::model::Slot;
use agent_common::wire::{Losses, SLOT_PENDING};

/// What was said of the kernel's health so far.
pub struct Told {
    losses: Losses,
    missed: u64,
    /// Execs of containers without a name, or without a slot, over the quota that
    /// they share.
    unnamed: u64,
    /// Whether the counts added up when they were last looked at.
    holds: bool,
}

impl Told {
    /// Nothing yet; what was lost or missed before is not ours.
    pub fn since(losses: Losses, missed: u64) -> Self {
        Self {
            losses,
            missed,
            unnamed: 0,
            holds: true,
        }
    }
}

impl Node {
    /// Looks for what the kernel could not do.
    pub(super) fn check_health(&mut self) {
        let losses = self.kernel.losses();
        if losses.cgroups_full > self.health_told.losses.cgroups_full {
            tracing::error!(
                times = losses.cgroups_full,
                "the kernel's map of cgroups was full; looking through all of them"
            );
            self.take_in_cgroups();
        }
        if losses.seen_full > self.health_told.losses.seen_full {
            self.note_lost(losses.seen_full - self.health_told.losses.seen_full);
        }
        if losses.ring_full > self.health_told.losses.ring_full {
            tracing::warn!(
                times = losses.ring_full,
                "the ring was full; the maps were walked instead and nothing was lost"
            );
        }
        self.health_told.losses = losses;
        self.check_missed();
        self.check_accounting();
        self.check_unnamed();
        let slots: Vec<Slot> = self
            .workloads
            .iter()
            .map(|(_, workload)| workload.slot)
            .collect();
        for slot in slots {
            self.report_overflow(slot);
        }
    }

    /// What the kernel ran no program for: nothing else counts it.
    fn check_missed(&mut self) {
        let missed = self.kernel.missed();
        if missed > self.health_told.missed {
            let more = missed - self.health_told.missed;
            tracing::error!(more, "the kernel left out runs of the programs");
            self.note_lost(more);
            self.health_told.missed = missed;
        }
    }

    /// No workload is known to be theirs.
    fn check_unnamed(&mut self) {
        let overflowed = self.kernel.usage(Slot(SLOT_PENDING)).overflowed;
        if overflowed > self.health_told.unnamed {
            let more = overflowed - self.health_told.unnamed;
            tracing::error!(
                more,
                "more distinct execs of containers without a name than are kept apart"
            );
            self.note_lost(more);
            self.health_told.unnamed = overflowed;
        }
    }

    fn check_accounting(&mut self) {
        let counts = self.accounting();
        if counts.holds() != self.health_told.holds {
            self.health_told.holds = counts.holds();
            if counts.holds() {
                tracing::info!("the counts add up again");
            } else {
                tracing::error!(
                    ?counts,
                    "the counts do not add up; no number can be trusted"
                );
            }
        }
    }
}
