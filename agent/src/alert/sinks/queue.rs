//! What waits for one sink.

use super::{SinkState, SinkStatus};
use crate::alert::{Lost, Message, Notice, Record};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// While the agent ends, the next attempt is never further off than this.
const HURRY: Duration = Duration::from_millis(100);

/// One thing to be sent.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Record(Arc<Record>),
    Notice(Arc<Notice>),
    Lost(Lost),
}

impl Item {
    /// It, for the encoders.
    pub(super) fn message(&self) -> Message<'_> {
        match self {
            Self::Record(record) => Message::Record(record),
            Self::Notice(notice) => Message::Notice(notice),
            Self::Lost(lost) => Message::Lost(lost),
        }
    }

    /// Whether it was put here, and does not tell of losses here.
    fn was_put(&self) -> bool {
        !matches!(self, Self::Lost(_))
    }
}

/// A bounded queue between the agent, which never waits for it, and one
/// sink's task. What is at its head stays there until it was written. When it
/// is full, the oldest record behind the head gives way, and a notice that
/// counts such records takes their place.
///
/// Every record put is, at any time, one of sent, waiting and lost.
#[derive(Debug)]
pub(super) struct Queue {
    target: String,
    capacity: usize,
    inner: Mutex<Inner>,
    arrived: Notify,
    closed: Notify,
}

#[derive(Debug)]
struct Inner {
    /// Being written; nothing takes its place.
    head: Option<Item>,
    /// The records thrown away since the last notice of it: they stood
    /// between `head` and `waiting`.
    dropped: Option<Lost>,
    waiting: VecDeque<Item>,
    closing: bool,
    state: SinkState,
    sent: u64,
    last_sent: Option<Instant>,
    lost: u64,
}

impl Queue {
    pub(super) fn new(target: String, capacity: usize) -> Self {
        Self {
            target,
            capacity,
            inner: Mutex::new(Inner {
                head: None,
                dropped: None,
                waiting: VecDeque::new(),
                closing: false,
                state: SinkState::Connecting,
                sent: 0,
                last_sent: None,
                lost: 0,
            }),
            arrived: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// Puts a record or a notice at the end.
    pub(super) fn put(&self, item: Item) {
        let mut inner = self.lock();
        if inner.waiting.len() >= self.capacity
            && let Some(oldest) = inner.waiting.pop_front()
        {
            if inner.dropped.is_none() {
                tracing::error!(
                    target = self.target,
                    "the queue is full: alerts are being lost"
                );
            }
            inner.give_up(&oldest);
        }
        inner.waiting.push_back(item);
        drop(inner);
        self.arrived.notify_one();
    }

    /// What is to be sent now, the same until [`done`](Self::done); `None`
    /// once the queue is closed and empty. Safe to cancel.
    pub(super) async fn head(&self) -> Option<Item> {
        loop {
            {
                let mut inner = self.lock();
                if let Some(item) = inner.head() {
                    return Some(item);
                }
                if inner.closing {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// The head was written.
    pub(super) fn done(&self) {
        let mut inner = self.lock();
        if inner.head.take().is_some_and(|item| item.was_put()) {
            inner.sent += 1;
            inner.last_sent = Some(Instant::now());
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        let inner = self.lock();
        inner.closing && inner.head.is_none() && inner.dropped.is_none() && inner.waiting.is_empty()
    }

    /// Nothing more will be put; the task is to hurry.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.arrived.notify_one();
        self.closed.notify_one();
    }

    /// Waits before the next attempt, shorter once the queue is closed.
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
        SinkStatus {
            target: self.target.clone(),
            state: inner.state.clone(),
            sent: inner.sent,
            last_sent: inner.last_sent,
            waiting: inner.waiting(),
            lost: inner.lost,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

impl Inner {
    fn head(&mut self) -> Option<Item> {
        if self.head.is_none() {
            self.head = match self.dropped.take() {
                Some(lost) => Some(Item::Lost(lost)),
                None => self.waiting.pop_front(),
            };
        }
        self.head.clone()
    }

    fn give_up(&mut self, item: &Item) {
        let message = item.message();
        self.lost += 1;
        let dropped = self.dropped.get_or_insert_with(|| Lost {
            time: message.time(),
            node: message.node().to_owned(),
            count: 0,
            first: message.number(),
            last: message.number(),
        });
        dropped.count += 1;
        dropped.last = message.number();
        dropped.time = message.time();
    }

    fn waiting(&self) -> usize {
        self.waiting.len() + usize::from(self.head.as_ref().is_some_and(Item::was_put))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::record::tests::record;
    use proptest::prelude::*;

    fn queue(capacity: usize) -> Queue {
        Queue::new("test".to_owned(), capacity)
    }

    fn put(queue: &Queue, number: u64) {
        queue.put(Item::Record(Arc::new(Record { number, ..record() })));
    }

    /// `7`, or `1-3` for a notice that three were lost.
    fn take(queue: &Queue) -> Option<String> {
        let item = queue.lock().head()?;
        queue.done();
        Some(match item {
            Item::Record(_) | Item::Notice(_) => item.message().number().to_string(),
            Item::Lost(lost) => format!("{}-{}", lost.first, lost.last),
        })
    }

    fn rest(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| take(queue)).collect()
    }

    #[test]
    fn the_oldest_give_way_and_are_told() {
        let queue = queue(2);

        (1..=5).for_each(|number| put(&queue, number));

        assert_eq!(queue.status().lost, 3);
        assert_eq!(queue.status().last_sent, None);
        assert_eq!(rest(&queue), ["1-3", "4", "5"]);
        assert_eq!(queue.status().sent, 2);
        assert!(queue.status().last_sent.is_some());
    }

    #[test]
    fn the_head_stays_while_those_behind_it_give_way() {
        let queue = queue(2);
        put(&queue, 1);
        queue.lock().head();

        (2..=5).for_each(|number| put(&queue, number));

        assert_eq!(rest(&queue), ["1", "2-3", "4", "5"]);
    }

    #[test]
    fn a_loss_during_a_notice_gets_a_notice_of_its_own() {
        let queue = queue(1);
        (1..=2).for_each(|number| put(&queue, number));
        queue.lock().head();

        (3..=4).for_each(|number| put(&queue, number));

        assert_eq!(rest(&queue), ["1-1", "2-3", "4"]);
    }

    #[test]
    fn it_is_finished_when_closed_and_empty() {
        let queue = queue(2);
        put(&queue, 1);

        queue.close();

        assert!(!queue.is_finished());
        rest(&queue);
        assert!(queue.is_finished());
    }

    proptest! {
        #[test]
        fn every_record_is_sent_waiting_or_lost(steps: Vec<bool>, capacity in 1usize..5) {
            let queue = queue(capacity);
            let mut number = 0;

            for is_put in steps {
                if is_put {
                    number += 1;
                    put(&queue, number);
                } else {
                    take(&queue);
                }

                let status = queue.status();
                prop_assert_eq!(status.sent + status.waiting as u64 + status.lost, number);
            }
        }
    }
}
