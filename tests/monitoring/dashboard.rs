//! The Grafana dashboard.

use crate::metrics;
use serde_json::Value;
use std::collections::BTreeSet;
use testbed::dashboard::{panels, queries};

const DASHBOARD: &str = include_str!("../../deploy/monitoring/dashboard.json");

/// How many columns Grafana has.
const WIDTH: u64 = 24;

#[test]
fn panels_ask_for_metrics_that_there_are() {
    let dashboard = dashboard();
    let queries = queries(&dashboard).unwrap();
    assert!(!queries.is_empty());
    for query in queries {
        assert!(!query.expression.contains('$'), "{query:?}");
        metrics::check(&query.panel, &query.expression);
    }
}

#[test]
fn variables_ask_for_metrics_that_there_are() {
    for variable in variables(&dashboard()) {
        // That of the data source asks for none.
        let Some(query) = variable["query"]["query"].as_str() else {
            continue;
        };
        let asked = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|inner| inner.split_once(", "));
        let (metric, label) = asked.unwrap_or_else(|| panic!("{query}"));
        metrics::check(query, &format!("sum by ({label}) ({metric})"));
    }
}

#[test]
fn every_metric_is_on_a_panel() {
    let dashboard = dashboard();
    let asked: String = queries(&dashboard)
        .unwrap()
        .into_iter()
        .map(|query| query.expression)
        .collect();
    for metric in execwarden::metrics::METRICS {
        assert!(
            asked.contains(metric.name),
            "{} is on no panel",
            metric.name
        );
    }
}

#[test]
fn panels_have_their_own_places_and_numbers() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard).unwrap() {
        let title = &panel["title"];
        let id = panel["id"].as_u64().expect("a panel has a number");
        assert!(ids.insert(id), "{title}: {id} is another panel's");
        let of = |name: &str| {
            let number = panel["gridPos"][name].as_u64();
            number.unwrap_or_else(|| panic!("{title} has no {name}"))
        };
        assert!(of("x") + of("w") <= WIDTH, "{title} is too wide");
        for x in of("x")..of("x") + of("w") {
            for y in of("y")..of("y") + of("h") {
                assert!(taken.insert((x, y)), "{title} lies on another at {x}, {y}");
            }
        }
    }
}

#[test]
fn panels_say_what_they_show_and_in_which_unit() {
    let dashboard = dashboard();
    let names: Vec<String> = variables(&dashboard)
        .iter()
        .map(|variable| variable["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["datasource", "node", "namespace"]);
    for panel in panels(&dashboard).unwrap() {
        if panel["type"] == "row" {
            continue;
        }
        let title = &panel["title"];
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{title}: {description}");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(defaults["unit"].is_string(), "{title} has no unit");
        let steps = defaults["thresholds"]["steps"].as_array();
        let steps = steps.unwrap_or_else(|| panic!("{title} has no thresholds"));
        assert!(steps[0]["value"].is_null(), "{title}: {steps:?}");
        for part in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{title}");
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    }
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).expect("the dashboard is JSON")
}

fn variables(dashboard: &Value) -> &Vec<Value> {
    let list = dashboard["templating"]["list"].as_array();
    list.expect("the dashboard has variables")
}
