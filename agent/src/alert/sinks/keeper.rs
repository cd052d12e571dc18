//! The thread that has the files of all spools: nothing that waits for a receiver
//! waits for a disk, and nothing that waits for a disk holds up a receiver.

use super::SpoolStatus;
use super::backlog::AHEAD;
use super::outbox::Outbox;
use super::spool::Spool;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often the disk is waited for, and it is noted how far the receivers are: as
/// much as a node that loses its power loses of it.
const PERIOD: Duration = Duration::from_secs(1);
/// So many records are written at once.
const BATCH: usize = 256;

/// What wakes the keeper.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<Rung>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    rung: bool,
    ended: bool,
}

impl Bell {
    /// There is something to do.
    pub(super) fn ring(&self) {
        self.set(|state| state.rung = true);
    }

    fn end(&self) {
        self.set(|state| state.ended = true);
    }

    fn set(&self, change: impl FnOnce(&mut Rung)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_one();
    }

    /// Waits until it is rung or until `at`; whether it is all over.
    fn wait(&self, at: Option<Instant>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.rung && !state.ended {
            let left = at.map(|at| at.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = self.rung.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.rung.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        state.rung = false;
        state.ended
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Keeper {
    bell: Arc<Bell>,
    ended: oneshot::Receiver<()>,
}

impl Keeper {
    /// Starts it over each sink's spool.
    pub(super) fn start(kept: Vec<Kept>, bell: Arc<Bell>) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let rung = Arc::clone(&bell);
        std::thread::Builder::new()
            .name("alerts-spool".to_owned())
            .spawn(move || {
                run(kept, &rung);
                let _ = end.send(());
            })?;
        Ok(Self { bell, ended })
    }

    /// Ends it, when all is on disk; waits for that until `deadline`.
    pub(super) async fn end(self, deadline: Instant) {
        self.bell.end();
        let _ = tokio::time::timeout_at(deadline.into(), self.ended).await;
    }
}

fn run(mut kept: Vec<Kept>, bell: &Bell) {
    let mut due: Option<Instant> = None;
    loop {
        let ended = bell.wait(due);
        for one in &mut kept {
            one.work();
        }
        let now = Instant::now();
        let at = *due.get_or_insert(now + PERIOD);
        if ended || at <= now {
            // Without news there is nothing to do until the bell is rung.
            let news = kept
                .iter_mut()
                .map(Kept::note)
                .fold(false, |all, one| all | one);
            due = news.then_some(now + PERIOD);
        }
        if ended {
            return;
        }
    }
}

/// One sink's spool.
#[derive(Debug)]
pub(super) struct Kept {
    outbox: Arc<Outbox>,
    /// `None`: there is none, and what waits is in memory alone.
    spool: Option<Spool>,
    /// Why it could not be written, if it could not.
    failed: Option<String>,
}

impl Kept {
    pub(super) fn new(outbox: Arc<Outbox>, spool: Option<Spool>) -> Self {
        Self {
            outbox,
            spool,
            failed: None,
        }
    }

    /// Writes what the disk does not have, and makes ready what comes next.
    fn work(&mut self) {
        loop {
            let wrote = self.write();
            let Some(from) = self.outbox.refill() else {
                if wrote {
                    continue;
                }
                return;
            };
            let read = match &mut self.spool {
                Some(spool) => spool.read(from, AHEAD),
                None => Ok(Vec::new()),
            };
            self.outbox.load(read.unwrap_or_else(|error| {
                let spool = self.folder();
                tracing::error!(%error, spool, "alerts that were kept cannot be read");
                Vec::new()
            }));
        }
    }

    /// Whether something was written.
    fn write(&mut self) -> bool {
        let Some(spool) = &mut self.spool else {
            return false;
        };
        let batch = self.outbox.begin_to_keep(BATCH);
        if batch.is_empty() {
            return false;
        }
        let written = spool.append(&batch);
        self.outbox.keep(written.is_ok());
        let room = written.and_then(|()| spool.make_room());
        self.went(room.map(|gone| self.outbox.give_up(&gone)))
    }

    /// Notes how far the receiver is, and waits for the disk. Whether there will be
    /// more to do.
    fn note(&mut self) -> bool {
        let Some(spool) = &mut self.spool else {
            return false;
        };
        let cursor = self.outbox.cursor(spool.number());
        if spool.is_news(&cursor) {
            let noted = spool.note(cursor).and_then(|()| spool.sync());
            self.went(noted);
            return true;
        }
        // It is tried again.
        self.failed.is_some()
    }

    /// Tells what came of a write; whether it went well.
    fn went(&mut self, result: io::Result<()>) -> bool {
        let error = result.err().map(|error| error.to_string());
        match (&self.failed, &error) {
            (None, Some(error)) => {
                tracing::error!(
                    error,
                    spool = self.folder(),
                    "alerts cannot be kept on disk, and wait in memory"
                );
            }
            (Some(_), None) => {
                tracing::info!(spool = self.folder(), "alerts are kept on disk again");
            }
            _ => {}
        }
        self.failed = error;
        if let Some(spool) = &self.spool {
            self.outbox.set_spool(SpoolStatus {
                bytes: spool.bytes(),
                bound: spool.bound(),
                error: self.failed.clone(),
            });
        }
        self.failed.is_none()
    }

    fn folder(&self) -> String {
        let folder = { self.spool.as_ref() }.map(|spool| spool.folder().display().to_string());
        folder.unwrap_or_default()
    }
}
