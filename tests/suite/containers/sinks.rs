//! Where records go, and what happens when it is not there.

use super::scene::{PATIENCE, Scene, at, exec};
use anyhow::Result;
use serde_json::Value;
use testbed::{Agent, Rsyslogd};

pub fn records_arrive_over_udp() -> Result<()> {
    arrive_over("udp")
}

pub fn records_arrive_over_tcp() -> Result<()> {
    arrive_over("tcp")
}

fn arrive_over(protocol: &str) -> Result<()> {
    let scene = Scene::with(Rsyslogd::start_with_network()?)?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let url = scene.rsyslogd.network_url(protocol)?;
    let agent = Agent::start(&scene.home, ["--enforce", "--syslog", &url])?;

    let container = scene.idle()?;
    for _ in 0..3 {
        exec(&container, &["/app/worker"])?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /app/worker", "unlisted /app/worker +2"],
        )],
    )
}

pub fn records_wait_for_a_receiver_that_went_away() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    agent.wait_for("the first record to be sent", PATIENCE, |status| {
        receiver(status)["sent"].as_u64() > Some(0)
    })?;

    scene.rsyslogd.go_away()?;
    exec(&container, &[&at("hello")])?;
    agent.wait_for("a record to wait", PATIENCE, |status| {
        receiver(status)["queued"].as_u64() > Some(0) && receiver(status)["state"] != "connected"
    })?;
    scene.rsyslogd.come_back()?;
    agent.wait_for("no record to wait", PATIENCE, |status| {
        receiver(status)["queued"] == 0 && receiver(status)["state"] == "connected"
    })?;

    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /app/worker", "unlisted /opt/intruders/hello"],
        )],
    )
}

fn receiver(status: &Value) -> &Value {
    &status["sinks"][0]
}
