//! When learning ends, what it never takes in, and what follows from a new image.

use super::pods;
use super::scene::{ELEMENT, PATIENCE, Scene, at, exec, shell, window, workload_in};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Agent, Record, unique_name};

/// A start that is asked for ends it, and so does nothing else.
pub fn it_ends_when_time_quiet_and_starts_hold() -> Result<()> {
    let scene = Scene::new()?;
    let (time, quiet) = (window(3), window(2));
    let agent = scene.agent(&[
        "--automatic",
        &time,
        "--learn-quiet",
        &quiet,
        "--learn-starts",
        "2",
        "--learn-max",
        "1h",
    ])?;
    let first = scene.idle()?;
    exec(&first, &["/app/worker"])?;

    // Time and quiet hold, and it goes on.
    let waits = agent.wait_for("all but a start", PATIENCE, |status| {
        let Some(learning) = learning(&scene, status) else {
            return false;
        };
        let number = |name: &str| learning[name].as_u64().unwrap_or(0);
        number("unbroken_s") > number("window_s") && number("quiet_s") > number("quiet_asked_s")
    })?;
    ensure!(state(&scene, &waits) == "learning", "{waits:#}");
    let told = learning(&scene, &waits).context("it learns")?;
    ensure!(told["starts"] == 1 && told["starts_asked"] == 2, "{told:#}");
    let second = scene.idle()?;
    wait_for_state(&agent, &scene, "enforcing")?;

    exec(&second, &["/app/worker"])?;
    exec(&second, &[&at("hello")])?;
    let document = scene.learned()?;
    ensure!(document.contains("complete: true"), "{document}");
    ensure!(document.contains("endedBecause: complete"), "{document}");
    let log = agent.log();
    ensure!(
        log.contains("from=\"learning\" to=\"enforcing\""),
        "the change is not told: {log}"
    );
    scene.finish(
        agent,
        &[(&first, &[]), (&second, &["unlisted /opt/intruders/hello"])],
    )
}

/// The first of its containers ran before the agent, and no other came.
pub fn what_was_never_seen_to_start_is_incomplete_until_a_person_lets_it_learn_on() -> Result<()> {
    let scene = Scene::new()?;
    let old = scene.idle()?;
    let agent = scene.agent(&["--automatic", &window(1)])?;

    scene.wait_for_mode(&agent, "enforce")?;
    let found = wait_for_state(&agent, &scene, "incomplete")?;
    let workload = scene.of_status(&found).context("the workload")?;
    let told = workload["shortcomings"].to_string();
    ensure!(
        workload["mode"] == "enforce" && told.contains("restart one of its containers"),
        "{workload:#}"
    );
    let document = scene.learned()?;
    ensure!(document.contains("complete: false"), "{document}");

    let extended = agent.ask(&["extend", &scene.workload(), "--for", &window(3)])?;
    let said = String::from_utf8_lossy(&extended.stdout);
    ensure!(
        extended.status.success() && said.contains("learns on, for"),
        "{extended:?}"
    );
    scene.wait_for_mode(&agent, "learn")?;
    let new = scene.idle()?;
    exec(&new, &["/app/worker"])?;
    wait_for_state(&agent, &scene, "enforcing")?;
    exec(&old, &["/app/worker"])?;
    exec(&new, &[&at("hello")])?;

    let document = scene.learned()?;
    ensure!(document.contains("complete: true"), "{document}");
    let none = agent.ask(&["extend", "runc/none"])?;
    ensure!(none.status.code() == Some(1), "{none:?}");
    scene.finish(
        agent,
        &[(&old, &[]), (&new, &["unlisted /opt/intruders/hello"])],
    )
}

pub fn a_person_may_be_the_one_who_ends_it() -> Result<()> {
    let scene = Scene::new()?;
    let (time, quiet) = (window(1), window(4));
    let agent = scene.agent(&[
        "--automatic",
        &time,
        "--learn-quiet",
        &quiet,
        "--promotion",
        "by-hand",
    ])?;
    let container = scene.idle()?;

    let stable = wait_for_state(&agent, &scene, "stable")?;
    let workload = scene.of_status(&stable).context("the workload")?;
    ensure!(workload["mode"] == "learn", "{workload:#}");
    exec(&container, &["/app/worker"])?;
    wait_for_state(&agent, &scene, "learning")?;
    wait_for_state(&agent, &scene, "stable")?;

    scene.finish(agent, &[(&container, &[])])
}

/// Everything an attacker may leave behind while it learns is told at once, is not
/// in what was learned, and is told again afterwards.
pub fn b23_what_attacks_while_it_learns_is_not_learned() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", &window(6)])?;
    let container = scene
        .container(&["sleep", "1000"])
        .tmpfs("/shared")
        .tmpfs("/own")
        .run()?;

    shell(&container, "chmod 1777 /shared && chmod 755 /own")?;
    shell(&container, "cp /app/worker /tmp/dropped")?;
    shell(&container, "cp /app/worker /shared/left")?;
    shell(&container, "cp /app/worker /own/unpacked")?;
    shell(
        &container,
        "printf '#!/bin/sh\\n' > /shared/job.sh; chmod +x /shared/job.sh",
    )?;
    let attack = || -> Result<()> {
        exec(&container, &["/tmp/dropped"])?;
        exec(&container, &["/shared/left"])?;
        exec(&container, &["/shared/job.sh"])?;
        exec(&container, &[&at("memfd"), "x", "/app/worker", "x"])?;
        Ok(())
    };
    attack()?;
    exec(&container, &["/own/unpacked"])?;
    scene.wait_for_records(&container, 4)?;
    let status = agent.status()?;
    let workload = scene.of_status(&status).context("the workload")?;
    ensure!(
        workload["state"] == "learning" && workload["pending"] == 4,
        "{workload:#}"
    );
    wait_for_state(&agent, &scene, "enforcing")?;
    let document = scene.learned()?;
    let (learned, pending) = document
        .split_once("pendingReview:")
        .context("what is held is told")?;
    for path in ["/tmp/dropped", "/shared/left", "/shared/job.sh"] {
        let entry = format!("path: {path}\n");
        ensure!(!learned.contains(&entry), "{path} was learned: {document}");
        ensure!(pending.contains(path), "{path} is not held: {document}");
    }
    ensure!(pending.contains("memfd:x"), "{document}");
    ensure!(learned.contains("path: /own/unpacked"), "{document}");

    attack()?;
    scene.finish_with(agent, |records| {
        let count = |brief: &str| {
            let of = |record: &&Record| super::expect::brief(record) == brief;
            records.iter().filter(of).count()
        };
        for brief in [
            "drift /tmp/dropped",
            "unlisted /shared/left",
            "unlisted /shared/job.sh",
        ] {
            ensure!(count(brief) > 0, "{brief}: {records:#?}");
        }
        let told_of = |path: &str| {
            let mut records = records.iter();
            records.any(|record| super::expect::brief(record).contains(path))
        };
        ensure!(!told_of("/own/unpacked"), "{records:#?}");
        Ok(())
    })
}

/// What a new image runs is one notice; what may never be learned is told at once,
/// and so is everything in containers of the old image.
pub fn a_new_image_is_one_notice() -> Result<()> {
    const NEW: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    let scene = Scene::new()?;
    let pod = pods::Pod::new()?;
    let ids = [unique_name(), unique_name()];
    let mut runtime = pod.with_containers(&[&ids[0], &ids[1]]);
    NEW.clone_into(&mut runtime.containers[1].image_ref);
    let runtime = pod.listen(runtime)?;
    let socket = pod.socket().display().to_string();
    let time = window(2);
    let probation = window(8);
    let agent = scene.agent(&[
        "--automatic",
        &time,
        "--probation",
        &probation,
        "--cri",
        &socket,
    ])?;

    let old = pod.container(&scene, &ids[0], &["sleep", "1000"])?;
    exec(&old, &["/app/worker"])?;
    wait_for_state_of(&agent, &pod.workload(), "enforcing")?;
    let new = pod.container(&scene, &ids[1], &["sleep", "1000"])?;
    wait_for_state_of(&agent, &pod.workload(), "probation")?;
    exec(&new, &["/app/worker"])?;
    for _ in 0..3 {
        exec(&new, &[&at("hello")])?;
    }
    exec(&old, &[&at("hello")])?;
    shell(&new, "cp /app/worker /tmp/dropped")?;
    exec(&new, &["/tmp/dropped"])?;
    scene.wait_for_records(&old, 1)?;
    wait_for_state_of(&agent, &pod.workload(), "enforcing")?;
    exec(&old, &[&at("hello")])?;
    exec(&new, &[&at("argv0"), "path", "x", "/app/worker"])?;
    scene.wait_for_records(&new, 2)?;

    scene.finish_with(agent, |records| {
        let notices: Vec<&Record> = { records.iter() }
            .filter(|record| record.parameter(ELEMENT, "notice") == Some("probation"))
            .collect();
        let [notice] = notices[..] else {
            anyhow::bail!("{} notices: {records:#?}", notices.len());
        };
        for (field, expected) in [
            ("kind", "notice"),
            ("new_images", NEW),
            ("workload", &pod.workload()),
        ] {
            ensure!(
                notice.parameter(ELEMENT, field) == Some(expected),
                "{notice:?}"
            );
        }
        let paths = notice.parameter(ELEMENT, "new_paths").unwrap_or_default();
        ensure!(paths.contains("/opt/intruders/hello"), "{notice:?}");
        let of = |container| {
            let of_it = records
                .iter()
                .filter(move |r| super::expect::is_of(r, container));
            of_it.map(super::expect::brief).collect::<Vec<_>>()
        };
        ensure!(
            of(&old) == ["unlisted /opt/intruders/hello"],
            "{:?}",
            of(&old)
        );
        let of_new = of(&new);
        ensure!(
            of_new.iter().any(|brief| brief == "drift /tmp/dropped")
                && !of_new.iter().any(|brief| brief.ends_with("/hello")),
            "{of_new:?}"
        );
        Ok(())
    })?;
    runtime.abort();
    Ok(())
}

fn learning<'v>(scene: &Scene, status: &'v Value) -> Option<&'v Value> {
    let learning = &scene.of_status(status)?["learning"];
    (!learning.is_null()).then_some(learning)
}

fn state<'v>(scene: &Scene, status: &'v Value) -> &'v str {
    let workload = scene.of_status(status);
    workload
        .and_then(|found| found["state"].as_str())
        .unwrap_or_default()
}

fn wait_for_state(agent: &Agent<'_>, scene: &Scene, state: &str) -> Result<Value> {
    wait_for_state_of(agent, &scene.workload(), state)
}

fn wait_for_state_of(agent: &Agent<'_>, workload: &str, state: &str) -> Result<Value> {
    agent.wait_for(&format!("the state {state}"), PATIENCE, |status| {
        workload_in(status, workload).is_some_and(|found| found["state"] == state)
    })
}
