use super::*;
use crate::learn::arbitrary;
use crate::learn::{Around, Ending, Gap, Sighting};
use crate::model::{ContainerId, Identity};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

fn merged(a: &Baseline, b: &Baseline) -> Baseline {
    merge(a.clone(), b.clone()).unwrap()
}

fn has_gaps(baseline: &Baseline) -> bool {
    baseline.gaps().next().is_some()
}

#[test]
fn another_workload_is_refused_by_name() {
    let unit = |name: &str| {
        let workload = WorkloadId::Unit {
            unit: name.to_owned(),
        };
        let window = Window {
            started: Timestamp::UNIX_EPOCH,
            ending: Ending::after(Duration::from_secs(1)),
        };
        Baseline::new(workload, window)
    };

    let error = merge(unit("a.service"), unit("b.service")).unwrap_err();

    assert_eq!(
        error.to_string(),
        "a baseline of unit/a.service cannot take in one of unit/b.service"
    );
}

#[test]
fn what_goes_over_the_bound_is_a_gap_in_any_order() {
    let full = |prefix: &str, entries: usize| {
        let mut baseline = arbitrary::empty();
        for n in 0..entries {
            let sighting = Sighting {
                at: Timestamp::UNIX_EPOCH,
                execs: 2,
                container: &ContainerId::new("a").unwrap(),
                image: None,
                around: Around::default(),
                digest: None,
                code: None,
            };
            let _ = baseline.observe(&Identity::image(&format!("/{prefix}/{n:04}")), &sighting);
        }
        baseline
    };
    let (a, b, c) = (full("a", 4000), full("b", 90), full("c", 20));

    let left = merged(&merged(&a, &b), &c);
    let right = merged(&a, &merged(&c, &b));

    assert_eq!(left, right);
    assert_eq!(left.entries().len(), MAX_ENTRIES);
    assert_eq!(
        left.gaps().collect::<Vec<_>>(),
        [Gap::BeyondLimit { execs: 14 * 2 }]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_does_not_matter(a in arbitrary::baseline(), b in arbitrary::baseline()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }

    #[test]
    fn grouping_does_not_matter(
        a in arbitrary::baseline(),
        b in arbitrary::baseline(),
        c in arbitrary::baseline(),
    ) {
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn taking_in_the_same_twice_adds_no_name(a in arbitrary::baseline(), b in arbitrary::baseline()) {
        let once = merged(&a, &b);

        let twice = merged(&once, &b);

        prop_assert!(once.entries().keys().eq(twice.entries().keys()));
        for (identity, evidence) in once.entries() {
            prop_assert_eq!(evidence.containers(), twice.entries()[identity].containers());
            prop_assert_eq!(evidence.digests(), twice.entries()[identity].digests());
            prop_assert_eq!(evidence.arguments(), twice.entries()[identity].arguments());
            prop_assert_eq!(evidence.first_seen(), twice.entries()[identity].first_seen());
            prop_assert_eq!(evidence.last_seen(), twice.entries()[identity].last_seen());
        }
        prop_assert_eq!(once.containers(), twice.containers());
        prop_assert_eq!(has_gaps(&once), has_gaps(&twice));
        prop_assert_eq!(once.pending(), twice.pending());
    }

    #[test]
    fn nothing_that_was_learned_is_lost(a in arbitrary::baseline(), b in arbitrary::baseline()) {
        let both = merged(&a, &b);

        for (identity, evidence) in a.entries().iter().chain(b.entries()) {
            prop_assert!(both.entries()[identity].execs() >= evidence.execs());
        }
        prop_assert_eq!(has_gaps(&both), has_gaps(&a) || has_gaps(&b));
    }
}
