//! How far the records have come, by number.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the agent's task and the keeper tell each other.
#[derive(Debug)]
pub(super) struct Progress {
    put: AtomicU64,
    committed: AtomicU64,
}

impl Progress {
    /// At the beginning, where an earlier agent ended.
    pub(super) fn new(put: u64, committed: u64) -> Self {
        Self {
            put: put.into(),
            committed: committed.into(),
        }
    }

    /// Each sink that is to have it has the record of this number, and those before.
    pub(super) fn set_put(&self, number: u64) {
        self.put.fetch_max(number, Ordering::Release);
    }

    /// The number of the last record that was put to all sinks.
    pub(super) fn put(&self) -> u64 {
        self.put.load(Ordering::Acquire)
    }

    /// Every spool has what it is to have, up to this number.
    pub(super) fn set_committed(&self, number: u64) {
        self.committed.store(number, Ordering::Release);
    }

    /// Up to which number every spool has what it is to have.
    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }
}
