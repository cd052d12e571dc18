//! What a baseline may have missed.

use super::Sample;
use crate::model::ContainerId;
use jiff::Timestamp;
use std::fmt;

/// How many gaps of one kind a baseline lists.
pub const MAX_LISTED: usize = 64;

/// A reason why a baseline may lack something that the workload does run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Gap {
    /// The agent was not there.
    AgentDown {
        /// When it was last known to be alive.
        from: Timestamp,
        /// When it was back.
        to: Timestamp,
    },
    /// The container was already running when learning began: how it started
    /// was not seen.
    PreExisting {
        /// Which one.
        container: ContainerId,
    },
    /// The kernel counted execs that it could not report.
    EventsLost {
        /// How many.
        count: u64,
    },
    /// The workload ran more distinct programs than a baseline holds
    /// ([`super::MAX_ENTRIES`]).
    BeyondLimit {
        /// How many execs of programs that were not kept.
        execs: u64,
    },
    /// What was learned before could not be read back; learning began again.
    RecordLost,
    /// There are more gaps of a kind than the [`MAX_LISTED`] that are listed.
    MoreThanListed,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AgentDown { from, to } => {
                write!(f, "the agent was down from {from} to {to}")
            }
            Self::PreExisting { container } => write!(
                f,
                "container {} was already running when learning began",
                container.short()
            ),
            Self::EventsLost { count } => write!(f, "{count} execs could not be reported"),
            Self::BeyondLimit { execs } => write!(
                f,
                "{execs} execs were of programs beyond the {} that a baseline holds",
                super::MAX_ENTRIES
            ),
            Self::RecordLost => {
                f.write_str("what was learned before could not be read back, learning began again")
            }
            Self::MoreThanListed => f.write_str("there are more gaps than are listed"),
        }
    }
}

/// All gaps of a baseline, bounded: spans and containers as samples, counts as
/// sums.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Gaps {
    pub(super) down: Sample<(Timestamp, Timestamp), MAX_LISTED>,
    pub(super) pre_existing: Sample<ContainerId, MAX_LISTED>,
    pub(super) events_lost: u64,
    pub(super) execs_beyond: u64,
    pub(super) record_lost: bool,
    pub(super) more: bool,
}

impl Gaps {
    pub(super) fn add(&mut self, gap: Gap) {
        match gap {
            Gap::AgentDown { from, to } => self.down.insert(&(from, to)),
            Gap::PreExisting { container } => self.pre_existing.insert(&container),
            Gap::EventsLost { count } => {
                self.events_lost = self.events_lost.saturating_add(count);
            }
            Gap::BeyondLimit { execs } => {
                self.execs_beyond = self.execs_beyond.saturating_add(execs);
            }
            Gap::RecordLost => self.record_lost = true,
            Gap::MoreThanListed => self.more = true,
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.down.merge(&other.down);
        self.pre_existing.merge(&other.pre_existing);
        self.events_lost = self.events_lost.saturating_add(other.events_lost);
        self.execs_beyond = self.execs_beyond.saturating_add(other.execs_beyond);
        self.record_lost |= other.record_lost;
        self.more |= other.more;
    }

    /// Every gap, in a fixed order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Gap> + '_ {
        let down = self
            .down
            .iter()
            .map(|&(from, to)| Gap::AgentDown { from, to });
        let pre_existing = self.pre_existing.iter().map(|container| Gap::PreExisting {
            container: container.clone(),
        });
        let more = self.more || self.down.has_more() || self.pre_existing.has_more();
        let counted = [
            (self.events_lost > 0).then_some(Gap::EventsLost {
                count: self.events_lost,
            }),
            (self.execs_beyond > 0).then_some(Gap::BeyondLimit {
                execs: self.execs_beyond,
            }),
            self.record_lost.then_some(Gap::RecordLost),
            more.then_some(Gap::MoreThanListed),
        ];
        down.chain(pre_existing)
            .chain(counted.into_iter().flatten())
    }
}
