//! Which alerts give way to newer ones.

use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// The most alerts that are kept.
pub const MAX_ROWS: usize = 10_000;
/// The most bytes that they take together, as they are written: 32 MiB. An
/// alert is 2 or 3 KiB, 40 KiB with the longest texts there can be.
pub const MAX_BYTES: u64 = 32 << 20;

/// What is written, by when it last came: a hundred bytes of memory for each.
#[derive(Debug, Default)]
pub struct Index {
    rows: HashMap<String, Entry>,
    by_age: BTreeSet<(Timestamp, String)>,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    last: Timestamp,
    bytes: u64,
}

impl Index {
    /// A row is there, or is there anew: so many bytes, and when it last came.
    pub fn put(&mut self, id: &str, last: Timestamp, bytes: u64) {
        self.take(id);
        self.bytes += bytes;
        self.by_age.insert((last, id.to_owned()));
        self.rows.insert(id.to_owned(), Entry { last, bytes });
    }

    /// How many bytes a row takes; 0 for one that is not there.
    pub fn bytes_of(&self, id: &str) -> u64 {
        self.rows.get(id).map_or(0, |entry| entry.bytes)
    }

    /// Takes out what is over the bounds, and tells which: those that have not
    /// come for the longest time.
    pub fn take_over(&mut self) -> Vec<String> {
        let mut over = Vec::new();
        while self.rows.len() > MAX_ROWS || (self.bytes > MAX_BYTES && self.rows.len() > 1) {
            let Some((_, id)) = self.by_age.first().cloned() else {
                break;
            };
            self.take(&id);
            over.push(id);
        }
        over
    }

    fn take(&mut self, id: &str) {
        if let Some(entry) = self.rows.remove(id) {
            self.bytes -= entry.bytes;
            self.by_age.remove(&(entry.last, id.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("is in range")
    }

    #[test]
    fn those_that_have_not_come_for_the_longest_time_go_first() {
        let mut index = Index::default();
        let third = MAX_BYTES / 3;
        for (id, last) in [("a", 1), ("b", 2), ("c", 3)] {
            index.put(id, at(last), third);
        }
        assert_eq!(index.take_over(), Vec::<String>::new());

        // It came again, and another is new.
        index.put("a", at(4), third);
        index.put("d", at(5), third);

        assert_eq!(index.take_over(), ["b"]);
        assert_eq!((index.bytes_of("a"), index.bytes_of("b")), (third, 0));
    }

    #[test]
    fn one_row_stays_however_large() {
        let mut index = Index::default();
        index.put("a", at(1), 2 * MAX_BYTES);

        assert_eq!(index.take_over(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_within_the_bounds(
            rows in prop::collection::vec((0u8..40, 0i64..100, 0u64..MAX_BYTES / 4), 0..80)
        ) {
            let mut index = Index::default();
            for (id, last, bytes) in rows {
                index.put(&id.to_string(), at(last), bytes);
                index.take_over();

                let sum: u64 = index.rows.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(sum, index.bytes);
                prop_assert!(sum <= MAX_BYTES);
                prop_assert_eq!(index.rows.len(), index.by_age.len());
            }
        }
    }
}
