//! The names in rules and dashboard are the agent's.

use execwarden::metrics::{Kind, METRICS};
use std::collections::BTreeSet;
use testbed::promql::{self, Selector};

/// Labels that Prometheus puts on what it scrapes.
const OF_THE_TARGET: [&str; 2] = ["instance", "job"];

/// Fails unless the agent has every metric of an expression, with every label.
pub fn check(place: &str, expression: &str) {
    let names = promql::names(expression, "execwarden_");
    let mut labels = BTreeSet::from(OF_THE_TARGET);
    for Selector { metric, matchers } in &names.selectors {
        let known = labels_of(metric);
        let Some(known) = known else {
            panic!("{place}: the agent has no metric {metric}: {expression}");
        };
        for (label, _) in matchers {
            let there = known.contains(&label.as_str()) || OF_THE_TARGET.contains(&label.as_str());
            assert!(
                there,
                "{place}: {metric} has no label {label}: {expression}"
            );
        }
        labels.extend(known);
    }
    for label in &names.grouped {
        let there = labels.contains(label.as_str());
        assert!(there, "{place}: nothing has a label {label}: {expression}");
    }
}

/// The labels of a metric by its name on the wire, if there is one.
pub fn labels_of(name: &str) -> Option<Vec<&'static str>> {
    METRICS.iter().find_map(|metric| {
        let suffix = name.strip_prefix(metric.name)?;
        let own: &[&str] = match (metric.kind, suffix) {
            (Kind::Counter, "_total") | (Kind::Gauge, "") => &[],
            (Kind::Histogram, "_sum" | "_count") => &[],
            (Kind::Histogram, "_bucket") => &["le"],
            _ => return None,
        };
        Some([metric.labels, own].concat())
    })
}

#[test]
fn a_name_has_the_suffix_of_its_kind() {
    assert_eq!(labels_of("execwarden_execs_total"), Some(vec!["verdict"]));
    assert_eq!(labels_of("execwarden_execs"), None);
    assert_eq!(labels_of("execwarden_attached_total"), None);
    let bucket = labels_of("execwarden_alert_latency_seconds_bucket");
    assert_eq!(bucket, Some(vec!["le"]));
    assert_eq!(labels_of("execwarden_alert_latency_seconds"), None);
}

#[test]
#[should_panic(expected = "here: execwarden_execs_total has no label what")]
fn a_label_that_a_metric_has_not_is_found() {
    check("here", "sum(execwarden_execs_total{what=\"x\"})");
}

#[test]
#[should_panic(expected = "here: nothing has a label workload")]
fn a_group_that_no_metric_has_is_found() {
    check("here", "sum by (workload) (execwarden_execs_total)");
}
