//! The thread that has the files of all spools: nothing that waits for a receiver
//! waits for a disk, and nothing that waits for a disk holds up a receiver.

use super::kept::Kept;
use super::progress::Progress;
use super::spool::Committed;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often the disk is waited for, and it is noted how far the receivers are: as
/// much as a node that loses its power loses of it.
const PERIOD: Duration = Duration::from_secs(1);

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
    /// Starts it over each sink's spool, and what says how far all of them are.
    pub(super) fn start(
        kept: Vec<Kept>,
        committed: Option<Committed>,
        progress: Arc<Progress>,
        bell: Arc<Bell>,
    ) -> io::Result<Self> {
        let rounds = Rounds {
            kept,
            committed,
            progress,
            is_behind: false,
        };
        let (end, ended) = oneshot::channel();
        let rung = Arc::clone(&bell);
        std::thread::Builder::new()
            .name("alerts-spool".to_owned())
            .spawn(move || {
                run(rounds, &rung);
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

fn run(mut rounds: Rounds, bell: &Bell) {
    let mut due: Option<Instant> = None;
    loop {
        let ended = bell.wait(due);
        while rounds.go() {}
        let now = Instant::now();
        let at = *due.get_or_insert(now + PERIOD);
        if ended || at <= now {
            // Without news there is nothing to do until the bell is rung.
            due = rounds.note().then_some(now + PERIOD);
        }
        if ended {
            return;
        }
    }
}

/// What is done again and again.
#[derive(Debug)]
struct Rounds {
    kept: Vec<Kept>,
    /// `None`: no sink has a spool.
    committed: Option<Committed>,
    progress: Arc<Progress>,
    /// Whether it could not be written.
    is_behind: bool,
}

impl Rounds {
    /// Writes to every spool what it lacks of the same records, says that all have
    /// them, and only then lets them go out: what an agent that is killed in between
    /// leaves in some of the spools was never sent, and the next one cuts it off.
    /// Whether something was written.
    fn go(&mut self) -> bool {
        let up_to = self.up_to();
        for one in &mut self.kept {
            one.append(up_to);
        }
        self.commit(self.safe(up_to));
        let wrote = { self.kept.iter_mut() }.map(|one| one.settle(up_to));
        wrote.fold(false, |all, one| all | one)
    }

    /// The number up to which this round goes: to the last record that every sink was
    /// given, or as far as one batch of each sink's reaches.
    ///
    fn up_to(&self) -> u64 {
        let batches = self.kept.iter().filter_map(Kept::batch_end);
        let up_to = batches.fold(self.progress.put(), u64::min);
        // One that can be written again has yet to catch up.
        up_to.max(self.progress.committed())
    }

    /// Up to which of these numbers nothing is in memory alone.
    ///
    /// A spool that cannot be written does not hold it back where another one can: its
    /// records are in memory alone, as they are where there is no spool. Else one
    /// sink's disk would have the records of all the others sent twice, or cut off
    /// unsent, when the agent is killed. Where none can be written, as on a disk that
    /// is full, there is nobody to be held back.
    fn safe(&self, up_to: u64) -> u64 {
        let mut spooled = self.kept.iter().filter(|one| one.is_spooled()).peekable();
        if spooled.peek().is_none() {
            return up_to;
        }
        let lacking: Option<Vec<_>> = spooled.map(Kept::lacks_from).collect();
        let unsafe_from = lacking.into_iter().flatten().flatten().min();
        let safe = unsafe_from.map_or(up_to, |from| up_to.min(from.saturating_sub(1)));
        safe.max(self.progress.committed())
    }

    /// Where this fails the records go out all the same, as from a slow disk: it is
    /// the number that stays behind, and is tried again.
    fn commit(&mut self, up_to: u64) {
        let has_more = self.is_behind || up_to > self.progress.committed();
        if let Some(committed) = self.committed.as_mut().filter(|_| has_more) {
            let written = committed.write(up_to);
            if self.went(written) {
                self.progress.set_committed(up_to);
            }
        }
    }

    /// Notes how far the receivers are, and waits for the disk. Whether there will be
    /// more to do.
    fn note(&mut self) -> bool {
        if self.is_behind {
            // A note must not speak of what the next agent would cut off.
            return true;
        }
        // Nor must it on a disk whose node loses its power.
        let synced = self.committed.as_mut().map_or(Ok(()), Committed::sync);
        if !self.went(synced) {
            return true;
        }
        let news = { self.kept.iter_mut() }.map(Kept::note);
        news.fold(false, |all, one| all | one)
    }

    /// Tells what came of writing the number; whether it went well.
    fn went(&mut self, result: io::Result<()>) -> bool {
        let was_behind = std::mem::replace(&mut self.is_behind, result.is_err());
        if let Err(error) = result
            && !was_behind
        {
            tracing::error!(%error, "up to where alerts are kept cannot be written");
        }
        !self.is_behind
    }
}
