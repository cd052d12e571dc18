//! A node on which what deviates is stopped: pods start all the same.

use super::driver::Driver;
use super::node::{IMAGE, Node};
use crate::containers::scene::{ELEMENT, PATIENCE, at};
use anyhow::{Result, ensure};
use std::fs;

/// Pods, and how many containers each has, one after the other.
const PODS: [&str; 5] = ["x7k2b", "x7k2c", "x7k2d", "x7k2f", "x7k2g"];
const CONTAINERS: u32 = 20;

pub fn a_hundred_containers_start_and_an_intruder_does_not() -> Result<()> {
    let node = Node::new(Driver::Cgroupfs)?;
    let name = &node.name;
    fs::write(
        node.scene.home.allowlists().join("pod.yaml"),
        format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: {name} }}\nspec:\n  workload: {{ namespace: shop, \
             kind: Deployment, name: {name}, container: api }}\n  processes:\n    \
             - path: /app/worker\n    - path: /bin/busybox\n    \
             - {{ path: /app/job.sh, interpreter: /bin/busybox }}\n"
        ),
    )?;
    let agent = node
        .scene
        .agent(&["--automatic", "1h", "--action", "block"])?;
    let blocked = || -> Result<u64> {
        let counts = &agent.status()?["accounting"];
        Ok(counts["blocked"].as_u64().unwrap_or(u64::MAX))
    };

    for suffix in PODS {
        let pod = node.kubelet.run(node.replica(suffix))?;
        for attempt in 0..CONTAINERS {
            let args = match attempt % 2 {
                0 => ["/app/worker"],
                _ => ["/app/job.sh"],
            };
            let id = node
                .kubelet
                .start_again(&pod, "api", IMAGE, &args, attempt)?;
            let status = node.kubelet.wait(&id)?;
            ensure!(status == 0, "{suffix}, {attempt}: it ended with {status}");
        }
        // A probe that runs a command, listed or not.
        let id = node
            .kubelet
            .start_again(&pod, "api", IMAGE, &["sleep", "1000"], CONTAINERS)?;
        let probe = node.kubelet.probe(&id, &["/app/worker"])?;
        ensure!(probe.exit_code == 0, "{probe:?}");
        node.kubelet.stop(&pod)?;
    }
    ensure!(blocked()? == 0, "{} were stopped", blocked()?);

    let pod = node.kubelet.run(node.replica("x7k2h"))?;
    let id = node
        .kubelet
        .start(&pod, "api", IMAGE, &[&at("spellings"), "/app/worker"])?;
    ensure!(node.kubelet.wait(&id)? != 0, "an intruder ran to its end");
    node.scene
        .rsyslogd
        .wait_for("the intruder's record", PATIENCE, |records| {
            records.iter().any(|record| {
                let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
                field("container") == id && ["blocked", "ended"].contains(&field("action"))
            })
        })?;
    node.scene.finish_with(agent, |records| {
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}
