//! Where records go, and what happens when it is not there.

use super::alerts::{Small, ask, drop_program};
use super::expect::count;
use super::scene::{PATIENCE, Scene, at, exec};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use testbed::{Agent, Container, Home, Record, Rsyslogd};

pub const LISTED: &str = "  processes:\n    - path: /bin/busybox\n";

pub fn records_arrive_over_udp() -> Result<()> {
    arrive_over("udp")
}

pub fn records_arrive_over_tcp() -> Result<()> {
    arrive_over("tcp")
}

fn arrive_over(protocol: &str) -> Result<()> {
    let scene = Scene::with(Rsyslogd::start_with_network()?)?;
    scene.write_document(LISTED)?;
    let url = scene.rsyslogd.network_url(protocol)?;
    arrive_at(&scene, &url)
}

/// A first record, and the sum of what came again.
pub fn arrive_at(scene: &Scene, url: &str) -> Result<()> {
    let agent = Agent::start(&scene.home, ["--enforce", "--syslog", url])?;
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
    scene.write_document(LISTED)?;
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

/// The numbers of the deviations that came, each once, and those of a loss.
fn numbers(scene: &Scene) -> Result<Vec<u64>> {
    let records = scene.records()?;
    let numbers = records
        .iter()
        .filter_map(|record| record.parameter("execwarden@32473", "number")?.parse().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Runs programs that were never there before, each a deviation of its own.
pub fn deviate(container: &Container, numbers: impl IntoIterator<Item = u64>) -> Result<()> {
    for number in numbers {
        let path = format!("/tmp/intruder-{number}");
        drop_program(container, &path)?;
        exec(container, &[path.as_str()])?;
    }
    Ok(())
}

fn wait_until_queued(agent: &Agent<'_>, count: u64) -> Result<()> {
    agent
        .wait_for("records to wait", PATIENCE, |status| {
            receiver(status)["queued"] == count
        })
        .map(drop)
}

/// What the receiver lacks is on disk, and the next agent goes on with it, in order
/// and under numbers that go on.
pub fn records_outlive_an_agent_that_is_killed() -> Result<()> {
    for protocol in ["unix", "tcp"] {
        let scene = Scene::with(Rsyslogd::start_with_network()?)?;
        scene.write_document(LISTED)?;
        let url = match protocol {
            "unix" => scene.rsyslogd.url(),
            _ => scene.rsyslogd.network_url(protocol)?,
        };
        let start = || Agent::start(&scene.home, ["--enforce", "--syslog", &url]);
        let agent = start()?;
        let container = scene.idle()?;
        deviate(&container, 1..=2)?;
        scene.wait_for_records(&container, 2)?;

        scene.rsyslogd.go_away()?;
        deviate(&container, 3..=7)?;
        wait_until_queued(&agent, 5)?;
        agent.crash()?;
        let agent = start()?;
        deviate(&container, 8..=9)?;
        let status = agent.wait_for("both agents' records to wait", PATIENCE, |status| {
            receiver(status)["queued"].as_u64() >= Some(7)
        })?;
        ensure!(receiver(&status)["spool"]["error"].is_null(), "{status}");
        scene.rsyslogd.come_back()?;
        agent.wait_for("no record to wait", PATIENCE, |status| {
            receiver(status)["queued"] == 0
        })?;

        scene.stop(agent)?;
        let numbers = numbers(&scene)?;
        ensure!(
            numbers == (1..=9).collect::<Vec<u64>>(),
            "{protocol}: {numbers:?}"
        );
    }
    Ok(())
}

/// One that takes everything and reads nothing, and then is gone.
pub fn what_nobody_read_is_sent_again() -> Result<()> {
    let scene = Scene::with(Rsyslogd::start_with_network()?)?;
    scene.write_document(LISTED)?;
    let url = scene.rsyslogd.network_url("tcp")?;
    scene.rsyslogd.go_away()?;
    let address = url.strip_prefix("tcp://").context("tcp")?;
    let deaf = TcpListener::bind(address)?;
    let agent = Agent::start(&scene.home, ["--enforce", "--syslog", &url])?;
    let (connection, _) = deaf.accept()?;
    let container = scene.idle()?;

    deviate(&container, 1..=4)?;
    agent.wait_for("all to be written", PATIENCE, |status| {
        receiver(status)["sent"] == 4 && receiver(status)["queued"] == 0
    })?;
    drop((connection, deaf));
    scene.rsyslogd.come_back()?;
    scene.wait_for_records(&container, 4)?;

    let status = agent.wait_for("it to be said", PATIENCE, |status| {
        receiver(status)["resent"] == 4
    })?;
    ensure!(receiver(&status)["lost"] == 0, "{status}");
    scene.stop(agent)?;
    let numbers = numbers(&scene)?;
    ensure!(numbers == [1, 2, 3, 4], "{numbers:?}");
    Ok(())
}

pub fn a_full_disk_under_a_spool_costs_no_record() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let small = Small::mount(&scene)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.rsyslogd.go_away()?;
    let ballast = small.fill()?;

    deviate(&container, 1..=4)?;
    wait_until_queued(&agent, 4)?;
    let said = |status: &Value| {
        receiver(status)["spool"]["error"]
            .as_str()
            .map(str::to_owned)
    };
    let status = agent.wait_for("the full disk to be told of", PATIENCE, |status| {
        said(status).is_some()
    })?;
    let error = said(&status).unwrap_or_default();
    ensure!(error.contains("No space left"), "{error}");
    fs::remove_file(&ballast)?;
    agent.wait_for("it to be written", PATIENCE, |status| {
        said(status).is_none()
    })?;
    agent.crash()?;
    scene.rsyslogd.come_back()?;
    let agent = scene.agent(&["--enforce"])?;
    scene.wait_for_records(&container, 4)?;

    scene.stop(agent)?;
    let numbers = numbers(&scene)?;
    ensure!(numbers == [1, 2, 3, 4], "{numbers:?}");
    Ok(())
}

/// What the disk had no room for is in the kernel still.
pub fn a_full_disk_and_an_agent_that_is_killed_cost_no_record() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.home = Home::pinning()?;
    scene.write_document(LISTED)?;
    let small = Small::mount(&scene)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    deviate(&container, 1..=2)?;
    scene.wait_for_records(&container, 2)?;
    scene.rsyslogd.go_away()?;
    let ballast = small.fill()?;

    deviate(&container, 3..=6)?;
    wait_until_queued(&agent, 4)?;
    agent.wait_for("the full disk to be told of", PATIENCE, |status| {
        !receiver(status)["spool"]["error"].is_null()
    })?;
    agent.crash()?;
    fs::remove_file(&ballast)?;
    scene.rsyslogd.come_back()?;
    let agent = scene.agent(&["--enforce"])?;
    scene.wait_for_records(&container, 6)?;

    scene.stop(agent)?;
    let records = scene.records()?;
    ensure!(records.len() == 6, "{records:#?}");
    ensure!(records.iter().map(count).sum::<u64>() == 6, "{records:#?}");
    Ok(())
}

/// One that reads nothing, and one that hangs up in the middle of a record: what
/// deviates before the kill, and while there is no agent, is told of once.
pub fn whatever_a_receiver_does_an_agent_that_is_killed_costs_no_record() -> Result<()> {
    for hangs_up in [false, true] {
        let mut scene = Scene::with(Rsyslogd::start_with_network()?)?;
        scene.home = Home::pinning()?;
        scene.write_document(LISTED)?;
        let url = scene.rsyslogd.network_url("tcp")?;
        scene.rsyslogd.go_away()?;
        let address = url.strip_prefix("tcp://").context("tcp")?;
        let receiver = TcpListener::bind(address)?;
        let start = || Agent::start(&scene.home, ["--enforce", "--syslog", &url]);
        let agent = start()?;
        let (mut connection, _) = receiver.accept()?;
        let container = scene.idle()?;

        deviate(&container, 1..=2)?;
        if hangs_up {
            // With what it did not read, that is a reset.
            connection.read_exact(&mut [0; 100])?;
            drop(connection);
            (connection, _) = receiver.accept()?;
        }
        deviate(&container, 3..=4)?;
        scene.wait_for_count(&agent, "deviations", 4)?;
        agent.crash()?;
        deviate(&container, 5..=6)?;
        drop((connection, receiver));
        scene.rsyslogd.come_back()?;
        let agent = start()?;
        scene.wait_for_records(&container, 6)?;

        scene.stop(agent)?;
        let records = scene.records()?;
        let sum: u64 = records.iter().map(count).sum();
        ensure!((records.len(), sum) == (6, 6), "{hangs_up}: {records:#?}");
    }
    Ok(())
}

/// Whatever their filters; and a heartbeat with counts that add up.
pub fn a_test_goes_to_every_target_and_a_heartbeat_too() -> Result<()> {
    let scene = Scene::with(Rsyslogd::start_with_network()?)?;
    scene.write_document(LISTED)?;
    let file = scene.home.state().join("alerts.log");
    let to_file = format!("file:{}#severity=critical&form=ecs", file.display());
    // Nobody listens at the first port.
    let urls = ["tcp://127.0.0.1:1", &scene.rsyslogd.url(), &to_file];
    let targets = urls.iter().flat_map(|url| ["--syslog", *url]);
    let agent = Agent::start(
        &scene.home,
        ["--enforce", "--heartbeat", "2s"]
            .into_iter()
            .chain(targets),
    )?;

    let told = ask(&agent, &["test-alert", "--wait", "3s", "--by", "me"], 1)?;
    ensure!(told.matches("is received").count() == 3, "{told}");
    ensure!(told.contains("waits: Connection refused"), "{told}");
    let is = |record: &Record, kind: &str| {
        record.msgid == kind && record.parameter("execwarden@32473", "kind") == Some(kind)
    };
    let records = scene.rsyslogd.wait_for("both", PATIENCE, |records| {
        ["test", "heartbeat"]
            .iter()
            .all(|kind| records.iter().any(|one| is(one, kind)))
    })?;
    let test = records.iter().find(|one| is(one, "test")).context("it")?;
    let by = test.parameter("execwarden@32473", "by").unwrap_or_default();
    ensure!(by.contains("me") && test.severity == "info", "{test:?}");
    let beat = records
        .iter()
        .find(|one| is(one, "heartbeat"))
        .context("it")?;
    let count = |name: &str| -> Result<u64> {
        let text = beat
            .parameter("execwarden@32473", name)
            .context("a count")?;
        Ok(text.parse()?)
    };
    let parts = ["known", "learning", "deviating", "ignored", "errors"];
    let sum: u64 = parts.iter().map(|name| count(name)).sum::<Result<u64>>()?;
    ensure!(count("seen")? == sum, "{}", beat.raw);
    let text = fs::read_to_string(&file)?;
    let first: Value = serde_json::from_str(text.lines().next().context("a line")?)?;
    ensure!(first["event"]["code"] == "test", "{first}");
    agent.stop().map(drop)
}

/// The first target, as the status has it.
pub fn receiver(status: &Value) -> &Value {
    &status["sinks"][0]
}
