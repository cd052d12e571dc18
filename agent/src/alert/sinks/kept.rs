//! One sink's spool, and what of its outbox is in it.

use super::SpoolStatus;
use super::backlog::AHEAD;
use super::outbox::Outbox;
use super::spool::Spool;
use std::io;
use std::sync::Arc;

/// So many records are written at once.
const BATCH: usize = 256;

/// One sink's spool.
#[derive(Debug)]
pub(super) struct Kept {
    outbox: Arc<Outbox>,
    /// `None`: there is none, and what waits is in memory alone.
    spool: Option<Spool>,
    /// What came of the batch that is in hand, if one is.
    appended: Option<io::Result<()>>,
    /// Why it could not be written, if it could not.
    failed: Option<String>,
}

impl Kept {
    pub(super) fn new(outbox: Arc<Outbox>, spool: Option<Spool>) -> Self {
        Self {
            outbox,
            spool,
            appended: None,
            failed: None,
        }
    }

    /// The number of the last record that the next batch can have; `None` where it
    /// has all, or is none that can be written.
    pub(super) fn batch_end(&self) -> Option<u64> {
        let is_written = self.spool.is_some() && self.failed.is_none();
        is_written.then(|| self.outbox.batch_end(BATCH)).flatten()
    }

    /// Writes what the disk does not have, of the records up to a number.
    pub(super) fn append(&mut self, up_to: u64) {
        if let Some(spool) = &mut self.spool {
            let batch = self.outbox.begin_to_keep(BATCH, up_to);
            self.appended = (!batch.is_empty()).then(|| spool.append(&batch));
        }
    }

    /// Whether it has a spool that cannot be written, and from which number on its
    /// records are then in memory alone.
    pub(super) fn lacks_from(&self) -> Option<Option<u64>> {
        let has_failed = match &self.appended {
            Some(appended) => appended.is_err(),
            None => self.failed.is_some(),
        };
        (self.spool.is_some() && has_failed).then(|| self.outbox.first_unsafe())
    }

    /// Whether it has a spool.
    pub(super) fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// Lets what was written go out, and makes ready what comes next. Whether
    /// something was written.
    pub(super) fn settle(&mut self, up_to: u64) -> bool {
        let wrote = self.keep(up_to);
        self.fill();
        wrote
    }

    fn keep(&mut self, up_to: u64) -> bool {
        let (Some(spool), Some(appended)) = (&mut self.spool, self.appended.take()) else {
            return false;
        };
        self.outbox.keep(appended.is_ok(), up_to);
        let room = appended.and_then(|()| spool.make_room());
        self.went(room.map(|gone| self.outbox.give_up(&gone)))
    }

    /// Reads what comes next, as far as it is on disk.
    fn fill(&mut self) {
        while let Some(from) = self.outbox.refill() {
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

    /// Notes how far the receiver is, and waits for the disk. Whether there will be
    /// more to do.
    pub(super) fn note(&mut self) -> bool {
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
