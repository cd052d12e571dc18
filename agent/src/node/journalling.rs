//! The journal: what ran, hour by hour, written once a second where there is
//! something new.
//!
//! What the agent is told of is noted when it is judged. What the kernel knew at
//! once is found in its map of what is allowed: the programs say there under which
//! generation of the slot they found an entry last, and the fast path asks there
//! once for each generation. So a slot's generation is raised with every hour, and
//! what bears it ran in that hour.

use super::Node;
use super::beside::Beside;
use super::clock::time_of;
use super::counting::Purpose;
use crate::control::protocol::{Answer, Refusal, RefusalKind, Response};
use crate::journal::{Batch, Cursor, Gap, Hour, Journal, Lack, Ran, Subject, SubjectId, Was};
use crate::judge::role_of;
use crate::kernel::Sighted;
use crate::model::{Exec, Inspection, Reason, Slot, WorkloadId};
use crate::store::journal::Bounds;
use crate::store::{JournalStore, Store, StoreError};
use agent_common::wire::{SLOT_PENDING, SeenKey};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How long further counts wait to be written.
const COUNTS: Duration = Duration::from_secs(30);

/// The journal, while it is kept.
pub struct Journalling {
    journal: Journal,
    /// With what a write was to write, and how it ended.
    store: Beside<JournalStore, Written>,
    hour: Hour,
    before: Hour,
    /// Whether the hour has just changed, and what was under way then is still to
    /// be looked for.
    is_turning: bool,
    written: Instant,
    /// Until when the file has all that ran, where that is news.
    whole: Option<Timestamp>,
    /// Whether the last write failed: it is said once.
    fails: bool,
}

/// How a write ended.
struct Written {
    batch: Batch,
    /// Until when the file has all that ran, if it does with this.
    whole: Option<Timestamp>,
    result: Result<(), StoreError>,
}

/// What further execs of an entry of the kernel's map are counted as.
#[derive(Clone, Copy)]
pub struct Noted {
    subject: SubjectId,
    was: Was,
}

impl Journalling {
    /// Opens the journal, if one is kept. Without it the agent works as well.
    pub fn open(
        store: &Store,
        size: Option<u64>,
        age: Duration,
        last_alive: Option<Timestamp>,
    ) -> Option<Self> {
        let now = Timestamp::now();
        let Some(size) = size else {
            if let Err(error) = JournalStore::pause(store, now) {
                tracing::error!(%error, "the journal cannot be closed");
            }
            return None;
        };
        match Self::try_open(store, Bounds { size, age }, last_alive, now) {
            Ok(journalling) => Some(journalling),
            Err(error) => {
                tracing::error!(%error, "no journal is kept");
                None
            }
        }
    }

    fn try_open(
        store: &Store,
        bounds: Bounds,
        last_alive: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (mut file, damaged) = JournalStore::beside(store, bounds, now)?;
        if let Some(why) = damaged {
            tracing::error!(%why, "the journal cannot be read; it was moved aside and begins anew");
        }
        let mut journal = Journal::default();
        let begins = file.head()?.begins;
        if let Some(from) = last_alive.filter(|from| *from >= begins && *from < now) {
            journal.note_gap(Gap {
                from,
                to: now,
                because: Lack::NoAgent,
            });
        }
        if let Some(from) = file.resume()? {
            journal.note_gap(Gap {
                from,
                to: now,
                because: Lack::NotKept,
            });
        }
        let hour = Hour::of(now);
        Ok(Self {
            journal,
            store: Beside::new(file),
            hour,
            before: hour,
            is_turning: false,
            written: Instant::now(),
            whole: None,
            fails: false,
        })
    }

    /// Begins to write what waits, unless a write is under way. `whole` says until
    /// when that is all that ran, if it is.
    fn write(&mut self, whole: Option<Timestamp>) {
        if self.store.is_busy() {
            return;
        }
        self.see_what_was_written();
        if self.journal.is_empty() {
            self.whole = whole.or(self.whole);
            return;
        }
        self.written = Instant::now();
        let batch = self.journal.take();
        self.store.begin(move |store| {
            let result = store.write(&batch, Timestamp::now());
            Written {
                batch,
                whole,
                result,
            }
        });
    }

    /// Takes note of how the last write ended, which is waited for.
    fn see_what_was_written(&mut self) {
        let Some(written) = self.store.ended() else {
            return;
        };
        match written.result {
            Ok(()) => {
                self.whole = written.whole.or(self.whole);
                self.fails = false;
            }
            Err(error) => {
                self.journal.put_back(written.batch);
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!(%error, "the journal is not written; it waits until it can be");
                }
            }
        }
    }
}

impl Node {
    /// Notes an exec that was judged and is tracked now. `reported` is the reason,
    /// if it was reported.
    pub(super) fn journal_exec(
        &mut self,
        key: &SeenKey,
        exec: &Exec,
        inspection: &Inspection,
        workload: &WorkloadId,
        reported: Reason,
    ) {
        let Some(journalling) = &mut self.journalling else {
            return;
        };
        let Some(tracked) = self.tracked.get_mut(key) else {
            return;
        };
        let was = match tracked.purpose() {
            Purpose::Known => Was::Known,
            Purpose::Learned(..) => Was::Learned,
            // What passed in an allowance deviated as well.
            Purpose::Alert(..) | Purpose::Passed(_) => Was::Reported(reported),
            Purpose::RuntimeStage => return,
        };
        let subject = Subject::seen(
            workload.clone(),
            role_of(exec, inspection),
            exec,
            inspection,
            self.config.alert_arguments,
        );
        let hour = Hour::of(time_of(exec.at_ns));
        let noted = journalling
            .journal
            .note(hour, subject, Ran::counted(1, was));
        tracked.noted = noted.map(|subject| Noted { subject, was });
    }

    /// Counts more execs of what was noted.
    pub(super) fn journal_more(&mut self, noted: Noted, more: u64, at: Timestamp) {
        if let Some(journalling) = &mut self.journalling {
            let Noted { subject, was } = noted;
            journalling.journal.count(Hour::of(at), subject, more, was);
        }
    }

    /// Notes that something was lost that may have been anything.
    pub(super) fn journal_gap(&mut self, because: Lack) {
        if let Some(journalling) = &mut self.journalling {
            let now = Timestamp::now();
            // Lost since the maps were last looked at.
            let from = now.checked_sub(super::TICK).unwrap_or(now);
            journalling.journal.note_gap(Gap {
                from,
                to: now,
                because,
            });
        }
    }

    /// Notes what the kernel knew and told nobody.
    fn journal_known(&mut self) {
        let Some(journalling) = &mut self.journalling else {
            return;
        };
        journalling.is_turning = false;
        let sighted = self.kernel.take_sighted();
        self.note_sighted(sighted);
    }

    /// The same of one slot. Has to come before entries of it are taken out of the
    /// kernel's map.
    pub(super) fn journal_known_of(&mut self, slot: Slot) {
        if self.journalling.is_some() {
            let sighted = self.kernel.take_sighted_of(slot);
            self.note_sighted(sighted);
        }
    }

    fn note_sighted(&mut self, sighted: Vec<Sighted>) {
        let Some(journalling) = &mut self.journalling else {
            return;
        };
        for Sighted {
            slot,
            generation,
            identity,
        } in sighted
        {
            let Some(id) = self.workloads.by_slot(slot) else {
                continue;
            };
            let Some(workload) = self.workloads.get(id) else {
                continue;
            };
            let hour = match workload.hours_ago(generation) {
                0 => journalling.hour,
                _ => journalling.before,
            };
            let subject = Subject::known(id.clone(), identity);
            journalling.journal.note_known(hour, subject);
        }
    }

    /// What is done once a second.
    pub(super) fn tick_journal(&mut self) {
        let Some(journalling) = &self.journalling else {
            return;
        };
        let hour = Hour::of(Timestamp::now());
        if hour != journalling.hour {
            self.next_hour(hour);
        } else if journalling.is_turning {
            self.journal_known();
        }
        if let Some(journalling) = &mut self.journalling
            && (journalling.journal.is_new() || journalling.written.elapsed() >= COUNTS)
        {
            journalling.write(None);
        }
    }

    /// Begins to write all there is, as far as it is known. Until when the file had
    /// all of it before that, where that is news.
    pub(super) fn write_journal(&mut self) -> Option<Timestamp> {
        self.journal_known();
        let now = Timestamp::now();
        let Some(journalling) = &mut self.journalling else {
            return Some(now);
        };
        journalling.write(Some(now));
        journalling.whole.take()
    }

    /// The same, and waits until it is written.
    pub(super) fn write_journal_now(&mut self) {
        if let Some(journalling) = &mut self.journalling {
            journalling.see_what_was_written();
        }
        self.write_journal();
        if let Some(journalling) = &mut self.journalling {
            journalling.see_what_was_written();
        }
    }

    /// Another hour: what the kernel marks from now on bears new generations.
    /// What is under way marks the old one a moment later, and is looked for at
    /// the next tick.
    fn next_hour(&mut self, hour: Hour) {
        self.journal_known();
        let quota = self.kernel.sizes().quota;
        let mut result = Ok(());
        for (_, workload) in self.workloads.iter_mut() {
            if workload.slot.0 != SLOT_PENDING {
                let state = workload.next_hour(quota);
                result = result.and(self.kernel.set_slot(workload.slot, state));
            }
        }
        self.told(result);
        if let Some(journalling) = &mut self.journalling {
            journalling.before = journalling.hour;
            journalling.hour = hour;
            journalling.is_turning = true;
        }
    }

    /// The part of the journal behind `after`; the first part has all that there
    /// is until now.
    pub(super) fn journal_page(&mut self, since: Option<u32>, after: Option<&str>) -> Response {
        let cursor = match after.map(|text| Cursor::parse(text).ok_or(text)) {
            None => None,
            Some(Ok(cursor)) => Some(cursor),
            Some(Err(text)) => {
                let text: String = text.chars().take(80).collect();
                let message = format!("{text:?} is no place in the journal");
                return Err(Refusal::new(RefusalKind::BadRequest, message));
            }
        };
        if cursor.is_none() {
            self.settle_counts();
            self.write_journal_now();
        }
        let Some(journalling) = &mut self.journalling else {
            return Err(Refusal::new(
                RefusalKind::Failed,
                "the agent keeps no journal: --journal-max-size is off, or its log says why",
            ));
        };
        let page = journalling
            .store
            .get()
            .page(Hour(since.unwrap_or_default()), cursor);
        match page {
            Ok(page) => Ok(Answer::Journal(Box::new(page))),
            Err(error) => Err(Refusal::new(RefusalKind::Failed, error.to_string())),
        }
    }
}
