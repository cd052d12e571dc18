//! What an entry with a `*` was made from: evidence, by which nothing is
//! decided.

use super::path::ExactPath;
use std::collections::BTreeSet;

/// The most paths that are named.
pub const MAX_EXAMPLES: usize = 8;

/// The paths that were seen where an entry has a `*`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MadeFrom {
    count: u64,
    examples: BTreeSet<ExactPath>,
}

/// Evidence that contradicts itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadOrigin {
    /// More names than paths.
    #[error("madeFrom names {examples} examples of {count} paths; count says how many there were")]
    Count {
        /// How many paths there were.
        count: u64,
        /// How many are named.
        examples: usize,
    },
    /// More than [`MAX_EXAMPLES`].
    #[error("madeFrom names {0} examples; it has at most {MAX_EXAMPLES}")]
    TooMany(usize),
    /// None.
    #[error("madeFrom names no example; leave it out")]
    Nothing,
}

impl MadeFrom {
    /// The first of these paths in their order, and how many there are; `None`
    /// for none.
    pub fn of(paths: &BTreeSet<ExactPath>) -> Option<Self> {
        let examples: BTreeSet<_> = paths.iter().take(MAX_EXAMPLES).cloned().collect();
        Self::new(paths.len() as u64, examples).ok()
    }

    /// Checks what was written down.
    ///
    /// # Errors
    /// It names nothing, more than it counts, or more than [`MAX_EXAMPLES`].
    pub fn new(count: u64, examples: BTreeSet<ExactPath>) -> Result<Self, BadOrigin> {
        match examples.len() {
            0 => Err(BadOrigin::Nothing),
            named if named > MAX_EXAMPLES => Err(BadOrigin::TooMany(named)),
            named if named as u64 > count => Err(BadOrigin::Count {
                count,
                examples: named,
            }),
            _ => Ok(Self { count, examples }),
        }
    }

    /// How many paths there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Some of them: at least one, at most [`MAX_EXAMPLES`].
    pub fn examples(&self) -> &BTreeSet<ExactPath> {
        &self.examples
    }
}
