//! A median with its 95 % interval, from order statistics: no assumption on
//! how the numbers are spread, and none is left out.

use std::fmt;

/// The middle of a sample, and between which of its values the true middle is
/// with a probability of 95 % at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    /// The sample's own.
    pub middle: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Median {
    /// Of a sample in any order; `None` if it is empty. With fewer than six
    /// numbers the interval is all of them, which is less than 95 %.
    pub fn of(sample: &[f64]) -> Option<Self> {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&first, &last) = (sorted.first()?, sorted.last()?);
        let half = sorted.len() / 2;
        let middle = if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            f64::midpoint(sorted[half - 1], sorted[half])
        };
        Some(match values_outside(sorted.len()) {
            0 => Self {
                middle,
                low: first,
                high: last,
            },
            outside => Self {
                middle,
                low: sorted[outside - 1],
                high: sorted[sorted.len() - outside],
            },
        })
    }

    /// All three, through the same monotonous function.
    pub fn map(self, through: impl Fn(f64) -> f64) -> Self {
        Self {
            middle: through(self.middle),
            low: through(self.low),
            high: through(self.high),
        }
    }
}

impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        if f.sign_plus() {
            write!(
                f,
                "{:+.digits$} [{:+.digits$}, {:+.digits$}]",
                self.middle, self.low, self.high
            )
        } else {
            write!(
                f,
                "{:.digits$} [{:.digits$}, {:.digits$}]",
                self.middle, self.low, self.high
            )
        }
    }
}

/// How far from each end the interval's ends are, counted from one: the largest
/// k for which fewer than k of n values are below the true middle with a
/// probability of at most 2.5 %. Each value is below it with one half: a
/// binomial distribution.
fn values_outside(n: usize) -> usize {
    let mut probability = 0.5f64.powi(n as i32);
    let (mut below, mut k) = (0.0, 0);
    while k < n / 2 {
        below += probability;
        if below > 0.025 {
            break;
        }
        probability *= (n - k) as f64 / (k + 1) as f64;
        k += 1;
    }
    k
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sample: &[f64], middle: f64, low: f64, high: f64) {
        let expected = Median { middle, low, high };
        assert_eq!(Median::of(sample), Some(expected), "{sample:?}");
    }

    #[test]
    fn the_middle_does_not_depend_on_the_order() {
        check(&[3.0, 1.0, 2.0], 2.0, 1.0, 3.0);
        check(&[4.0, 1.0, 3.0, 2.0], 2.5, 1.0, 4.0);
    }

    #[test]
    fn one_value_far_off_changes_nothing() {
        check(
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1e9],
            5.0,
            2.0,
            8.0,
        );
    }

    #[test]
    fn an_empty_sample_has_no_middle() {
        assert_eq!(Median::of(&[]), None);
    }

    /// The ranks that tables of the sign test give for 95 %.
    #[test]
    fn the_interval_has_the_ranks_of_the_sign_test() {
        for (n, rank) in [(5, 0), (6, 1), (8, 1), (9, 2), (20, 6), (40, 14), (100, 40)] {
            assert_eq!(values_outside(n), rank, "{n}");
        }
    }

    #[test]
    fn prints_the_middle_and_the_interval() {
        let median = Median {
            middle: 0.25,
            low: -1.0,
            high: 2.0,
        };

        assert_eq!(format!("{median:+.2}"), "+0.25 [-1.00, +2.00]");
        assert_eq!(format!("{median:.0}"), "0 [-1, 2]");
    }
}
