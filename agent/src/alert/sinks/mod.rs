//! The ways out: a socket or standard output, each with a task, a bounded
//! queue and a state of its own. A receiver that is slow or away costs its own
//! queue and nothing else.

mod line;
mod queue;
mod stdout;
mod target;
mod task;

pub use target::{Target, TargetError};

use super::rfc5424::Settings;
use super::{Notice, Record};
use queue::{Item, Queue};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// How many records wait for one sink before the oldest give way. A record is
/// about 2 KiB, 12 KiB with the longest path, script name, arguments and
/// ancestors there can be: 8 MiB (48 MiB at worst) while a receiver is away,
/// shared between all sinks.
const QUEUE: usize = 4096;

/// How a sink does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SinkState {
    /// It was never open yet.
    Connecting,
    /// It is open. Of UDP this says that the name has an address, no more.
    Connected,
    /// It could not be opened or written; it is tried again by itself.
    Failing {
        /// The last error.
        error: String,
    },
}

/// How a sink does, in numbers; `sent + waiting + lost` is what it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkStatus {
    /// The target, as it is written.
    pub target: String,
    /// Whether it is open.
    pub state: SinkState,
    /// Records handed to the kernel.
    pub sent: u64,
    /// When the last of them was.
    pub last_sent: Option<Instant>,
    /// Records in the queue.
    pub waiting: usize,
    /// Records thrown away because the queue was full.
    pub lost: u64,
}

/// Opens the way to `target` as its sink would, within five seconds, and sends
/// nothing. Of UDP an `Ok` says that the name has an address and the address a
/// route, no more.
pub async fn try_open(target: &Target) -> io::Result<()> {
    line::Line::open(target).await.map(drop)
}

/// All sinks of the agent.
#[derive(Debug)]
pub struct Sinks {
    sinks: Vec<Sink>,
}

#[derive(Debug)]
struct Sink {
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

impl Sinks {
    /// Starts a task per target: call it within a tokio runtime. What cannot
    /// be reached yet is tried until it can.
    pub fn start(targets: Vec<Target>, settings: Settings) -> Self {
        Self::with_capacity(targets, settings, QUEUE)
    }

    fn with_capacity(targets: Vec<Target>, settings: Settings, capacity: usize) -> Self {
        let sinks = targets
            .into_iter()
            .map(|target| {
                let queue = Arc::new(Queue::new(target.to_string(), capacity));
                let task = tokio::spawn(task::run(target, settings, Arc::clone(&queue)));
                Sink { queue, task }
            })
            .collect();
        Self { sinks }
    }

    /// Hands the record to every sink. Never waits, never fails.
    pub fn send(&self, record: Record) {
        self.put(&Item::Record(Arc::new(record)));
    }

    /// The same for a notice.
    pub fn tell(&self, notice: Notice) {
        self.put(&Item::Notice(Arc::new(notice)));
    }

    fn put(&self, item: &Item) {
        for sink in &self.sinks {
            sink.queue.put(item.clone());
        }
    }

    /// How each sink does, in the order of the targets.
    pub fn status(&self) -> Vec<SinkStatus> {
        self.sinks.iter().map(|sink| sink.queue.status()).collect()
    }

    /// Writes what still waits, until `deadline`, and ends the sinks. What
    /// waits after that is lost, and said so in the agent's own log.
    ///
    /// A name that is being resolved blocks a thread of tokio's pool: end the
    /// runtime with `shutdown_background`.
    pub async fn drain(self, deadline: Instant) -> Vec<SinkStatus> {
        for sink in &self.sinks {
            sink.queue.close();
        }
        let mut left = Vec::new();
        for mut sink in self.sinks {
            if tokio::time::timeout_at(deadline.into(), &mut sink.task)
                .await
                .is_err()
            {
                sink.task.abort();
            }
            let status = sink.queue.status();
            if status.waiting > 0 {
                tracing::error!(
                    target = status.target,
                    waiting = status.waiting,
                    "alerts were not delivered before the agent ended"
                );
            }
            left.push(status);
        }
        left
    }
}

#[cfg(test)]
mod tests;
