//! Execs, by what became of them.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

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
    /// Those of `deviating` and `errors` that were stopped.
    #[serde(default)]
    pub blocked: u64,
}

impl ExecCounts {
    /// Whether every exec is in exactly one of the others, and only such were
    /// stopped as may be.
    pub fn holds(&self) -> bool {
        let may_be = u128::from(self.deviating) + u128::from(self.errors);
        u128::from(self.seen) == self.sum() && u128::from(self.blocked) <= may_be
    }

    /// What was counted since there were so many.
    pub fn since(self, before: Self) -> Self {
        Self {
            seen: self.seen.saturating_sub(before.seen),
            known: self.known.saturating_sub(before.known),
            learning: self.learning.saturating_sub(before.learning),
            deviating: self.deviating.saturating_sub(before.deviating),
            ignored: self.ignored.saturating_sub(before.ignored),
            errors: self.errors.saturating_sub(before.errors),
            blocked: self.blocked.saturating_sub(before.blocked),
        }
    }

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

impl AddAssign for ExecCounts {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.known += other.known;
        self.learning += other.learning;
        self.deviating += other.deviating;
        self.ignored += other.ignored;
        self.errors += other.errors;
        self.blocked += other.blocked;
    }
}
