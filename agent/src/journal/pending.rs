//! What is not written yet, merged and bounded.

use super::record::SubjectId;
use super::{Gap, Hour, Lack, Ran, Subject, Was};
use crate::model::WorkloadId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// In how many circumstances one identity is kept apart in an hour. What comes
/// in further ones is counted without them.
pub const MAX_CIRCUMSTANCES: usize = 8;
/// How many subjects a workload has in an hour. A container runs some dozens of
/// programs; what is beyond that is a gap.
pub const MAX_SUBJECTS: usize = 4096;
/// How many rows wait to be written, where they cannot be. What is beyond that
/// is a gap.
pub const MAX_PENDING: usize = 16_384;

/// What the journal is told, until it is written.
#[derive(Debug, Default)]
pub struct Journal {
    pending: BTreeMap<(Hour, SubjectId), Pending>,
    gaps: Vec<Gap>,
    /// What this hour and the one before have, each by its hour.
    hours: BTreeMap<Hour, Has>,
    /// Whether there is something that was never written.
    is_new: bool,
}

#[derive(Debug)]
struct Pending {
    ran: Ran,
    subject: Option<Arc<Subject>>,
}

/// What an hour has already, written or not.
#[derive(Debug, Default)]
struct Has {
    subjects: HashSet<SubjectId>,
    of_workload: HashMap<WorkloadId, usize>,
    /// By the subject without its circumstances.
    circumstances: HashMap<SubjectId, usize>,
    /// Those that the kernel knew.
    known: HashSet<SubjectId>,
}

/// All that is to be written at once.
#[derive(Debug)]
pub struct Batch {
    /// What is new or grew, in the order of the table. A subject is there where
    /// its hour has it for the first time.
    pub rows: Vec<(Hour, SubjectId, Ran, Option<Arc<Subject>>)>,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

impl Journal {
    /// Notes that something ran in this hour. The id is the one under which more
    /// of the same is counted; `None` if there is no room, and a gap says so.
    pub fn note(&mut self, hour: Hour, subject: Subject, ran: Ran) -> Option<SubjectId> {
        self.forget_before(hour);
        let has = self.hours.entry(hour).or_default();
        let (bare, id) = (SubjectId::of(&subject.bare()), SubjectId::of(&subject));
        let (subject, id) = match has.circumstances.get(&bare) {
            Some(kept)
                if *kept >= MAX_CIRCUMSTANCES && id != bare && !has.subjects.contains(&id) =>
            {
                (subject.bare(), bare)
            }
            _ => (subject, id),
        };
        let is_full = self.pending.len() >= MAX_PENDING && !self.pending.contains_key(&(hour, id));
        let is_new = !has.subjects.contains(&id);
        let count = has.of_workload.entry(subject.workload.clone()).or_default();
        if is_full || (is_new && *count >= MAX_SUBJECTS) {
            self.lack(hour);
            return None;
        }
        if is_new {
            *count += 1;
            has.subjects.insert(id);
            if id != bare {
                *has.circumstances.entry(bare).or_default() += 1;
            }
        }
        self.is_new |= is_new;
        self.add(hour, id, ran, is_new.then(|| Arc::new(subject)));
        Some(id)
    }

    /// Notes that the kernel knew it, in this hour. Said again, it is nothing
    /// new.
    pub fn note_known(&mut self, hour: Hour, subject: Subject) {
        let id = SubjectId::of(&subject);
        let has = self.hours.entry(hour).or_default();
        if has.known.contains(&id) {
            return;
        }
        if self.note(hour, subject, Ran::KNOWN).is_some()
            && let Some(has) = self.hours.get_mut(&hour)
        {
            has.known.insert(id);
            self.is_new = true;
        }
    }

    /// Counts more of what was noted before, in this or an earlier hour.
    pub fn count(&mut self, hour: Hour, id: SubjectId, execs: u64, was: Was) {
        if self.pending.len() >= MAX_PENDING && !self.pending.contains_key(&(hour, id)) {
            return self.lack(hour);
        }
        self.forget_before(hour);
        let has = self.hours.entry(hour).or_default();
        self.is_new |= has.subjects.insert(id);
        self.add(hour, id, Ran::counted(execs, was), None);
    }

    /// Notes that something may be missing.
    pub fn note_gap(&mut self, gap: Gap) {
        let touches = |last: &&mut Gap| {
            last.because == gap.because && last.to >= gap.from && gap.to >= last.from
        };
        match self.gaps.last_mut().filter(touches) {
            Some(last) => {
                last.from = last.from.min(gap.from);
                last.to = last.to.max(gap.to);
            }
            None => self.gaps.push(gap),
        }
        self.is_new = true;
    }

    /// Whether something waits that was never written; else there are further
    /// counts at most, which may wait longer.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.gaps.is_empty()
    }

    /// All that waits, to be written.
    pub fn take(&mut self) -> Batch {
        self.is_new = false;
        let rows = std::mem::take(&mut self.pending).into_iter();
        Batch {
            rows: rows
                .map(|((hour, id), pending)| (hour, id, pending.ran, pending.subject))
                .collect(),
            gaps: std::mem::take(&mut self.gaps),
        }
    }

    /// It could not be written, and waits on, as far as there is room.
    pub fn put_back(&mut self, batch: Batch) {
        let later = std::mem::replace(&mut self.gaps, batch.gaps);
        later.into_iter().for_each(|gap| self.note_gap(gap));
        for (hour, id, ran, subject) in batch.rows {
            match self.pending.len() < MAX_PENDING || self.pending.contains_key(&(hour, id)) {
                true => self.add(hour, id, ran, subject),
                false => self.lack(hour),
            }
        }
        self.is_new = true;
    }

    fn add(&mut self, hour: Hour, id: SubjectId, ran: Ran, subject: Option<Arc<Subject>>) {
        let pending = self.pending.entry((hour, id)).or_insert(Pending {
            ran: Ran { execs: 0, ..ran },
            subject: None,
        });
        pending.ran = pending.ran.and(ran);
        pending.subject = subject.or(pending.subject.take());
    }

    fn lack(&mut self, hour: Hour) {
        let from = hour.start();
        let to = Hour(hour.0.saturating_add(1)).start();
        let because = Lack::TooMuch;
        let is_told = |gap: &Gap| gap.because == because && gap.from <= from && gap.to >= to;
        if !self.gaps.iter().any(is_told) {
            self.note_gap(Gap { from, to, because });
        }
    }

    /// Only an hour and the one before it are still noted in; a clock that was
    /// set leaves no more.
    fn forget_before(&mut self, hour: Hour) {
        while self.hours.len() > 2 {
            self.hours.pop_first();
        }
        let before = Hour(hour.0.saturating_sub(1));
        self.hours.retain(|one, _| *one >= before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exec, Identity, Inspection, Reason};

    const HOUR: Hour = Hour(500_000);

    fn workload() -> WorkloadId {
        let unit = "x.service".to_owned();
        WorkloadId::Unit { unit }
    }

    fn seen(path: &str, uid: u32) -> Subject {
        let exec = Exec {
            uid,
            ..Exec::plain(Identity::image(path))
        };
        let identity = exec.identity.clone();
        Subject::seen(workload(), identity, &exec, &Inspection::default(), true)
    }

    fn known(path: &str) -> Subject {
        Subject::known(workload(), Identity::image(path))
    }

    /// What is to be written.
    fn rows(journal: &mut Journal) -> Vec<(u32, u64, bool, bool)> {
        let batch = journal.take();
        let row = |(hour, _, ran, subject): &(Hour, _, Ran, Option<_>)| {
            (hour.0 - HOUR.0, ran.execs, ran.uncounted, subject.is_some())
        };
        batch.rows.iter().map(row).collect()
    }

    #[test]
    fn the_same_is_one_row_until_it_is_written_and_counts_after_that() {
        let mut journal = Journal::default();
        let learned = Ran::counted(1, Was::Learned);

        let id = journal.note(HOUR, seen("/a", 0), learned).expect("room");
        assert_eq!(journal.note(HOUR, seen("/a", 0), learned), Some(id));
        journal.count(HOUR, id, 5, Was::Learned);
        assert!(journal.is_new());
        assert_eq!(rows(&mut journal), [(0, 7, false, true)]);
        assert!(journal.is_empty() && !journal.is_new());

        journal.count(HOUR, id, 2, Was::Learned);
        assert!(!journal.is_new() && !journal.is_empty());
        let batch = journal.take();
        journal.count(HOUR, id, 1, Was::Learned);
        journal.put_back(batch);
        journal.count(Hour(HOUR.0 + 1), id, 1, Was::Learned);
        assert!(journal.is_new());
        assert_eq!(
            rows(&mut journal),
            [(0, 3, false, false), (1, 1, false, false)]
        );
    }

    #[test]
    fn what_the_kernel_knew_is_said_once_an_hour() {
        let mut journal = Journal::default();

        journal.note_known(HOUR, known("/a"));
        assert_eq!(rows(&mut journal), [(0, 0, true, true)]);
        journal.note_known(HOUR, known("/a"));
        assert!(journal.is_empty());
        journal.note_known(Hour(HOUR.0 + 1), known("/a"));
        assert_eq!(rows(&mut journal), [(1, 0, true, true)]);
    }

    #[test]
    fn many_circumstances_are_counted_without_them() {
        let mut journal = Journal::default();
        let reported = Ran::counted(1, Was::Reported(Reason::Unlisted));

        for uid in 0..20 {
            assert!(journal.note(HOUR, seen("/a", uid), reported).is_some());
        }

        let batch = journal.take();
        assert_eq!(batch.rows.len(), MAX_CIRCUMSTANCES + 1);
        let bare = SubjectId::of(&known("/a"));
        let rest = batch.rows.iter().find(|(_, id, ..)| *id == bare);
        assert_eq!(rest.map(|(_, _, ran, _)| ran.execs), Some(12));
        assert!(batch.gaps.is_empty());
    }

    #[test]
    fn what_has_no_room_is_a_gap() {
        let mut journal = Journal::default();
        for n in 0..=MAX_SUBJECTS {
            let noted = journal.note(HOUR, known(&format!("/{n}")), Ran::KNOWN);
            assert_eq!(noted.is_some(), n < MAX_SUBJECTS, "{n}");
        }
        journal.note(HOUR, known("/more"), Ran::KNOWN);

        let batch = journal.take();

        assert_eq!(batch.rows.len(), MAX_SUBJECTS);
        let [gap] = &batch.gaps[..] else {
            panic!("{:?}", batch.gaps);
        };
        assert_eq!((gap.from, gap.because), (HOUR.start(), Lack::TooMuch));
    }

    #[test]
    fn what_cannot_be_written_has_a_bound() {
        let mut journal = Journal::default();
        let id = journal.note(HOUR, known("/a"), Ran::KNOWN).expect("room");
        for n in 0..MAX_PENDING {
            let hour = Hour(HOUR.0 + u32::try_from(n).expect("few"));
            journal.count(hour, id, 1, Was::Known);
        }
        let mut later = HOUR;
        later.0 += 1_000_000;

        assert_eq!(journal.note(later, known("/b"), Ran::KNOWN), None);
        journal.count(later, id, 1, Was::Known);

        let batch = journal.take();
        assert!(batch.rows.len() <= MAX_PENDING);
        assert_eq!(batch.gaps.len(), 1);

        // Nor has it what waits again.
        for n in 0..MAX_PENDING {
            let hour = Hour(later.0 + u32::try_from(n).expect("few"));
            journal.count(hour, id, 1, Was::Known);
        }
        journal.put_back(batch);
        let batch = journal.take();
        assert_eq!(batch.rows.len(), MAX_PENDING);
        assert!(batch.gaps.iter().any(|gap| gap.from == HOUR.start()));
    }
}
