//! Execs, by what became of them.

use serde::{Deserialize, Serialize};

/// How many execs there were, and what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ExecCounts {
    /// Execs.
    pub seen: u64,
    /// Covered by an allowlist.
    pub known: u64,
    /// Not known, while learning.
    pub learning: u64,
    /// Not known, while enforcing or before the container was named.
    pub deviating: u64,
    /// Nothing was asked of them.
    pub ignored: u64,
    /// They could not be identified.
    pub errors: u64,
}

impl ExecCounts {
    /// What `seen` must be. Wider than a count, so that no values overflow it.
    pub fn sum(&self) -> u128 {
        [
            self.known,
            self.learning,
            self.deviating,
            self.ignored,
            self.errors,
        ]
        .into_iter()
        .map(u128::from)
        .sum()
    }
}
