//! How what waits comes into the window, and what stands there for what is lost.

use super::super::entry::Encoded;
use super::super::spool::Gap;
use super::{Backlog, TellOfLoss};
use crate::alert::Gone;
use std::sync::Arc;

impl Backlog {
    /// Takes what comes next into the window, as far as it is here and there is
    /// room. The sequence from which on it is on disk, if it is.
    pub(in crate::alert::sinks) fn refill(&mut self, tell: TellOfLoss<'_>) -> Option<u64> {
        while self.is_hungry() {
            if self.loaded < self.kept {
                return Some(self.loaded + 1);
            }
            let entry = { self.unkept.iter() }.find(|entry| entry.sequence > self.loaded);
            let entry = Arc::clone(entry?);
            self.pass(entry.sequence, entry.number, tell);
            self.load_one(entry);
            if !self.has_disk {
                self.unkept.pop_front();
            }
        }
        None
    }

    /// Takes into the window what the disk had from where [`refill`](Self::refill)
    /// said; nothing: it cannot be read.
    pub(in crate::alert::sinks) fn load(&mut self, entries: Vec<Encoded>, tell: TellOfLoss<'_>) {
        if entries.is_empty() {
            self.pass(self.kept + 1, self.loaded_number + 1, tell);
        }
        for entry in entries {
            if entry.sequence > self.loaded {
                self.pass(entry.sequence, entry.number, tell);
                self.load_one(Arc::new(entry));
            }
        }
    }

    /// Tells of what is lost between what is loaded and what comes next.
    fn pass(&mut self, next: u64, number: u64, tell: TellOfLoss<'_>) {
        while self.loaded + 1 < next {
            let gap = self.gaps.pop_front_if(|gap| gap.first == self.loaded + 1);
            let gap = gap.unwrap_or_else(|| {
                // Nobody threw it away: it is damaged.
                let last = { self.gaps.front() }.map_or(next - 1, |gap| gap.first.min(next) - 1);
                let count = last - self.loaded;
                self.counts.lost += count;
                let first = self.loaded_number + 1;
                let gone = Gone {
                    count,
                    last: number.saturating_sub(1).max(first),
                    ..Gone::before(first)
                };
                Gap {
                    first: self.loaded + 1,
                    last,
                    gone,
                }
            });
            self.load_one(Arc::new(tell(&gap.gone, gap.last)));
            self.told.push_back(gap);
        }
    }
}
