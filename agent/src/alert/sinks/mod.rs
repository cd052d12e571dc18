//! The ways out: a socket, a webhook or standard output, each with a task, a bounded
//! queue and a state of its own. A receiver that is slow or away costs its own
//! queue and nothing else.

mod answer;
mod backlog;
mod batch;
mod connect;
mod deliver;
mod entry;
mod filter;
mod form;
mod header_file;
mod keeper;
mod kept;
mod line;
mod lines;
mod log_file;
mod options;
mod outbox;
mod place;
mod post;
mod progress;
#[expect(
    unsafe_code,
    reason = "rustix leaves it to its caller what an ioctl is"
)]
mod queued;
mod spool;
mod spools;
mod target;
mod target_error;
mod task;
mod tls;
mod webhook;

pub use place::Place;
pub use target::Target;
pub use target_error::TargetError;

use super::rfc5424::Settings;
use super::{Beat, Message, Notice, Record};
use backlog::Backlog;
use form::Form;
use keeper::{Bell, Keeper};
use kept::Kept;
use outbox::Outbox;
use progress::Progress;
use spools::{Opened, Spools};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How many records wait in memory for a disk before the oldest give way. A record
/// is about 2 KiB, 8 KiB at most: 8 MiB (32 MiB at worst) for each sink while the
/// disk is full and its receiver away.
const IN_MEMORY: usize = 4096;
/// How long the disk is waited for when the agent ends, beyond what it has for its
/// receivers.
const LAST_WRITE: Duration = Duration::from_secs(1);

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

/// How a sink does, in numbers; `sent + waiting + lost` is what it was given, by
/// this agent and by those before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkStatus {
    /// The target, as it is written.
    pub target: String,
    /// Whether it is open.
    pub state: SinkState,
    /// Records handed to the kernel, or that a webhook says it has; each counted once.
    pub sent: u64,
    /// Records sent again, because the receiver may not have had them.
    pub resent: u64,
    /// When the last of the former was.
    pub last_sent: Option<Instant>,
    /// Records that wait.
    pub waiting: u64,
    /// Records thrown away because there was no more room, damaged on disk, or
    /// refused.
    pub lost: u64,
    /// All up to this sequence were written.
    pub written: u64,
    /// All up to this one are surely the receiver's.
    pub received: u64,
    /// How what waits is kept on disk; `None` if it is not.
    pub spool: Option<SpoolStatus>,
}

/// How what waits for a sink is kept on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoolStatus {
    /// How much it takes.
    pub bytes: u64,
    /// How much it may take.
    pub bound: u64,
    /// Why it cannot be written, if it cannot: what waits is in memory alone.
    pub error: Option<String>,
}

/// Opens the way to `target` as its sink would, within five seconds, and sends
/// nothing. Of UDP an `Ok` says that the name has an address and the address a
/// route, no more.
pub async fn try_open(target: &Target) -> io::Result<()> {
    connect::open(target.place()).await.map(drop)
}

/// Where what waits is kept.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// A folder that nobody else writes to; each sink has one in it.
    pub folder: PathBuf,
    /// How many bytes of each sink's are kept at most.
    pub bound: u64,
}

/// All sinks of the agent.
#[derive(Debug)]
pub struct Sinks {
    sinks: Vec<Sink>,
    keeper: Option<Keeper>,
    bell: Arc<Bell>,
    progress: Arc<Progress>,
    has_spool: bool,
    last_number: u64,
    committed_before: Option<u64>,
}

#[derive(Debug)]
struct Sink {
    outbox: Arc<Outbox>,
    task: JoinHandle<()>,
}

impl Sinks {
    /// Starts a task per target: call it within a tokio runtime. What cannot
    /// be reached yet is tried until it can. What an earlier agent left in the
    /// spool goes first.
    pub fn start(
        targets: Vec<Target>,
        node: &str,
        settings: Settings,
        spool: Option<&SpoolSettings>,
    ) -> Self {
        Self::with_capacity(targets, node, settings, spool, IN_MEMORY)
    }

    fn with_capacity(
        targets: Vec<Target>,
        node: &str,
        settings: Settings,
        spool: Option<&SpoolSettings>,
        capacity: usize,
    ) -> Self {
        let bell = Arc::new(Bell::default());
        let mut spools = Spools::begin(spool);
        let (mut sinks, mut kept) = (Vec::new(), Vec::new());
        for target in targets {
            let Opened {
                spool,
                left,
                status,
            } = spools.open(&target);
            let place = target.place().clone();
            let outbox = Arc::new(Outbox::new(
                node.to_owned(),
                Form::of(&target, settings),
                target,
                Backlog::new(left.as_ref(), capacity),
                left.as_ref().and_then(|left| left.last),
                status,
                Arc::clone(&bell),
            ));
            let task = tokio::spawn(task::run(place, Arc::clone(&outbox)));
            kept.push(Kept::new(Arc::clone(&outbox), spool));
            sinks.push(Sink { outbox, task });
        }
        let (committed, progress) = spools.end();
        let progress = Arc::new(progress);
        let has_spool = committed.is_some();
        bell.ring();
        let keeper = Keeper::start(kept, committed, Arc::clone(&progress), Arc::clone(&bell));
        let keeper = keeper.inspect_err(|error| {
            tracing::error!(%error, "alerts cannot be kept on disk");
        });
        Self {
            sinks,
            has_spool: has_spool && keeper.is_ok(),
            keeper: keeper.ok(),
            bell,
            progress,
            last_number: spools.last_number(),
            committed_before: spools.before(),
        }
    }

    /// The greatest number of a record that an earlier agent left.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The number up to which every spool has the records that it is to have, as the
    /// next agent will know it, however this one ends. Without a spool, or where none
    /// can be written, that of the last record: nothing is to be waited for.
    pub fn committed(&self) -> u64 {
        match self.has_spool {
            true => self.progress.committed(),
            false => self.progress.put(),
        }
    }

    /// The same, as an earlier agent left it: of the records behind it no spool has
    /// one any more. `None`: no agent left it.
    pub fn committed_before(&self) -> Option<u64> {
        self.committed_before
    }

    /// Hands the record to every sink. Never waits, never fails.
    pub fn send(&self, record: &Record) {
        self.put(Message::Record(record));
    }

    /// The same for a notice.
    pub fn tell(&self, notice: &Notice) {
        self.put(Message::Notice(notice));
    }

    /// The same for what the agent tells of itself: each target is told what became
    /// of its own records. Its sequence at each that is to have it, in their order.
    pub fn beat(&self, beat: &Beat) -> Vec<Option<u64>> {
        let sinks = self.sinks.iter();
        let sequences = sinks.map(|sink| sink.outbox.put_beat(beat)).collect();
        self.was_put(beat.number);
        sequences
    }

    fn put(&self, message: Message<'_>) {
        for sink in &self.sinks {
            sink.outbox.put(message);
        }
        self.was_put(message.number());
    }

    /// Every sink has it that is to have it: now it can be kept.
    fn was_put(&self, number: u64) {
        self.progress.set_put(number);
        self.bell.ring();
    }

    /// How each sink does, in the order of the targets.
    pub fn status(&self) -> Vec<SinkStatus> {
        self.sinks.iter().map(|sink| sink.outbox.status()).collect()
    }

    /// Writes what still waits, until `deadline`, and ends the sinks. What waits
    /// after that stays in the spool; without one it is lost, and that is said in
    /// the agent's own log.
    ///
    /// A name that is being resolved blocks a thread of tokio's pool: end the
    /// runtime with `shutdown_background`.
    pub async fn drain(self, deadline: Instant) -> Vec<SinkStatus> {
        for sink in &self.sinks {
            sink.outbox.close();
        }
        let mut left = Vec::new();
        for mut sink in self.sinks {
            if tokio::time::timeout_at(deadline.into(), &mut sink.task)
                .await
                .is_err()
            {
                sink.task.abort();
            }
            left.push(sink.outbox);
        }
        if let Some(keeper) = self.keeper {
            keeper.end(Instant::now() + LAST_WRITE).await;
        }
        let left: Vec<SinkStatus> = left.iter().map(|outbox| outbox.status()).collect();
        for SinkStatus {
            target,
            waiting,
            spool,
            ..
        } in &left
        {
            match spool {
                _ if *waiting == 0 => {}
                Some(SpoolStatus { error: None, .. }) => tracing::warn!(
                    target,
                    waiting,
                    "alerts were not delivered before the agent ended; the next one goes on with them"
                ),
                _ => tracing::error!(
                    target,
                    waiting,
                    "alerts were not delivered before the agent ended, and are lost"
                ),
            }
        }
        left
    }
}

#[cfg(test)]
mod tests;
