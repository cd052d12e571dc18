//! Rules in the kernel that somebody else wrote to, or lets nobody write to.

use super::scene::{ELEMENT, PATIENCE, Scene, at, exec};
use crate::meddler::{self, Meddler};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};
use testbed::{Record, intruders};

/// What the documents promise, and what rsyslogd and a busy machine take.
const SOON: Duration = Duration::from_secs(5 + 2);

/// The record of what was done at this time.
fn told_soon(scene: &Scene, begun: Instant) -> Result<Record> {
    let is_told = |record: &&Record| record.msgid == "tampered";
    let records = scene
        .rsyslogd
        .wait_for("it to be told", PATIENCE, |records| {
            records.iter().any(|record| is_told(&record))
        })?;
    ensure!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    records.iter().find(is_told).cloned().context("it")
}

pub fn b37_rules_that_somebody_else_changed_are_put_back() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    let mut meddler = Meddler::new()?;
    let slot = meddler.only_slot()?;
    let begun = Instant::now();
    meddler.add_entry(slot)?;
    meddler.switch_off(slot)?;
    let told = told_soon(&scene, begun)?;
    for (field, expected) in [
        ("workload", scene.workload().as_str()),
        ("rules_added", "1"),
        ("rules_removed", "0"),
        ("rules_changed", "1"),
    ] {
        let found = told.parameter(ELEMENT, field);
        ensure!(found == Some(expected), "{field}: {}", told.raw);
    }
    ensure!(told.severity == "crit", "{}", told.raw);

    // It is held to its allowlist as before.
    exec(&container, &[&at("hello")])?;
    scene.wait_for_records(&container, 2)?;
    let status = agent.status()?;
    ensure!(scene.of_status(&status).context("it")?["mode"] == "enforce");
    scene.finish_with(agent, |records| {
        let of = |reason: &str| records.iter().filter(|one| one.msgid == reason).count();
        ensure!((of("tampered"), of("unlisted")) == (1, 2), "{records:#?}");
        Ok(())
    })
}

pub fn b28_a_map_that_somebody_froze_is_told_of_and_the_next_agent_has_another() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    let frozen = meddler::id_of("ALLOW")?;
    let begun = Instant::now();
    let freeze = Command::new(intruders::build("freeze")?)
        .arg(frozen.to_string())
        .output()?;
    ensure!(freeze.status.success(), "{freeze:?}");
    let told = told_soon(&scene, begun)?;
    ensure!(told.message.contains("froze a map"), "{}", told.raw);
    ensure!(told.severity == "crit", "{}", told.raw);

    // The rules are as they were.
    exec(&container, &["true"])?;
    exec(&container, &[&at("hello")])?;
    scene.wait_for_records(&container, 2)?;
    agent.stop()?;
    let agent = scene.agent(&["--enforce"])?;
    ensure!(meddler::id_of("ALLOW")? != frozen);
    exec(&container, &["true"])?;
    // That of the map is no workload's.
    scene.finish_with(agent, |records| {
        let unlisted = records.iter().filter(|one| one.msgid == "unlisted");
        ensure!(unlisted.count() == 2 && records.len() == 2, "{records:#?}");
        Ok(())
    })
}
