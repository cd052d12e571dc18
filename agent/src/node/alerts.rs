//! From a deviation to a numbered record in every sink, and the sums of what
//! comes again.

mod owed;

use super::Node;
use super::remedy::without_exec;
use super::tally::Tally;
use crate::alert::{
    About, Action, AlertId, Beat, Due, HeldBack, Kind, Notice, Record, Repeats, Severity, Sinks,
    Throttle,
};
use crate::history::{Entry, Pending, Remedy, Told as Kept, Who};
use crate::kernel::Book;
use crate::model::{Untrusted, WorkloadId};
use agent_common::wire::SeenKey;
use jiff::Timestamp;
use owed::{Owed, OwedBack};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes as _;

/// How long repeats are summed before they are told, at first and at most.
const INTERVAL: Duration = Duration::from_secs(60);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// Everything that was reported and may come again.
pub struct Alerts {
    sinks: Sinks,
    repeats: Repeats,
    throttle: Throttle,
    held_back: HeldBack,
    /// The first record of each id: what its sums are written from.
    told: HashMap<AlertId, Told>,
    /// Where the agent after this one finds what was told of.
    book: Book,
    /// What is held back, likewise.
    owed_back: OwedBack,
    last_number: u64,
    tally: Tally,
    /// What the history lacks.
    pub pending: Pending,
}

/// How often something came.
#[derive(Clone, Copy, Debug)]
pub struct Came {
    /// The entry of the kernel's maps that has it, if there is one.
    pub of: Option<SeenKey>,
    /// How often.
    pub count: u64,
    /// How many the history lacks: of what an earlier agent saw, not those that it
    /// has written already.
    pub unwritten: u64,
    /// When the last of them was.
    pub at: Timestamp,
}

impl Came {
    /// So often, now.
    pub fn new(of: Option<SeenKey>, count: u64, at: Timestamp) -> Self {
        Self {
            of,
            count,
            unwritten: count,
            at,
        }
    }
}

/// As what the history knows an entry.
pub fn entry(key: &SeenKey) -> Entry {
    let mut bytes = [0; size_of::<SeenKey>()];
    bytes.copy_from_slice(key.as_bytes());
    bytes
}

struct Told {
    record: Record,
    remedy: Remedy,
    /// How often it came.
    total: u64,
    /// How many of those were held back, before its first record.
    held_back: u64,
    /// Of which entries of the kernel's maps those are that no record has yet.
    owed: Owed,
}

impl Told {
    fn is_critical(&self) -> bool {
        self.record.severity == Severity::Critical
    }
}

impl Alerts {
    /// Nothing reported yet. Numbers go on where those of an earlier agent ended.
    /// `overflow` is how urgent the sums of what is held back are.
    pub fn new(sinks: Sinks, book: Book, overflow: Severity, burst: u32) -> Self {
        Self {
            last_number: sinks.last_number(),
            sinks,
            book,
            owed_back: OwedBack::default(),
            repeats: Repeats::new(INTERVAL, LONGEST_INTERVAL),
            throttle: Throttle::new(burst),
            held_back: HeldBack::new(overflow),
            told: HashMap::new(),
            tally: Tally::default(),
            pending: Pending::default(),
        }
    }

    /// Reports what came of `record.id`: the first of an id at once, further ones
    /// summed. `record.number` is filled in here.
    pub fn raise(&mut self, record: Record, came: Came) {
        let remedy = without_exec(record.reason);
        self.raise_with(record, remedy, came);
    }

    /// The same of an exec, with what would allow it.
    pub fn raise_with(&mut self, record: Record, remedy: Remedy, came: Came) {
        let id = record.id;
        let took = Timestamp::now().duration_since(came.at);
        self.tally.took(took.try_into().unwrap_or_default());
        self.told.entry(id).or_insert(Told {
            record,
            remedy,
            total: 0,
            held_back: 0,
            owed: Owed::default(),
        });
        self.more(id, came);
    }

    /// More of an id that was raised before.
    pub fn more(&mut self, id: AlertId, came: Came) {
        let Came {
            of,
            count,
            unwritten,
            at,
        } = came;
        if let Some(key) = of.filter(|_| self.book.is_kept()) {
            self.pending.are_of(entry(&key), unwritten);
        }
        let Some(told) = self.told.get_mut(&id) else {
            return;
        };
        told.total = told.total.saturating_add(count);
        if let Some(key) = of {
            told.owed.add(key, count);
        }
        self.tally.count(&told.record, count);
        let now = Instant::now();
        let is_new = !self.repeats.knows(id);
        let is_critical = told.is_critical();
        if is_new && !self.throttle.take(&told.record.workload, is_critical, now) {
            let is_first = told.held_back == 0;
            told.held_back = told.total;
            self.held_back.add(&told.record, count, at, now);
            self.owed_back
                .add(&told.record.workload, told.owed.take_all());
            let kept = is_first.then(|| Kept::of(&told.record, told.remedy.clone()));
            return self.pending.saw(id, unwritten, at, kept);
        }
        let total = told.total - told.held_back;
        let due = self.repeats.saw(id, total, at, now);
        let kept = due.and_then(|due| {
            let record = self.send(id, due)?;
            let told = self.told.get(&id)?;
            Some(Kept::of(&record, told.remedy.clone()))
        });
        self.pending.saw(id, unwritten, at, kept);
    }

    /// Sends the sums that are due.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let (told, throttle) = (&self.told, &mut self.throttle);
        let due = self.repeats.due(now, |id| {
            let told = told.get(&id);
            told.is_none_or(|told| throttle.take(&told.record.workload, told.is_critical(), now))
        });
        for (id, due) in due {
            self.send(id, due);
        }
        for record in self.held_back.due(now) {
            self.send_held_back(record);
        }
        self.throttle.tidy(now);
    }

    /// Sends all sums there are, whatever their interval.
    pub fn send_sums(&mut self) {
        for (id, due) in self.repeats.flush(Instant::now()) {
            self.send(id, due);
        }
        for record in self.held_back.flush() {
            self.send_held_back(record);
        }
    }

    /// How many execs of an entry were raised; 1 at least.
    pub fn raised_of(&self, id: AlertId, key: &SeenKey) -> u64 {
        let owed = { self.told.get(&id) }.map_or(0, |told| told.owed.of(key));
        let raised = self.book.count(key) + owed + self.owed_back.of(key);
        raised.max(1)
    }

    /// Whether something of an entry is in no record yet that another agent would miss.
    pub fn owe(&self, id: AlertId, key: &SeenKey) -> bool {
        let owed = { self.told.get(&id) }.map_or(0, |told| told.owed.of(key));
        self.book.is_kept() && owed + self.owed_back.of(key) > 0
    }

    /// Whether all that was raised of an entry is in records that outlive the agent;
    /// always, where nothing in the kernel does.
    pub fn have_told(&self, id: AlertId, key: &SeenKey) -> bool {
        let is_there = !self.book.is_kept() || self.book.has(key, self.sinks.committed());
        is_there && !self.owe(id, key)
    }

    /// An entry is in the kernel's maps no more. Of most nobody was told anything.
    pub fn forget_entry(&mut self, key: &SeenKey) {
        if self.book.count(key) > 0 {
            self.book.forget(key);
            self.pending.forget(entry(key));
        }
    }

    /// What was told of what earlier agents saw.
    pub fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    /// Up to which number the spool has the records of earlier agents. Where there is
    /// none, whatever was told counts as told.
    pub fn committed_before(&self) -> u64 {
        self.sinks.committed_before().unwrap_or(u64::MAX)
    }

    /// Numbers up to this one were given already, if to records that the spool does not
    /// have.
    pub fn go_on_after(&mut self, number: u64) {
        self.last_number = self.last_number.max(number);
    }

    /// The number of the last record.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Forgets an id that will not come again, and sends what was not yet.
    pub fn forget(&mut self, id: AlertId) {
        if let Some(due) = self.repeats.forget(id) {
            self.send(id, due);
        }
        self.told.remove(&id);
    }

    /// What was reported so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How the sinks do.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Sends all sums, and gives the sinks until `deadline` to be rid of them.
    pub async fn finish(mut self, deadline: Instant) {
        self.send_sums();
        self.sinks.drain(deadline).await;
    }

    /// Sends what the agent tells of itself; its number, and its sequence at each sink
    /// that is to have it.
    pub fn beat(&mut self, mut beat: Beat) -> (u64, Vec<Option<u64>>) {
        beat.number = self.next_number();
        (beat.number, self.sinks.beat(&beat))
    }

    /// Sends a record, and gives it back as it was sent.
    fn send(&mut self, id: AlertId, due: Due) -> Option<Record> {
        let told = self.told.get_mut(&id)?;
        let owed = match due {
            Due::First => told.owed.take_one(),
            Due::Repeats { .. } => told.owed.take_all(),
        };
        let mut record = told.record.clone();
        if let Due::Repeats { count, first, last } = due {
            record.kind = Kind::Repeats { count, first, last };
            record.time = Timestamp::now();
            // Only the first of a kind is looked for to be ended.
            if record.action == Action::Ended {
                record.action = Action::Alerted;
            }
        }
        Some(self.send_numbered(record, owed))
    }

    fn send_held_back(&mut self, record: Record) {
        let owed = self.owed_back.take(&record.workload);
        self.send_numbered(record, owed);
    }

    /// `told`: what the record is of.
    fn send_numbered(
        &mut self,
        mut record: Record,
        told: impl IntoIterator<Item = (SeenKey, u64)>,
    ) -> Record {
        record.number = self.next_number();
        let committed = self.sinks.committed();
        for (key, count) in told {
            self.book.tell(&key, count, record.number, committed);
        }
        self.sinks.send(&record);
        record
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Node {
    /// Tells something else of a workload than a deviation: who decided it and
    /// why, where a person did.
    pub(super) fn tell(
        &mut self,
        workload: &WorkloadId,
        about: About,
        by: Option<&Who>,
        why: Option<&str>,
    ) {
        let number = self.alerts.next_number();
        self.alerts.sinks.tell(&Notice {
            number,
            time: Timestamp::now(),
            node: self.config.node_name.as_str().to_owned(),
            workload: workload.clone(),
            about,
            by: by.map(|who| who.to_string().as_str().into()),
            why: why.map(Untrusted::from),
        });
    }
}
