//! The alerting rules, and the tests that promtool runs on them.

use crate::metrics;
use execwarden::alert::Severity;
use execwarden::model::Reason;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use testbed::{prometheus, promql};

const RULES: &str = include_str!("../../deploy/monitoring/execwarden.rules.yaml");
const OBJECT: &str = include_str!("../../deploy/monitoring/prometheusrule.yaml");
const MANUAL: &str = include_str!("../../docs/METRICS.md");
const TESTS: &str = include_str!("../../deploy/monitoring/execwarden.rules.test.yaml");

#[test]
fn promtool_finds_no_fault_and_every_alert_fires_when_it_should() {
    promtool(&["check", "rules", "execwarden.rules.yaml"]);
    promtool(&["test", "rules", "execwarden.rules.test.yaml"]);
}

#[test]
fn rules_ask_for_metrics_that_there_are() {
    for rule in rules() {
        metrics::check(text(&rule["alert"]), text(&rule["expr"]));
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    for rule in rules() {
        let alert = text(&rule["alert"]);
        assert!(alert.starts_with("Execwarden"), "{alert}");
        assert!(rule["for"].is_string(), "{alert} has no for");
        let severity = text(&rule["labels"]["severity"]);
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{alert}: {severity}"
        );
        let summary = text(&rule["annotations"]["summary"]);
        assert!(!summary.ends_with('.'), "{alert}: {summary}");
        let description = text(&rule["annotations"]["description"]);
        assert!(description.ends_with('.'), "{alert}: {description}");
        assert!(description.len() > summary.len(), "{alert}: {description}");
    }
}

#[test]
fn the_manual_lists_every_alert_with_its_severity() {
    let documented: BTreeSet<(&str, &str)> = MANUAL
        .lines()
        .filter_map(|line| line.strip_prefix("| `Execwarden"))
        .filter_map(|rest| {
            let mut cells = rest.split('|').map(str::trim);
            Some((cells.next()?.trim_end_matches('`'), cells.next()?))
        })
        .collect();

    let rules = rules();
    let known = rules.iter().map(|rule| {
        let alert = text(&rule["alert"]).trim_start_matches("Execwarden");
        match alert {
            "Deviation" => (alert, "by the reason"),
            _ => (alert, text(&rule["labels"]["severity"])),
        }
    });
    assert_eq!(documented, known.collect());
}

/// As a record's severity has it: what is critical there is so here, and a notice
/// is for reading.
#[test]
fn every_reason_fires_once_with_its_severity() {
    let mut told = BTreeSet::new();
    for rule in rules() {
        let reasons = reasons(text(&rule["expr"]));
        for reason in Reason::ALL {
            if !reasons.contains(reason.as_str()) {
                continue;
            }
            let expected = match Severity::of(reason) {
                Severity::Critical => "critical",
                Severity::Error | Severity::Warning => "warning",
                Severity::Notice | Severity::Info => "info",
            };
            assert_eq!(rule["labels"]["severity"], expected, "{reason}");
            assert!(told.insert(reason), "{reason} is told twice");
        }
        let known = Reason::ALL.map(Reason::as_str);
        assert!(
            reasons.iter().all(|one| known.contains(&one.as_str())),
            "{reasons:?}"
        );
    }
    assert_eq!(told, Reason::ALL.into());
}

/// Each is asked for by its name, once at a time when it fires and once at one
/// when it does not.
#[test]
fn every_alert_is_tested_firing_and_not_firing() {
    let tests: Value = parse(TESTS);
    let mut firing = BTreeSet::new();
    let mut quiet = BTreeSet::new();
    for test in items(&tests["tests"]) {
        for look in test["promql_expr_test"].as_array().into_iter().flatten() {
            let alert = text(&look["expr"])
                .strip_prefix("ALERTS{alertname=\"")
                .and_then(|rest| rest.strip_suffix("\"}"))
                .expect("a look is at one alert");
            let samples = look["exp_samples"].as_array().into_iter().flatten();
            let mut labels = samples.map(|sample| text(&sample["labels"]));
            let fires = labels.any(|labels| labels.contains("alertstate=\"firing\""));
            let seen = if fires { &mut firing } else { &mut quiet };
            seen.insert(alert);
        }
    }

    let rules = rules();
    let alerts: BTreeSet<&str> = rules.iter().map(|rule| text(&rule["alert"])).collect();
    assert_eq!(firing, alerts, "tested where they fire");
    assert_eq!(quiet, alerts, "tested where they do not fire");
}

#[test]
fn the_operators_object_has_the_same_rules() {
    let groups = &RULES[RULES.find("groups:").expect("there are groups")..];
    let indented: String = groups
        .lines()
        .map(|line| match line {
            "" => "\n".to_owned(),
            _ => format!("  {line}\n"),
        })
        .collect();

    let (head, rest) = OBJECT.split_once("spec:\n").expect("it has a spec");
    assert!(head.contains("\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n"));
    assert!(
        rest == indented,
        "below spec, prometheusrule.yaml is not execwarden.rules.yaml from groups on, \
         two columns to the right"
    );
    assert!(parse(OBJECT)["spec"]["groups"] == parse(RULES)["groups"]);
}

fn promtool(args: &[&str]) {
    let program =
        prometheus::find("promtool").expect("there is no promtool: cargo xtask setup brings it");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring");
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output()
        .expect("promtool starts");
    assert!(
        output.status.success(),
        "promtool {}:\n{}{}",
        args.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The reasons that an expression names.
fn reasons(expression: &str) -> BTreeSet<String> {
    let selectors = promql::names(expression, "execwarden_deviations").selectors;
    let matchers = selectors.into_iter().flat_map(|one| one.matchers);
    matchers
        .filter(|(label, _)| label == "reason")
        .flat_map(|(_, value)| value.split('|').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn rules() -> Vec<Value> {
    let file = parse(RULES);
    let rules = items(&file["groups"])
        .iter()
        .flat_map(|group| items(&group["rules"]));
    rules.cloned().collect()
}

fn parse(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).expect("it is YAML")
}

fn items(list: &Value) -> &Vec<Value> {
    list.as_array().expect("it is a list")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
