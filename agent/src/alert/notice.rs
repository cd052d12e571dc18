//! What the agent tells of a workload beside its deviations: that it may run
//! anything for a time, and what came of that; what a new image runs; that it is not
//! blocked any more.

use crate::model::{Untrusted, WorkloadId};
use jiff::Timestamp;

/// One such notice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The record's number on this node, as a [`Record`](super::Record) has.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// Whose it is.
    pub workload: WorkloadId,
    /// What is told.
    pub about: About,
    /// Who decided it; `None` for the agent, because its time had come.
    pub by: Option<Untrusted>,
    /// Why, in their words.
    pub why: Option<Untrusted>,
}

/// What a notice tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// From now on nothing is reported one by one.
    Allowed {
        /// Until when.
        until: Timestamp,
    },
    /// That is over.
    AllowEnded {
        /// Until when it was meant to be; the agent may have been down then.
        until: Timestamp,
        /// How many execs were not reported one by one.
        execs: u64,
        /// Of how many executables.
        executables: u64,
        /// Whether they were even more.
        more: bool,
    },
    /// New images of it were on probation.
    Upgrade(Upgrade),
    /// What deviates is not stopped any more: its containers did not stay up.
    SteppedBack {
        /// How many had ended, one after the other, in each of which something had
        /// been stopped.
        containers: u64,
    },
}

/// What new images of a workload run, beside what it had learned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upgrade {
    /// The digests of the images.
    pub images: Vec<Untrusted>,
    /// What they ran beyond what was learned, a path each; an applet stands behind
    /// it.
    pub new: Vec<Untrusted>,
    /// What was learned and is no file of theirs any more, likewise.
    pub gone: Vec<Untrusted>,
}

impl About {
    /// All words to filter by.
    pub const WORDS: [&str; 4] = ["allowed", "allow-ended", "probation", "stepped-back"];

    /// The word to filter by.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed { .. } => "allowed",
            Self::AllowEnded { .. } => "allow-ended",
            Self::Upgrade(_) => "probation",
            Self::SteppedBack { .. } => "stepped-back",
        }
    }

    /// Until when it is, or was meant to be.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Allowed { until } | Self::AllowEnded { until, .. } => Some(*until),
            Self::Upgrade(_) | Self::SteppedBack { .. } => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Runtime;

    /// The end of an allowance, the way most tests want it.
    pub(in crate::alert) fn notice() -> Notice {
        let at = |text: &str| text.parse().expect("a time");
        Notice {
            number: 8,
            time: at("2026-01-02T03:34:06Z"),
            node: "node-1".to_owned(),
            workload: WorkloadId::Runtime {
                runtime: Runtime::Runc,
                name: "web".to_owned(),
            },
            about: About::AllowEnded {
                until: at("2026-01-02T03:34:05Z"),
                execs: 57,
                executables: 3,
                more: false,
            },
            by: None,
            why: None,
        }
    }
}
