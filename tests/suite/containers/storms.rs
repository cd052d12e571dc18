//! Agents that are killed, or make room for the next one, while very much is executed:
//! each exec is told of once.

use super::alerts::listed;
use super::expect::{count, counted};
use super::scene::{ELEMENT, PATIENCE, Scene, at, shell};
use super::survival::{HELLO, LISTED};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::{Duration, Instant};
use testbed::{Agent, Container, Home, Rsyslogd, patience, unique_name, until};

/// How many upgrades; `cargo xtask upgrades` sets it.
const UPGRADES: &str = "EXECWARDEN_UPGRADES";
/// Execs of a storm, one after the other. A slow machine gets fewer.
const STORM: u64 = 20_000;

fn storm(container: &Container, times: u64) -> Result<()> {
    let ended = container.exec([&at("storm"), &times.to_string(), HELLO])?;
    let well = String::from_utf8_lossy(&ended.stdout);
    ensure!(well.trim() == times.to_string(), "{ended:?}");
    Ok(())
}

/// How many deviations of the workload the history has.
fn in_history(scene: &Scene, agent: &Agent<'_>) -> Result<u64> {
    let rows = listed(scene, agent, &[])?;
    let counts = rows.iter().filter_map(|row| row["count"].as_u64());
    Ok(counts.sum())
}

/// Ends whichever agent is there as often as it is told to, while a storm is on, and
/// holds what was told of it against what ran.
fn agents_come_and_go(
    scene: &Scene,
    stay: Duration,
    end: impl Fn(Agent<'_>) -> Result<()>,
) -> Result<u32> {
    let execs = STORM / u64::from(patience());
    scene.write_document(LISTED)?;
    let mut agent = scene.agent(&["--enforce"])?;
    let before = in_history(scene, &agent)?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "containers", 1)?;
    let mut ended = 0;
    let agent = thread::scope(|scope| -> Result<Agent<'_>> {
        let storm = scope.spawn(|| storm(&container, execs));
        while !storm.is_finished() {
            thread::sleep(stay);
            end(agent)?;
            agent = scene.agent(&["--enforce"])?;
            ended += 1;
        }
        storm.join().expect("it does not panic")?;
        Ok(agent)
    })?;
    // The history has each of them once, too.
    until("the history to have all of it", PATIENCE, || {
        let count = in_history(scene, &agent)? - before;
        ensure!(count <= execs, "the history has {count} of {execs}");
        Ok((count == execs).then_some(()))
    })?;
    scene.finish_with(agent, |records| {
        let told = counted(records, &container, HELLO);
        ensure!(told == execs, "{told} execs of {execs} are told of");
        Ok(())
    })?;
    Ok(ended)
}

pub fn an_agent_that_is_killed_again_and_again_tells_of_every_exec_once() -> Result<()> {
    let scene = Scene::pinning()?;
    let kills = agents_come_and_go(&scene, Duration::from_secs(2), |agent| agent.crash())?;
    ensure!(kills > 2, "only {kills} were killed");
    Ok(())
}

/// Each exec is the first of its kind, so that there is always a record that is not
/// on disk yet; there are two ways to the receiver, which is away for a while. What
/// comes by both is the same, by its number.
pub fn an_agent_that_is_killed_while_it_tells_tells_of_all_of_it_once() -> Result<()> {
    const CONTAINERS: usize = 12;
    const KINDS: u64 = 300;

    let mut scene = Scene::with(Rsyslogd::start_with_network()?)?;
    scene.home = Home::pinning()?;
    for kind in 0..KINDS {
        let script = format!("/app/many/{kind}");
        scene.image.script(&script, &format!("#!{HELLO}\n"))?;
    }
    let names: Vec<String> = (0..CONTAINERS).map(|_| unique_name()).collect();
    for name in &names {
        scene.write_document_of(name, "  processes:\n    - path: /bin/busybox\n")?;
    }
    let tcp = scene.rsyslogd.network_url("tcp")?;
    let flags = ["--enforce", "--alert-burst", "100000", "--syslog", &tcp];
    let start = || scene.agent(&flags);
    let mut agent = start()?;
    let sleeping = |name| scene.container_of(name, &["sleep", "100000"]).run();
    let containers: Vec<Container> = names
        .iter()
        .map(|name| sleeping(name))
        .collect::<Result<_>>()?;
    let mut kills = 0;
    let agent = thread::scope(|scope| -> Result<Agent<'_>> {
        let storm = scope.spawn(|| {
            let run =
                |container| shell(container, "for one in /app/many/*; do $one; done").map(drop);
            containers.iter().try_for_each(run)
        });
        while !storm.is_finished() {
            // Not always at the same moment of the agent's life.
            thread::sleep(Duration::from_millis(150 + 170 * (kills % 7)));
            agent.crash()?;
            match kills {
                1 => scene.rsyslogd.go_away()?,
                3 => scene.rsyslogd.come_back()?,
                _ => {}
            }
            agent = start()?;
            kills += 1;
        }
        storm.join().expect("it does not panic")?;
        Ok(agent)
    })?;

    ensure!(kills > 3, "only {kills} were killed");
    agent.wait_for("all of it to be received", PATIENCE, |status| {
        let sinks = status["sinks"].as_array().into_iter().flatten();
        let settled = status["agent"]["uptime_s"].as_u64() > Some(3);
        settled && { sinks }.all(|sink| sink["queued"] == 0)
    })?;
    scene.finish_with(agent, |records| {
        let mut by_number: BTreeMap<u64, (&str, u64)> = BTreeMap::new();
        for record in records {
            let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
            let told = (field("container"), count(record));
            let before = by_number.insert(field("number").parse()?, told);
            ensure!(before.is_none_or(|before| before == told), "{record:?}");
        }
        for container in &containers {
            let told = by_number.values().filter(|told| told.0 == container.id());
            let told: u64 = told.map(|told| told.1).sum();
            ensure!(
                told == KINDS,
                "{told} execs of {KINDS} are told of, over {kills} kills"
            );
        }
        Ok(())
    })
}

pub fn no_exec_is_missed_or_doubled_by_upgrades() -> Result<()> {
    let asked = env::var(UPGRADES).ok();
    let asked = asked.map_or(Ok(10), |asked| asked.parse::<u32>())?;
    let scene = Scene::pinning()?;
    let mut upgrades = 0;
    let begun = Instant::now();
    while upgrades < asked {
        ensure!(
            begun.elapsed() < Duration::from_secs(600),
            "{upgrades} took too long"
        );
        let stop = |agent: Agent<'_>| agent.stop().map(drop);
        upgrades += agents_come_and_go(&scene, Duration::ZERO, stop)?;
    }
    Ok(())
}
