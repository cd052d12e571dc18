//! What the agent tells of itself: that it is there, and what there was.

use super::Severity;
use crate::model::{CanaryResult, ExecCounts, Untrusted};
use jiff::Timestamp;
use std::time::Duration;

/// A heartbeat, or a record that somebody asked for to see it arrive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beat {
    /// The record's number on this node, as a [`Record`](super::Record) has.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// Why it is told.
    pub cause: Cause,
    /// The execs since the programs were loaded.
    pub execs: ExecCounts,
    /// What became of the records for the target that this one is for, before it.
    pub target: Delivered,
}

/// Why the agent tells of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It is time.
    Heartbeat {
        /// What its canary came to last, if it has one.
        canary: Option<CanaryTold>,
    },
    /// Somebody asked for a test.
    Test {
        /// Who.
        by: Untrusted,
    },
    /// The canary failed, or passes again.
    Canary(CanaryTold),
}

/// What the canary came to: an exec of the agent's own that has to be reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CanaryTold {
    /// The result.
    pub result: CanaryResult,
    /// How long it took, if it passed.
    pub took: Option<Duration>,
    /// Why it failed, if it did, or what passes again.
    pub why: Option<Untrusted>,
}

impl CanaryTold {
    /// It passed.
    pub fn passed(took: Duration) -> Self {
        Self {
            result: CanaryResult::Passed,
            took: Some(took),
            why: None,
        }
    }

    /// A target takes records again, after so long.
    pub fn delivered(why: &str, took: Duration) -> Self {
        Self {
            why: Some(why.into()),
            ..Self::passed(took)
        }
    }

    /// It did not.
    pub fn failed(result: CanaryResult, why: &str) -> Self {
        Self {
            result,
            took: None,
            why: Some(why.into()),
        }
    }

    /// How long it took, in milliseconds: what took less is one.
    pub fn took_ms(&self) -> Option<u64> {
        let took = self.took?.as_micros().div_ceil(1000);
        Some(u64::try_from(took).unwrap_or(u64::MAX))
    }

    fn severity(&self) -> Severity {
        match self.result {
            CanaryResult::Passed => Severity::Notice,
            _ => Severity::Critical,
        }
    }
}

impl Beat {
    /// How urgent it is.
    pub fn severity(&self) -> Severity {
        match &self.cause {
            Cause::Heartbeat { .. } | Cause::Test { .. } => Severity::Info,
            Cause::Canary(told) => told.severity(),
        }
    }

    /// Whether it says that something is wrong.
    pub fn is_alert(&self) -> bool {
        self.severity() == Severity::Critical
    }

    /// What it says of the canary.
    pub fn canary(&self) -> Option<&CanaryTold> {
        match &self.cause {
            Cause::Heartbeat { canary } => canary.as_ref(),
            Cause::Canary(told) => Some(told),
            Cause::Test { .. } => None,
        }
    }
}

/// Records of one target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Written to it.
    pub sent: u64,
    /// Those that wait for it.
    pub spooled: u64,
    /// Given up.
    pub lost: u64,
}

impl Cause {
    /// The words to filter by, but for that of a test, which is for every target.
    pub const WORDS: [&str; 2] = ["heartbeat", "canary"];

    /// The word to filter by.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Heartbeat { .. } => "heartbeat",
            Self::Test { .. } => "test",
            Self::Canary(_) => "canary",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A heartbeat, the way most tests want it.
    pub(in crate::alert) fn beat() -> Beat {
        Beat {
            number: 9,
            time: "2026-01-02T04:00:00Z".parse().expect("a time"),
            node: "node-1".to_owned(),
            cause: Cause::Heartbeat {
                canary: Some(CanaryTold::passed(Duration::from_millis(3))),
            },
            execs: ExecCounts {
                seen: 12_345,
                known: 12_000,
                learning: 300,
                deviating: 40,
                ignored: 5,
                errors: 0,
                blocked: 0,
            },
            target: Delivered {
                sent: 40,
                spooled: 2,
                lost: 0,
            },
        }
    }
}
