//! Sums what comes again, so that a loop in a container is a line a minute.

use super::AlertId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A record that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// The first of its id; it stands for one exec.
    First,
    /// So many more since the last record of this id.
    Repeats {
        /// How many; at least 1.
        count: u64,
        /// When the earliest of them was noticed.
        first: Timestamp,
        /// When the latest of them was noticed.
        last: Timestamp,
    },
}

impl Due {
    /// How many execs the record stands for.
    pub fn count(self) -> u64 {
        match self {
            Self::First => 1,
            Self::Repeats { count, .. } => count,
        }
    }
}

/// Counts per alert id: the first is due at once, what follows is summed and due
/// after an interval that doubles each time, up to a longest; it begins anew where
/// nothing came for twice as long.
///
/// The counts of all records of an id add up to the last total that was told.
/// Takes the clock as a value. Holds one small entry per id until it is
/// [forgotten](Self::forget); the kernel's maps bound how many there are.
#[derive(Debug)]
pub struct Repeats {
    interval: Duration,
    longest: Duration,
    seen: HashMap<AlertId, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The last total that was told.
    total: u64,
    /// When the last record was due.
    reported: Instant,
    /// How long after that the next one is.
    interval: Duration,
    pending: Option<Pending>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

impl From<Pending> for Due {
    fn from(pending: Pending) -> Self {
        Self::Repeats {
            count: pending.count,
            first: pending.first,
            last: pending.last,
        }
    }
}

impl Repeats {
    /// Sums over `interval` at first, and over `longest` at most.
    pub fn new(interval: Duration, longest: Duration) -> Self {
        Self {
            interval,
            longest,
            seen: HashMap::new(),
        }
    }

    /// Whether its first record was due already.
    pub fn knows(&self, id: AlertId) -> bool {
        self.seen.contains_key(&id)
    }

    /// Takes the total that the kernel has for `id` at `now` (by the clock on
    /// the wall: `at`). Says whether the id's first record is due. A total
    /// below the last one means that the kernel began to count anew.
    pub fn saw(&mut self, id: AlertId, total: u64, at: Timestamp, now: Instant) -> Option<Due> {
        if total == 0 {
            return None;
        }
        let known = self.seen.get_mut(&id);
        let is_first = known.is_none();
        let entry = match known {
            Some(entry) => entry,
            None => self.seen.entry(id).or_insert(Entry {
                total: 1,
                reported: now,
                interval: self.interval,
                pending: None,
            }),
        };
        let quiet = now.saturating_duration_since(entry.reported);
        if entry.pending.is_none() && quiet >= entry.interval * 2 {
            entry.interval = self.interval;
        }
        let more = total.checked_sub(entry.total).unwrap_or(total);
        entry.total = total;
        if more > 0 {
            let pending = entry.pending.get_or_insert(Pending {
                count: 0,
                first: at,
                last: at,
            });
            pending.count = pending.count.saturating_add(more);
            pending.last = at;
        }
        is_first.then_some(Due::First)
    }

    /// The sums whose interval is over, and that `may` go out; others wait, and grow.
    pub fn due(
        &mut self,
        now: Instant,
        mut may: impl FnMut(AlertId) -> bool,
    ) -> Vec<(AlertId, Due)> {
        self.take(
            |id, entry| {
                let is_over = now.saturating_duration_since(entry.reported) >= entry.interval;
                is_over && entry.pending.is_some() && may(id)
            },
            now,
        )
    }

    /// Every sum there is, whatever its interval: at shutdown.
    pub fn flush(&mut self, now: Instant) -> Vec<(AlertId, Due)> {
        self.take(|_, _| true, now)
    }

    /// Drops `id`, whose container is gone, and gives out what was not yet.
    pub fn forget(&mut self, id: AlertId) -> Option<Due> {
        self.seen.remove(&id)?.pending.map(Due::from)
    }

    fn take(
        &mut self,
        mut is_due: impl FnMut(AlertId, &Entry) -> bool,
        now: Instant,
    ) -> Vec<(AlertId, Due)> {
        let longest = self.longest;
        let mut due: Vec<_> = self
            .seen
            .iter_mut()
            .filter(|(id, entry)| is_due(**id, entry))
            .filter_map(|(id, entry)| {
                let pending = entry.pending.take()?;
                entry.reported = now;
                entry.interval = (entry.interval * 2).min(longest);
                Some((*id, Due::from(pending)))
            })
            .collect();
        // The map's order is chance; the same state gives the same records.
        due.sort_unstable_by_key(|(id, _)| *id);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CgroupId, Reason};
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn id(cgroup: u64) -> AlertId {
        AlertId::new("boot", CgroupId(cgroup), Reason::Drift, None)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("is in range")
    }

    #[test]
    fn the_first_is_due_at_once_and_the_rest_in_a_sum() {
        let start = Instant::now();
        let mut repeats = Repeats::new(MINUTE, 4 * MINUTE);

        assert_eq!(repeats.saw(id(1), 1, at(0), start), Some(Due::First));
        assert_eq!(repeats.saw(id(1), 3, at(1), start), None);
        assert_eq!(repeats.saw(id(1), 58, at(59), start), None);
        assert_eq!(repeats.due(start + MINUTE / 2, |_| true), []);

        let sum = Due::Repeats {
            count: 57,
            first: at(1),
            last: at(59),
        };
        assert_eq!(repeats.due(start + MINUTE, |_| true), [(id(1), sum)]);
        assert_eq!(repeats.due(start + 2 * MINUTE, |_| true), []);
    }

    #[test]
    fn a_first_total_of_many_is_one_and_a_sum() {
        let start = Instant::now();
        let mut repeats = Repeats::new(MINUTE, 4 * MINUTE);

        assert_eq!(repeats.saw(id(1), 10, at(0), start), Some(Due::First));

        assert_eq!(repeats.forget(id(1)).map(Due::count), Some(9));
        assert_eq!(repeats.forget(id(1)), None);
    }

    #[test]
    fn intervals_double_up_to_the_longest_and_begin_anew_after_a_silence() {
        let mut now = Instant::now();
        let mut repeats = Repeats::new(MINUTE, 4 * MINUTE);
        repeats.saw(id(1), 1, at(0), now);
        let mut total = 1;
        let mut minutes_until_due = |repeats: &mut Repeats| {
            total += 1;
            repeats.saw(id(1), total, at(0), now);
            let mut minutes = 0;
            while repeats.due(now, |_| true).is_empty() {
                minutes += 1;
                now += MINUTE;
            }
            minutes
        };

        let waits: Vec<u32> = (0..4).map(|_| minutes_until_due(&mut repeats)).collect();

        assert_eq!(waits, [1, 2, 4, 4]);
    }

    #[test]
    fn after_a_silence_the_first_interval_holds_again() {
        let start = Instant::now();
        let mut repeats = Repeats::new(MINUTE, 4 * MINUTE);
        repeats.saw(id(1), 1, at(0), start);
        repeats.saw(id(1), 2, at(0), start);
        assert_eq!(repeats.due(start + MINUTE, |_| true).len(), 1);

        let later = start + 10 * MINUTE;
        repeats.saw(id(1), 3, at(0), later);
        assert_eq!(repeats.due(later, |_| true).len(), 1);
        repeats.saw(id(1), 4, at(0), later);

        assert_eq!(repeats.due(later + 2 * MINUTE, |_| true).len(), 1);
    }

    #[test]
    fn what_may_not_go_out_waits_and_grows() {
        let start = Instant::now();
        let mut repeats = Repeats::new(MINUTE, MINUTE);
        repeats.saw(id(1), 3, at(0), start);

        assert_eq!(repeats.due(start + MINUTE, |_| false), []);
        repeats.saw(id(1), 5, at(0), start + MINUTE);

        let due = repeats.due(start + MINUTE, |_| true);
        assert_eq!(due.first().map(|(_, due)| due.count()), Some(4));
    }

    #[test]
    fn a_total_that_fell_counts_from_nothing() {
        let start = Instant::now();
        let mut repeats = Repeats::new(MINUTE, 4 * MINUTE);
        repeats.saw(id(1), 10, at(0), start);

        repeats.saw(id(1), 2, at(1), start);

        assert_eq!(repeats.forget(id(1)).map(Due::count), Some(11));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Saw { id: u64, more: u64 },
        Wait { seconds: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u64..4, 0u64..100).prop_map(|(id, more)| Step::Saw { id, more }),
            (0u64..90).prop_map(|seconds| Step::Wait { seconds }),
        ]
    }

    proptest! {
        #[test]
        fn the_records_of_an_id_add_up_to_its_total(steps in prop::collection::vec(step(), 0..60)) {
            let mut repeats = Repeats::new(MINUTE, 4 * MINUTE);
            let mut now = Instant::now();
            let mut told: HashMap<AlertId, u64> = HashMap::new();
            let mut given: HashMap<AlertId, u64> = HashMap::new();
            let mut firsts: HashMap<AlertId, u64> = HashMap::new();

            for step in steps {
                match step {
                    Step::Saw { id: cgroup, more } => {
                        let total = told.entry(id(cgroup)).or_default();
                        *total += more;
                        if let Some(due) = repeats.saw(id(cgroup), *total, at(0), now) {
                            *given.entry(id(cgroup)).or_default() += due.count();
                            *firsts.entry(id(cgroup)).or_default() += 1;
                        }
                    }
                    Step::Wait { seconds } => {
                        now += Duration::from_secs(seconds);
                        for (id, due) in repeats.due(now, |_| true) {
                            *given.entry(id).or_default() += due.count();
                        }
                    }
                }
            }
            for (id, due) in repeats.flush(now) {
                *given.entry(id).or_default() += due.count();
            }

            told.retain(|_, total| *total > 0);
            prop_assert_eq!(given, told);
            prop_assert!(firsts.values().all(|count| *count == 1));
        }
    }
}
