use super::*;
use crate::control::status::tests::status;
use std::collections::BTreeSet;

const MANUAL: &str = include_str!("../../../docs/METRICS.md");

#[test]
fn a_status_is_a_page_of_metrics() {
    let mut status = status();
    status.workloads.truncate(1);

    insta::assert_snapshot!(render(status));
}

#[test]
fn what_somebody_else_named_stays_in_its_place() {
    let mut status = status();
    status.deviations[0].namespace = "a\"} 1\nexecwarden_attached 0\n\\".to_owned();

    let page = render(status);

    assert!(
        !page.lines().any(|line| line == "execwarden_attached 0"),
        "{page}"
    );
    let expected = r#"namespace="a\"} 1\nexecwarden_attached 0\n\\",reason="drift"} 40"#;
    assert!(page.contains(expected), "{page}");
}

#[test]
fn every_metric_is_in_the_manual_and_nothing_else() {
    let documented: BTreeSet<String> = MANUAL
        .lines()
        .filter(|line| line.starts_with("| `execwarden_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            format!("{} {} {}", cells[1], cells[2], cells[3])
        })
        .collect();
    let known: BTreeSet<String> = METRICS
        .iter()
        .map(|metric| {
            let (suffix, kind) = match metric.kind {
                Kind::Counter => ("_total", "counter"),
                Kind::Gauge => ("", "gauge"),
                Kind::Histogram => ("", "histogram"),
            };
            let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let labels = match labels.is_empty() {
                true => "–".to_owned(),
                false => labels.join(", "),
            };
            format!("`{}{suffix}` {kind} {labels}", metric.name)
        })
        .collect();

    assert_eq!(documented, known);
}

/// Prometheus's rules: base units, and no name twice.
#[test]
fn names_follow_the_rules() {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        assert!(names.insert(metric.name), "{} is there twice", metric.name);
        assert!(!metric.name.ends_with("_total"), "{}", metric.name);
        let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
        assert!(metric.name.bytes().all(plain), "{}", metric.name);
        assert!(!metric.help.ends_with('.'), "{}", metric.help);
    }
}
