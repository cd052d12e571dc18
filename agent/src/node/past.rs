//! The history, which is written beside the agent's one task: a container that
//! lives for a moment has to be named while the disk is waited for.

use super::Node;
use crate::history::{Allowance, Pending};
use crate::store::{History, StoreError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the history is left alone after it could not be written: to open it
/// anew takes a look at all of it.
const REST: Duration = Duration::from_secs(5);

/// A write that ended: what it was to write, and how it ended.
type Written = (Pending, Result<(), StoreError>);

/// The open history, here or with a write that is under way.
pub struct Past {
    here: Option<History>,
    under_way: Option<JoinHandle<(History, Written)>>,
    written: Option<Written>,
}

impl Past {
    /// Nothing is under way.
    pub fn new(history: History) -> Self {
        Self {
            here: Some(history),
            under_way: None,
            written: None,
        }
    }

    /// The history; a write that is under way is waited for.
    pub fn get(&mut self) -> &mut History {
        self.take_back();
        self.here.as_mut().expect("no write is under way")
    }

    fn take_back(&mut self) {
        let Some(write) = self.under_way.take() else {
            return;
        };
        match write.join() {
            Ok((history, written)) => {
                self.here = Some(history);
                self.written = Some(written);
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn is_busy(&self) -> bool {
        let write = self.under_way.as_ref();
        write.is_some_and(|write| !write.is_finished())
    }

    fn write(&mut self, pending: Pending, allowances: Vec<Allowance>) {
        self.take_back();
        let Some(mut history) = self.here.take() else {
            return;
        };
        self.under_way = Some(std::thread::spawn(move || {
            let allowances: Vec<&Allowance> = allowances.iter().collect();
            let result = history.save(&pending, &allowances);
            (history, (pending, result))
        }));
    }
}

impl Node {
    /// Begins to write what the history lacks, unless a write is under way. Where
    /// that fails, it is said once, and tried again a while later.
    pub(super) fn save_history(&mut self) {
        if self.history.is_busy() {
            return;
        }
        self.see_what_was_written();
        let allowances: Vec<Allowance> = self.allowances.unsaved().cloned().collect();
        let rests = self
            .history_failed
            .is_some_and(|then| then.elapsed() < REST);
        if rests || (self.alerts.pending.is_empty() && allowances.is_empty()) {
            return;
        }
        let pending = std::mem::take(&mut self.alerts.pending);
        self.allowances.saved();
        self.history.write(pending, allowances);
    }

    /// The same, and waits until it is written.
    pub(super) fn save_history_now(&mut self) {
        self.see_what_was_written();
        self.save_history();
        self.see_what_was_written();
    }

    /// Takes note of how the last write ended, which is waited for.
    fn see_what_was_written(&mut self) {
        self.history.take_back();
        let Some((pending, result)) = self.history.written.take() else {
            return;
        };
        match result {
            Ok(()) => {
                if self.history_failed.take().is_some() {
                    tracing::info!("the history of alerts is written again");
                }
            }
            Err(error) => {
                self.alerts.pending.put_back(pending);
                self.allowances.not_saved();
                if self.history_failed.replace(Instant::now()).is_none() {
                    tracing::error!(%error, "the history of alerts cannot be written; it is tried again until it can");
                }
            }
        }
    }
}
