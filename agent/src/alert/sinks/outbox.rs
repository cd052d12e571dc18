//! A sink's backlog between the agent's task, which never waits for it, the sink's
//! own task, and the keeper.

use super::backlog::{Backlog, Counts};
use super::batch::Batch;
use super::entry::{Encoded, Entry};
use super::filter::Filter;
use super::form::Form;
use super::keeper::Bell;
use super::spool::Cursor;
use super::{SinkState, SinkStatus, SpoolStatus, Target};
use crate::alert::{Beat, Delivered, Gone, Link, Message};
use crate::model::Digest;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// While the agent ends, the next attempt is never further off than this.
const HURRY: Duration = Duration::from_millis(100);

/// How long a record waits for the disk before it goes out all the same.
const DISK: Duration = Duration::from_millis(100);

/// What waits for one sink.
#[derive(Debug)]
pub(super) struct Outbox {
    target: String,
    filter: Filter,
    node: String,
    form: Form,
    inner: Mutex<Inner>,
    arrived: Notify,
    closed: Notify,
    keeper: Arc<Bell>,
}

#[derive(Debug)]
struct Inner {
    backlog: Backlog,
    closing: bool,
    state: SinkState,
    last_sent: Option<Instant>,
    is_losing: bool,
    spool: Option<SpoolStatus>,
    /// Since when the disk lacks something, if it does.
    unkept_since: Option<Instant>,
    /// The digest of the record before, where records are chained.
    previous: Option<Digest>,
    /// Where the next agent goes on.
    settled: Link,
}

impl Inner {
    /// How long records are still to wait for the disk; `None` where there is none,
    /// or it has failed, is too slow, or lacks nothing.
    fn waits_for_disk(&self) -> Option<Duration> {
        let has_failed = self
            .spool
            .as_ref()
            .is_none_or(|spool| spool.error.is_some());
        let since = self.unkept_since.filter(|_| !has_failed)?;
        DISK.checked_sub(since.elapsed())
            .filter(|left| !left.is_zero())
    }
}

impl Outbox {
    pub(super) fn new(
        node: String,
        form: Form,
        target: Target,
        backlog: Backlog,
        last: Option<Digest>,
        spool: Option<SpoolStatus>,
        keeper: Arc<Bell>,
    ) -> Self {
        let previous = { target.is_chained }.then(|| last.unwrap_or_else(|| Digest::of(b"")));
        let settled = Link {
            sequence: backlog.next(),
            previous,
        };
        Self {
            target: target.to_string(),
            filter: target.filter,
            node,
            form,
            inner: Mutex::new(Inner {
                backlog,
                closing: false,
                state: SinkState::Connecting,
                last_sent: None,
                is_losing: false,
                spool,
                unkept_since: None,
                previous,
                settled,
            }),
            arrived: Notify::new(),
            closed: Notify::new(),
            keeper,
        }
    }

    /// Puts a record or a notice at the end, if the target is to have it. The keeper
    /// is to be rung for when all outboxes have it.
    pub(super) fn put(&self, message: Message<'_>) {
        if self.filter.holds(message) {
            self.put_in(self.lock(), message);
        }
    }

    /// The same for what the agent tells of itself, with what became of the records
    /// before; its sequence.
    pub(super) fn put_beat(&self, beat: &Beat) -> Option<u64> {
        if !self.filter.holds(Message::Beat(beat)) {
            return None;
        }
        let inner = self.lock();
        let sequence = inner.backlog.next();
        let counts = inner.backlog.counts();
        let beat = Beat {
            target: Delivered {
                sent: counts.sent,
                spooled: counts.waiting(),
                lost: counts.lost,
            },
            ..beat.clone()
        };
        self.put_in(inner, Message::Beat(&beat));
        Some(sequence)
    }

    fn put_in(&self, mut inner: MutexGuard<'_, Inner>, message: Message<'_>) {
        let link = Link {
            sequence: inner.backlog.next(),
            previous: inner.previous,
        };
        let entry = self.form.encode(message, link);
        inner.previous = inner.previous.map(|_| Digest::of(&entry.text));
        if inner.backlog.put(entry) {
            self.tell_of_loss(&mut inner);
        }
        inner.unkept_since.get_or_insert_with(Instant::now);
        drop(inner);
        self.arrived.notify_one();
    }

    /// Of each of these records there is nothing left.
    pub(super) fn give_up(&self, entries: &[Encoded]) {
        let mut inner = self.lock();
        let mut lost = false;
        for entry in entries {
            lost |= inner.backlog.give_up(entry);
        }
        if lost {
            self.tell_of_loss(&mut inner);
        }
    }

    /// Once for each time that it comes to it.
    fn tell_of_loss(&self, inner: &mut Inner) {
        if !std::mem::replace(&mut inner.is_losing, true) {
            let target = &self.target;
            tracing::error!(target, "there is no more room: alerts are being lost");
        }
    }

    /// What is to be sent now, beginning with the same until [`wrote`](Self::wrote)
    /// or [`refuse`](Self::refuse); none once the outbox is closed and empty. Safe
    /// to cancel.
    ///
    /// What the disk lacks waits a moment for it: of what only the receiver has, an
    /// agent that is killed leaves no trace, and the next one would give its number
    /// away again.
    pub(super) async fn heads(&self, batch: Batch) -> Vec<Entry> {
        loop {
            let disk = {
                let inner = self.lock();
                let mut heads = inner.backlog.heads(batch);
                if heads.is_empty() && inner.closing && inner.backlog.is_empty() {
                    return heads;
                }
                let disk = inner.waits_for_disk();
                if disk.is_some() {
                    heads.retain(|head| inner.backlog.is_kept(head));
                }
                if !heads.is_empty() {
                    return heads;
                }
                disk
            };
            let arrived = self.arrived.notified();
            match disk {
                // Whatever ends the wait, it is looked again.
                Some(wait) => drop(tokio::time::timeout(wait, arrived).await),
                None => arrived.await,
            }
        }
    }

    /// So many of the heads were written.
    pub(super) fn wrote(&self, count: usize) {
        let mut inner = self.lock();
        for _ in 0..count {
            if inner.backlog.wrote() {
                inner.last_sent = Some(Instant::now());
            }
        }
        inner.is_losing = false;
        if inner.backlog.is_hungry() {
            self.keeper.ring();
        }
    }

    /// A receiver that answers was asked to take so many of the heads.
    pub(super) fn offered(&self, count: usize) {
        self.lock().backlog.offered(count);
    }

    /// The receiver does not take the first head, and says why: it is passed over.
    pub(super) fn refuse(&self, why: &str) {
        let mut inner = self.lock();
        if let Some(refused) = inner.backlog.refuse() {
            let (target, number) = (&self.target, refused.number);
            tracing::error!(target, number, why, "an alert was refused, and is lost");
        }
        drop(inner);
        self.keeper.ring();
    }

    /// All that was written up to a sequence is the receiver's.
    pub(super) fn confirm(&self, sequence: u64) {
        self.lock().backlog.confirm(sequence);
        self.keeper.ring();
    }

    /// What the receiver may not have is to be sent again.
    pub(super) fn rewind(&self) {
        self.lock().backlog.rewind();
    }

    pub(super) fn is_finished(&self) -> bool {
        let inner = self.lock();
        inner.closing && inner.backlog.is_empty()
    }

    /// Nothing more will be put; the task is to hurry.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.arrived.notify_one();
        self.closed.notify_one();
    }

    /// Waits before the next attempt, shorter once the outbox is closed.
    pub(super) async fn pause(&self, wait: Duration) {
        let closing = self.lock().closing;
        if closing {
            tokio::time::sleep(wait.min(HURRY)).await;
        } else {
            // Its outcome is the same: the next attempt.
            let _ = tokio::time::timeout(wait, self.closed.notified()).await;
        }
    }

    pub(super) fn set_state(&self, state: SinkState) {
        let before = std::mem::replace(&mut self.lock().state, state.clone());
        let target = &self.target;
        match (before, state) {
            (SinkState::Failing { .. }, SinkState::Connected) => {
                tracing::info!(target, "alerts go out again");
            }
            (SinkState::Connecting | SinkState::Connected, SinkState::Failing { error }) => {
                tracing::warn!(target, error, "alerts have to wait");
            }
            _ => {}
        }
    }

    pub(super) fn status(&self) -> SinkStatus {
        let inner = self.lock();
        let counts = inner.backlog.counts();
        let Counts {
            sent, resent, lost, ..
        } = counts;
        SinkStatus {
            target: self.target.clone(),
            state: inner.state.clone(),
            sent,
            resent,
            last_sent: inner.last_sent,
            waiting: counts.waiting(),
            lost,
            written: inner.backlog.written(),
            received: inner.backlog.received(),
            spool: inner.spool.clone(),
        }
    }

    /// The number of the last one of the oldest `most` that the disk does not have;
    /// `None` if there are fewer.
    pub(super) fn batch_end(&self, most: usize) -> Option<u64> {
        self.lock().backlog.batch_end(most)
    }

    /// The number of the first one that neither the disk nor surely the receiver has.
    pub(super) fn first_unsafe(&self) -> Option<u64> {
        self.lock().backlog.first_unsafe()
    }

    /// What the disk does not have up to a number, the oldest `most` of it, which will
    /// be written there until [`keep`](Self::keep) says what came of it.
    pub(super) fn begin_to_keep(&self, most: usize, up_to: u64) -> Vec<Entry> {
        self.lock().backlog.begin_to_keep(most, up_to)
    }

    /// The disk has what it was to have, or it does not. Either way the next agent
    /// goes on behind the number.
    pub(super) fn keep(&self, is_written: bool, up_to: u64) {
        let mut inner = self.lock();
        if let Some(last) = inner.backlog.last_unkept(up_to) {
            inner.settled = Link {
                sequence: last.sequence + 1,
                previous: inner.previous.map(|_| Digest::of(&last.text)),
            };
        }
        let lacks_more = inner.backlog.keep(is_written);
        if is_written {
            inner.unkept_since = lacks_more.then(Instant::now);
        }
        drop(inner);
        self.arrived.notify_one();
    }

    /// Makes more of it ready to be sent; the sequence from which on it has to be
    /// read from disk, if it has.
    pub(super) fn refill(&self) -> Option<u64> {
        let mut inner = self.lock();
        let missing = inner
            .backlog
            .refill(&|gone, sequence| self.told(gone, sequence));
        drop(inner);
        self.arrived.notify_one();
        missing
    }

    /// What was read from disk, of what [`refill`](Self::refill) said.
    pub(super) fn load(&self, entries: Vec<Encoded>) {
        let tell = |gone: &_, sequence| self.told(gone, sequence);
        self.lock().backlog.load(entries, &tell);
        self.arrived.notify_one();
    }

    /// How the spool does.
    pub(super) fn set_spool(&self, spool: SpoolStatus) {
        self.lock().spool = Some(spool);
    }

    /// What the next agent has to know, after records up to `number`.
    pub(super) fn cursor(&self, number: u64) -> Cursor {
        let inner = self.lock();
        let Link { sequence, previous } = inner.settled;
        Cursor {
            last: previous.map(|last| last.to_string()),
            ..inner.backlog.cursor(sequence, number)
        }
    }

    fn told(&self, gone: &Gone, sequence: u64) -> Encoded {
        self.form.tell_of_loss(&self.node, gone, sequence)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}
