//! What a monitoring system reads from a running agent.

use super::pods::Pod;
use super::scene::{PATIENCE, Scene, at, exec, window};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use testbed::prometheus::free_address;
use testbed::{Prometheus, dashboard, promql, unique_name, until};

const RULES: &str = include_str!("../../../deploy/monitoring/execwarden.rules.yaml");
const DASHBOARD: &str = include_str!("../../../deploy/monitoring/dashboard.json");

pub fn metrics_and_health_are_there_where_they_are_asked_for() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let address = free_address()?;
    let agent = scene.agent(&["--enforce", "--metrics", &address.to_string()])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    let metrics = get(address, "/metrics")?;
    for line in [
        "execwarden_attached 1.0",
        "execwarden_accounting_holds 1.0",
        "execwarden_deviations_total{namespace=\"\",reason=\"unlisted\"} 1.0",
        "execwarden_alert_latency_seconds_count 1",
    ] {
        ensure!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    ensure!(metrics.ends_with("# EOF\n"), "{metrics}");
    ensure!(get(address, "/healthz")?.ends_with("\r\n\r\nalive\n"));
    let ready = get(address, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 200 "), "{ready}");

    scene.finish(agent, &[(&container, &["unlisted /app/worker"])])?;
    ensure!(get(address, "/healthz").is_err(), "it still answers");
    Ok(())
}

/// One workload of a pod that is enforced, one outside Kubernetes that learns, and
/// a deviation of each: both alerts fire, and no panel is without data.
pub fn prometheus_takes_the_rules_and_answers_the_dashboard() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::new()?;
    let id = unique_name();
    let runtime = pod.listen(pod.with_containers(&[&id]))?;
    pod.write_document(&scene)?;
    let address = free_address()?;
    let agent = scene.agent(&[
        "--automatic",
        &window(600),
        "--cri",
        &pod.socket().display().to_string(),
        // Where nobody of the kind is: they have numbers all the same.
        "--docker",
        &pod.socket().display().to_string(),
        "--kube",
        "--metrics",
        &address.to_string(),
    ])?;
    let enforced = pod.container(&scene, &id, &["sleep", "1000"])?;
    let learning = scene.idle()?;
    scene.wait_for_mode(&agent, "learn")?;
    let prometheus = Prometheus::start(address, RULES)?;
    until("the first scrape", PATIENCE, || {
        let found = prometheus.query("execwarden_attached == 1")?;
        Ok((!found.is_empty()).then_some(()))
    })?;

    exec(&enforced, &["/app/worker"])?;
    exec(
        &learning,
        &[&at("memfd"), "x", "/app/worker", "/app/worker"],
    )?;

    let of_pod = json!({ "alertname": "ExecwardenDeviation", "severity": "warning",
        "namespace": "shop", "reason": "unlisted" });
    let outside = json!({ "alertname": "ExecwardenDeviation", "severity": "critical",
        "reason": "fileless" });
    let firing = until("both alerts to fire", PATIENCE, || {
        let mut alerts = prometheus.alerts()?;
        alerts.retain(|alert| alert["state"] == "firing");
        let fires = |labels: &Value| alerts.iter().any(|alert| alert["labels"] == *labels);
        Ok((fires(&of_pod) && fires(&outside)).then_some(alerts))
    })?;
    for alert in &firing {
        ensure!(
            alert["labels"]["alertname"] == "ExecwardenDeviation",
            "{alert:#}"
        );
    }
    every_query_has_data(&prometheus)?;
    let page = get(address, "/metrics")?;
    for expression in rules_that_are_well(&prometheus)? {
        every_value_is_known(&expression, &page)?;
    }

    scene.finish(
        agent,
        &[
            (&enforced, &["unlisted /app/worker"]),
            (&learning, &["fileless *memfd:x"]),
        ],
    )?;
    runtime.abort();
    Ok(())
}

fn every_query_has_data(prometheus: &Prometheus) -> Result<()> {
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    for query in dashboard::queries(&dashboard)? {
        until(&format!("data of {query:?}"), PATIENCE, || {
            let data = prometheus.query(&query.expression)?;
            Ok((!data.is_empty()).then_some(()))
        })?;
    }
    Ok(())
}

/// The expressions of all rules; fails where Prometheus could not work one out.
fn rules_that_are_well(prometheus: &Prometheus) -> Result<Vec<String>> {
    let mut expressions = Vec::new();
    for rule in prometheus.rules()? {
        ensure!(rule["health"] == "ok", "{rule:#}");
        expressions.push(rule["query"].as_str().unwrap_or_default().to_owned());
    }
    ensure!(!expressions.is_empty(), "Prometheus has no rules");
    Ok(expressions)
}

/// A value that a rule waits for is one that the agent has.
fn every_value_is_known(expression: &str, page: &str) -> Result<()> {
    let selectors = promql::names(expression, "execwarden_").selectors;
    for (label, values) in selectors.into_iter().flat_map(|one| one.matchers) {
        // Whether the reasons are the agent's is tested without one.
        for value in values.split('|').filter(|_| label != "reason") {
            let there = page.contains(&format!("{label}=\"{value}\""));
            ensure!(there, "{label} is never {value}: {expression}");
        }
    }
    Ok(())
}

/// A page, with its head.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: node\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
