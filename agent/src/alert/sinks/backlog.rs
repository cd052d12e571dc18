//! What waits for one sink, and in what order it goes out. Pure.
//!
//! Every record has a sequence, without a gap. Those that the receiver may lack
//! stand in a window, which begins behind what it surely has: first what was written
//! and may have to be written again, then what comes next. What does not fit into
//! the window waits on disk, and what the disk does not have yet, here.

mod loading;

use super::batch::Batch;
use super::entry::{Encoded, Entry};
use super::spool::{Cursor, Gap, Left};
use crate::alert::Gone;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many bytes that are to be written stand in the window, about.
pub(super) const AHEAD: usize = 128 * 1024;

/// Makes the record that tells of others that were lost, for a sequence.
pub(super) type TellOfLoss<'a> = &'a dyn Fn(&Gone, u64) -> Encoded;

/// What waits for one sink.
#[derive(Debug)]
pub(super) struct Backlog {
    /// How many wait here at most, for want of a disk.
    capacity: usize,
    has_disk: bool,
    window: VecDeque<Entry>,
    /// The first of the window that is not written.
    sending: usize,
    /// The bytes in the window from there on.
    ahead: usize,
    /// The sequence of the next record.
    next: u64,
    /// All up to this sequence are the receiver's, or were told of as lost.
    confirmed: u64,
    /// All up to this one are, or were, in the window.
    loaded: u64,
    /// The number of the last of them.
    loaded_number: u64,
    /// Up to this one, what is not loaded is on disk.
    kept: u64,
    /// What the disk does not have.
    unkept: VecDeque<Entry>,
    /// How many of those are being written to it.
    in_hand: usize,
    /// What went for want of room, of what is not loaded. Oldest first.
    gaps: VecDeque<Gap>,
    /// What was told to be lost, as long as that is not confirmed.
    told: VecDeque<Gap>,
    /// The last that was ever written.
    sent_to: u64,
    /// The last that a receiver that answers was asked to take.
    offered_to: u64,
    counts: Counts,
}

/// `sent + lost` and what waits are what was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Records put, and left by an earlier agent.
    pub given: u64,
    /// Records written, each once.
    pub sent: u64,
    /// Records written again, because the receiver may not have had them.
    pub resent: u64,
    /// Records thrown away, damaged on disk, or refused by the receiver.
    pub lost: u64,
}

impl Counts {
    pub(super) fn waiting(&self) -> u64 {
        self.given.saturating_sub(self.sent + self.lost)
    }
}

impl Backlog {
    /// With what an earlier agent left on disk, if there is a disk.
    pub(super) fn new(left: Option<&Left>, capacity: usize) -> Self {
        let none = Left::default();
        let (has_disk, left) = (left.is_some(), left.unwrap_or(&none));
        let Cursor {
            confirmed, gaps, ..
        } = &left.cursor;
        let gone: u64 = gaps.iter().map(|gap| gap.gone.count).sum();
        let next = left.next.max(1);
        Self {
            capacity,
            has_disk,
            window: VecDeque::new(),
            sending: 0,
            ahead: 0,
            next,
            confirmed: *confirmed,
            loaded: *confirmed,
            loaded_number: 0,
            kept: left.kept,
            unkept: VecDeque::new(),
            in_hand: 0,
            gaps: gaps.iter().cloned().collect(),
            told: VecDeque::new(),
            sent_to: *confirmed,
            offered_to: *confirmed,
            counts: Counts {
                given: (next - 1).saturating_sub(confirmed + gone),
                ..Counts::default()
            },
        }
    }

    /// The sequence of the next record.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// All up to this sequence were written.
    pub(super) fn written(&self) -> u64 {
        self.sent_to
    }

    /// All up to this one are the receiver's.
    pub(super) fn received(&self) -> u64 {
        self.confirmed
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Puts the next record at the end. Says whether another one was lost by that.
    pub(super) fn put(&mut self, entry: Encoded) -> bool {
        let entry = Arc::new(entry);
        self.next += 1;
        self.counts.given += 1;
        let is_next = self.loaded + 1 == entry.sequence && self.ahead < AHEAD;
        if is_next {
            self.load_one(Arc::clone(&entry));
        }
        if !is_next || self.has_disk {
            self.unkept.push_back(entry);
        }
        let over = self.unkept.len() - self.in_hand > self.capacity;
        let oldest = over.then(|| self.unkept.remove(self.in_hand)).flatten();
        oldest.is_some_and(|oldest| self.give_up(&oldest))
    }

    /// It is nowhere any more but perhaps in the window. Says whether it is lost.
    pub(super) fn give_up(&mut self, entry: &Encoded) -> bool {
        if entry.sequence <= self.loaded {
            return false;
        }
        self.counts.lost += 1;
        // They go from the oldest on: of the disk's, or of those that are not there.
        let place = { self.gaps.iter() }.position(|gap| gap.last + 1 >= entry.sequence);
        let place = place.unwrap_or(self.gaps.len());
        match self.gaps.get_mut(place) {
            Some(gap) if gap.last + 1 == entry.sequence => gap.last = entry.sequence,
            _ => {
                let (first, last) = (entry.sequence, entry.sequence);
                let gone = Gone::before(entry.number);
                self.gaps.insert(place, Gap { first, last, gone });
            }
        }
        if let Some(gap) = self.gaps.get_mut(place) {
            gap.gone.add(entry.number, &entry.workload);
        }
        true
    }

    /// The next that are to be written: as many as a batch holds, one at least if
    /// there is one.
    pub(super) fn heads(&self, batch: Batch) -> Vec<Entry> {
        let mut room = batch.bytes;
        let ahead = self.window.range(self.sending..).take(batch.records);
        ahead
            .enumerate()
            .take_while(|(i, entry)| {
                let fits = entry.text.len() <= room;
                room = room.saturating_sub(entry.text.len());
                fits || *i == 0
            })
            .map(|(_, entry)| Arc::clone(entry))
            .collect()
    }

    /// The receiver was asked to take so many of the next; it may not say whether it
    /// has. Whoever writes to one that answers says so beside
    /// [`wrote`](Self::wrote), which is for what it took.
    pub(super) fn offered(&mut self, count: usize) {
        for entry in self.window.range(self.sending..).take(count) {
            if entry.sequence > self.offered_to {
                self.offered_to = entry.sequence;
            } else if !entry.tells_of_loss {
                self.counts.resent += 1;
            }
        }
    }

    /// The receiver has all before the next one, and does not take that one: it is
    /// passed over. Gives it back.
    pub(super) fn refuse(&mut self) -> Option<Entry> {
        let refused = self.window.get(self.sending).cloned()?;
        self.confirm(refused.sequence - 1);
        self.window.pop_front();
        self.ahead -= refused.text.len();
        self.confirmed = refused.sequence;
        self.forget_told();
        if !refused.tells_of_loss && refused.sequence > self.sent_to {
            self.counts.lost += 1;
        }
        Some(refused)
    }

    /// The head was written. Says whether it was a record, for the first time.
    pub(super) fn wrote(&mut self) -> bool {
        let Some(entry) = self.window.get(self.sending) else {
            return false;
        };
        self.sending += 1;
        self.ahead -= entry.text.len();
        if entry.tells_of_loss {
            return false;
        }
        let is_new = entry.sequence > self.sent_to;
        match is_new {
            true => self.counts.sent += 1,
            false => self.counts.resent += 1,
        }
        self.sent_to = self.sent_to.max(entry.sequence);
        is_new
    }

    /// All up to a sequence that were written are the receiver's.
    pub(super) fn confirm(&mut self, sequence: u64) {
        while self.sending > 0
            && let Some(entry) = self.window.pop_front_if(|entry| entry.sequence <= sequence)
        {
            self.sending -= 1;
            self.confirmed = entry.sequence;
        }
        self.forget_told();
    }

    fn forget_told(&mut self) {
        while (self.told.pop_front_if(|gap| gap.last <= self.confirmed)).is_some() {}
    }

    /// What is not confirmed is to be written again.
    pub(super) fn rewind(&mut self) {
        self.sending = 0;
        self.ahead = self.window.iter().map(|entry| entry.text.len()).sum();
    }

    /// Whether all is written.
    pub(super) fn is_empty(&self) -> bool {
        let loaded = self.sending == self.window.len();
        loaded && !self.is_behind()
    }

    /// Whether there is more than stands in the window.
    fn is_behind(&self) -> bool {
        let unkept = self.unkept.back().map_or(0, |last| last.sequence);
        self.loaded < self.kept.max(unkept)
    }

    /// Whether there is more than stands in the window, and room for it there.
    pub(super) fn is_hungry(&self) -> bool {
        self.ahead < AHEAD && self.is_behind()
    }

    fn load_one(&mut self, entry: Entry) {
        self.loaded = entry.sequence;
        self.loaded_number = self.loaded_number.max(entry.number);
        self.ahead += entry.text.len();
        self.window.push_back(entry);
    }

    /// The number of the last one of the oldest `most` that the disk does not have;
    /// `None` if there are fewer.
    pub(super) fn batch_end(&self, most: usize) -> Option<u64> {
        self.unkept.get(most - 1).map(|last| last.number)
    }

    /// What the disk does not have up to a number, the oldest `most` of it, which will
    /// be written there until [`keep`](Self::keep) says what came of it.
    pub(super) fn begin_to_keep(&mut self, most: usize, up_to: u64) -> Vec<Entry> {
        if self.has_disk {
            let oldest = self.unkept.iter().take(most);
            self.in_hand = oldest.take_while(|entry| entry.number <= up_to).count();
        }
        self.unkept.iter().take(self.in_hand).cloned().collect()
    }

    /// The number of the first one that neither the disk nor surely the receiver has.
    pub(super) fn first_unsafe(&self) -> Option<u64> {
        let mut unkept = self.unkept.iter();
        let first = unkept.find(|entry| entry.sequence > self.confirmed);
        first.map(|entry| entry.number)
    }

    /// The last one up to a number that the disk does not have.
    pub(super) fn last_unkept(&self, up_to: u64) -> Option<&Entry> {
        let mut newest = self.unkept.iter().rev();
        newest.find(|entry| entry.number <= up_to)
    }

    /// The disk has what it was to have, or it does not. Whether it lacks more.
    pub(super) fn keep(&mut self, is_written: bool) -> bool {
        let in_hand = std::mem::take(&mut self.in_hand);
        if is_written && let Some(last) = self.unkept.drain(..in_hand).next_back() {
            self.kept = last.sequence;
        }
        !self.unkept.is_empty()
    }

    /// Whether the disk has it, or it tells of a loss and is made anew each time.
    pub(super) fn is_kept(&self, entry: &Encoded) -> bool {
        entry.tells_of_loss || entry.sequence <= self.kept
    }

    /// What the next agent has to know, which goes on with the sequence `next`, after
    /// records up to `number`.
    pub(super) fn cursor(&self, next: u64, number: u64) -> Cursor {
        let gaps = self.told.iter().chain(&self.gaps);
        Cursor {
            confirmed: self.confirmed.min(next - 1),
            next,
            number,
            last: None,
            gaps: gaps.filter(|gap| gap.last < next).cloned().collect(),
        }
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
