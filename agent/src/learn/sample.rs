//! A set that cannot grow without bound and says when it left something out.

/// The `MAX` smallest of all the values it was given.
///
/// Which values are kept depends on the values alone and not on their order,
/// so that samples merge to the same sample whatever the grouping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample<T, const MAX: usize> {
    /// Sorted, without duplicates; a `Vec`, because most hold one to three.
    kept: Vec<T>,
    more: bool,
}

impl<T, const MAX: usize> Default for Sample<T, MAX> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            more: false,
        }
    }
}

impl<T: Ord + Clone, const MAX: usize> Sample<T, MAX> {
    /// `None` if these are more than `MAX`. `more` says that others were left
    /// out before.
    pub(super) fn from_parts(mut values: Vec<T>, more: bool) -> Option<Self> {
        values.sort_unstable();
        values.dedup();
        (values.len() <= MAX).then_some(Self { kept: values, more })
    }

    /// Adds one value, or notes that there are more than are kept.
    pub fn insert(&mut self, value: &T) {
        let Err(place) = self.kept.binary_search(value) else {
            return;
        };
        if place < MAX {
            self.kept.insert(place, value.clone());
        }
        if place == MAX || self.kept.len() > MAX {
            self.kept.truncate(MAX);
            self.more = true;
        }
    }

    /// Adds all of another sample.
    pub fn merge(&mut self, other: &Self) {
        for value in &other.kept {
            self.insert(value);
        }
        self.more |= other.more;
    }

    /// The kept values, smallest first.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.kept.iter()
    }

    /// How many are kept; the true number is larger if [`Self::has_more`].
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether it was never given a value.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether values were left out.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// The kept value equal to this one.
    pub(super) fn get<Q: Ord + ?Sized>(&self, value: &Q) -> Option<&T>
    where
        T: std::borrow::Borrow<Q>,
    {
        let place = self
            .kept
            .binary_search_by(|kept| kept.borrow().cmp(value))
            .ok()?;
        self.kept.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn sample(values: &[u8]) -> Sample<u8, 3> {
        let mut sample = Sample::default();
        for value in values {
            sample.insert(value);
        }
        sample
    }

    fn check(given: &[u8], kept: &[u8], more: bool) {
        let sample = sample(given);

        assert_eq!(
            sample.iter().copied().collect::<Vec<_>>(),
            kept,
            "{given:?}"
        );
        assert_eq!(sample.has_more(), more, "{given:?}");
    }

    #[test]
    fn keeps_the_smallest_and_says_when_there_were_more() {
        check(&[], &[], false);
        check(&[2, 1, 2, 1], &[1, 2], false);
        check(&[3, 1, 2, 3], &[1, 2, 3], false);
        check(&[3, 1, 2, 4], &[1, 2, 3], true);
        check(&[4, 3, 2, 1], &[1, 2, 3], true);
    }

    #[test]
    fn finds_what_it_keeps() {
        assert_eq!(sample(&[5, 7]).get(&7), Some(&7));
        assert_eq!(sample(&[5, 7]).get(&6), None);
    }

    #[test]
    fn refuses_parts_over_its_bound() {
        assert!(Sample::<u8, 3>::from_parts(vec![1, 2, 3, 4], false).is_none());
        assert_eq!(
            Sample::from_parts(vec![2, 1, 2, 1], false),
            Some(sample(&[1, 2]))
        );
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(a: Vec<u8>, b: Vec<u8>) {
            let all: Vec<u8> = [a.clone(), b.clone()].concat();
            let distinct: BTreeSet<u8> = all.iter().copied().collect();

            let (mut left, mut right) = (sample(&a), sample(&b));
            left.merge(&sample(&b));
            right.merge(&sample(&a));

            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&left, &sample(&all));
            prop_assert_eq!(left.has_more(), distinct.len() > 3);
        }
    }
}
