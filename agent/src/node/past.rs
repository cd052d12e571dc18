//! The history of alerts and decisions, written once a second.

use super::Node;
use super::beside::Beside;
use crate::history::{Allowance, Pending};
use crate::store::{History, StoreError};
use std::time::{Duration, Instant};

/// How long the history is left alone after it could not be written: to open it
/// anew takes a look at all of it.
const REST: Duration = Duration::from_secs(5);

/// The history, and what a write was to write and how it ended.
pub type Past = Beside<History, (Pending, Result<(), StoreError>)>;

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
        self.history.begin(move |history| {
            let allowances: Vec<&Allowance> = allowances.iter().collect();
            let result = history.save(&pending, &allowances);
            (pending, result)
        });
    }

    /// The same, and waits until it is written.
    pub(super) fn save_history_now(&mut self) {
        self.see_what_was_written();
        self.save_history();
        self.see_what_was_written();
    }

    /// Takes note of how the last write ended, which is waited for.
    fn see_what_was_written(&mut self) {
        let Some((pending, result)) = self.history.ended() else {
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
