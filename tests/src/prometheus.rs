//! A real Prometheus that scrapes one address, with rules, on a port of the
//! loopback.

use crate::places;
use crate::until;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// It was seen to need 130 ms; an emulated machine has more to do. The first
/// scrape comes five seconds later, whatever it is told.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How Prometheus asks an agent, and how often it looks at the rules: a test
/// waits for the second look at least. The target has labels of its own, as
/// those that Kubernetes finds have; the agent's win.
const CONFIG: &str = "\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [rules.yaml]
scrape_configs:
  - job_name: execwarden
    honor_labels: true
    static_configs:
      - targets: ['@TARGET@']
        labels: { instance: node-1, namespace: execwarden-system }
";

/// `prometheus` or `promtool`: the system's, or the one that `cargo xtask setup`
/// unpacked.
pub fn find(program: &str) -> Option<PathBuf> {
    places::find_program(program).or_else(|| places::find_unpacked(program))
}

/// A running Prometheus; killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target` with the labels `instance="node-1"` and
    /// `namespace="execwarden-system"`, and waits until it answers.
    pub fn start(target: SocketAddr, rules: &str) -> Result<Self> {
        let program =
            find("prometheus").context("there is no prometheus; run cargo xtask setup")?;
        let folder = places::folder("prometheus")?;
        let file = |name| folder.path().join(name);
        let config = CONFIG.replace("@TARGET@", &target.to_string());
        fs::write(file("prometheus.yaml"), config)
            .and_then(|()| fs::write(file("rules.yaml"), rules))
            .context("cannot write Prometheus's files")?;
        let log = fs::File::create(file("log")).context("cannot make Prometheus's log")?;
        let address = free_address()?;
        let process = places::dying_with_us(&program)
            .arg(format!("--web.listen-address={address}"))
            .arg("--config.file=prometheus.yaml")
            .arg("--storage.tsdb.path=data")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start prometheus")?;
        let mut prometheus = Self {
            process,
            address,
            folder,
        };
        until("Prometheus to be ready", START_DEADLINE, || {
            if let Some(status) = prometheus.process.try_wait()? {
                bail!("it ended ({status}); its log:\n{}", prometheus.log());
            }
            let answer = prometheus.get("/-/ready").ok();
            Ok(answer.filter(|answer| answer.starts_with("HTTP/1.0 200 ")))
        })?;
        Ok(prometheus)
    }

    /// The series that an expression gives now.
    ///
    /// # Errors
    /// With Prometheus's own words, where it is no expression.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let data = self.ask(&format!("query?query={}", in_url(expression)))?;
        match &data["result"] {
            // A number or a text is one result as it is.
            Value::Array(series) if data["resultType"] == "vector" => Ok(series.clone()),
            result => Ok(vec![result.clone()]),
        }
    }

    /// The alerts that are pending or firing.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        let data = self.ask("alerts")?;
        let alerts = data["alerts"].as_array().cloned();
        alerts.context("Prometheus's answer has no alerts")
    }

    /// The rules of all groups, each with how it was worked out.
    pub fn rules(&self) -> Result<Vec<Value>> {
        let data = self.ask("rules")?;
        let groups = data["groups"].as_array().into_iter().flatten();
        let rules = groups.filter_map(|group| group["rules"].as_array());
        Ok(rules.flatten().cloned().collect())
    }

    fn ask(&self, what: &str) -> Result<Value> {
        let answer = self.get(&format!("/api/v1/{what}"))?;
        let (_, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
        let mut answer: Value = serde_json::from_str(body)
            .with_context(|| format!("Prometheus's answer is no JSON: {body}"))?;
        ensure!(answer["status"] == "success", "{what}: {}", answer["error"]);
        Ok(answer["data"].take())
    }

    /// In HTTP/1.0, whose answers come in one piece.
    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: prometheus\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of the loopback that nobody had a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.local_addr().context("the listener has no address")
}

fn in_url(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_stands_in_a_url() {
        assert_eq!(
            in_url("a{b=\"é\"} > 1"),
            "a%7Bb%3D%22%C3%A9%22%7D%20%3E%201"
        );
    }
}
