//! What the agent tells of itself: that it is there, and what there was.

use crate::model::{ExecCounts, Untrusted};
use jiff::Timestamp;

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
    Heartbeat,
    /// Somebody asked for a test.
    Test {
        /// Who.
        by: Untrusted,
    },
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
    /// The word to filter by.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Test { .. } => "test",
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
            cause: Cause::Heartbeat,
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
