//! How many records a receiver is given at once.

/// At most so many, and so many bytes together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Batch {
    pub records: usize,
    pub bytes: usize,
}

impl Batch {
    /// One by one.
    pub(super) const ONE: Self = Self {
        records: 1,
        bytes: usize::MAX,
    };
    /// For receivers that read a list: those of most vendors read far more than this.
    pub(super) const MANY: Self = Self {
        records: 100,
        bytes: 512 * 1024,
    };
}

/// Finds the one that a receiver does not take, of a batch that it refused as a
/// whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Halving {
    /// Of so many of the next records one at least is refused, as far as is known.
    suspects: usize,
}

impl Halving {
    /// How many may be given next, of what would be a batch.
    pub(super) fn limit(&self, batch: Batch) -> Batch {
        match self.suspects {
            0 => batch,
            suspects => Batch {
                records: batch.records.min(suspects.div_ceil(2)),
                ..batch
            },
        }
    }

    /// So many were taken.
    pub(super) fn took(&mut self, count: usize) {
        self.suspects = self.suspects.saturating_sub(count);
    }

    /// So many were refused. Whether it was one alone, which is to be passed over:
    /// of those behind it nothing is known.
    pub(super) fn refused(&mut self, count: usize) -> bool {
        let is_found = count <= 1;
        self.suspects = match is_found {
            true => 0,
            false => count,
        };
        is_found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// What is taken and what is passed over of so many records, and how often the
    /// receiver was asked.
    fn give(records: usize, bad: &BTreeSet<usize>) -> (Vec<usize>, Vec<usize>, usize) {
        let (mut taken, mut passed, mut asked) = (Vec::new(), Vec::new(), 0);
        let mut halving = Halving::default();
        let mut next = 0;
        while next < records {
            let count = halving.limit(Batch::MANY).records.min(records - next);
            let batch = next..next + count;
            asked += 1;
            if bad.range(batch.clone()).next().is_none() {
                halving.took(count);
                taken.extend(batch);
            } else if halving.refused(count) {
                passed.extend(batch);
            } else {
                continue;
            }
            next += count;
        }
        (taken, passed, asked)
    }

    #[test]
    fn one_of_a_hundred_is_found_in_a_few_requests() {
        for bad in 0..100 {
            let (taken, passed, asked) = give(100, &BTreeSet::from([bad]));
            assert_eq!((taken.len(), passed), (99, vec![bad]));
            assert!(asked <= 16, "{asked} for {bad}");
        }
    }

    proptest! {
        #[test]
        fn the_bad_ones_alone_are_passed_over(
            records in 0usize..250,
            bad in prop::collection::btree_set(0usize..250, 0..20),
        ) {
            let bad: BTreeSet<usize> = bad.range(..records).copied().collect();

            let (taken, passed, _) = give(records, &bad);

            prop_assert_eq!(passed, bad.iter().copied().collect::<Vec<_>>());
            let good: Vec<usize> = (0..records).filter(|n| !bad.contains(n)).collect();
            prop_assert_eq!(taken, good);
        }
    }
}
