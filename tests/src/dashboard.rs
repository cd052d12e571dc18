//! The dashboard's queries, as Grafana sends them.

use anyhow::{Context, Result};
use serde_json::Value;

/// One question of a panel's.
#[derive(Clone, Debug)]
pub struct Query {
    /// The panel's title.
    pub panel: String,
    /// The expression, without variables.
    pub expression: String,
}

/// What Grafana puts in for its own variables and for the dashboard's, where
/// all nodes and all namespaces are chosen.
const VARIABLES: [(&str, &str); 5] = [
    ("$__rate_interval", "1m"),
    ("$__interval", "1m"),
    ("$__range", "15m"),
    ("$namespace", ".*"),
    ("$node", ".*"),
];

/// Every panel, rows among them, in the order of the file.
pub fn panels(dashboard: &Value) -> Result<&Vec<Value>> {
    let panels = dashboard["panels"].as_array();
    panels.context("the dashboard has no panels")
}

/// The queries of all panels.
pub fn queries(dashboard: &Value) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for panel in panels(dashboard)? {
        let title = panel["title"].as_str().context("a panel has no title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str();
            let mut expression = expression.context("a target has no expr")?.to_owned();
            for (variable, value) in VARIABLES {
                expression = expression.replace(variable, value);
            }
            queries.push(Query {
                panel: title.to_owned(),
                expression,
            });
        }
    }
    Ok(queries)
}
