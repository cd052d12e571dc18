//! A workload that may run anything for a time, on record.

use super::alerts::{alert_about, ask, drop_program};
use super::decisions::journal;
use super::scene::{ELEMENT, PATIENCE, Scene, at, exec, shell};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Duration;
use testbed::node::CGROUP_ROOT;
use testbed::{Agent, Record};

const LISTED: &str = "  processes:\n    - path: /bin/busybox\n";

/// The records that are no deviations, by their kind.
fn notices<'r>(records: &'r [Record], msgid: &str) -> Vec<&'r Record> {
    records
        .iter()
        .filter(|record| record.msgid == msgid)
        .collect()
}

fn of(record: &Record, field: &str) -> String {
    record.parameter(ELEMENT, field).unwrap_or("-").to_owned()
}

fn allow(agent: &Agent<'_>, scene: &Scene, rest: &[&str]) -> Result<String> {
    let workload = scene.workload();
    let args = [&["allow", "--yes", "--workload", &workload], rest].concat();
    ask(agent, &args, 0)
}

pub fn what_a_workload_may_run_for_a_time_is_counted_and_not_reported() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene
        .container(&["sleep", "1000"])
        .volume(Path::new(CGROUP_ROOT), "/host")
        .run()?;
    exec(&container, &[&at("hello")])?;
    alert_about(&scene, &agent, &at("hello"))?;

    allow(&agent, &scene, &["--for", "30m", "--reason", "a fix"])?;
    drop_program(&container, "/tmp/dropped")?;
    for _ in 0..3 {
        exec(&container, &[&at("hello")])?;
        exec(&container, &["/tmp/dropped"])?;
    }
    // A way out is none of it.
    shell(&container, "echo $$ > /host/cgroup.procs; :")?;
    alert_about(&scene, &agent, "-")?;
    // What passed is written once a second.
    let age = |status: &serde_json::Value| status["agent"]["uptime_s"].as_u64();
    let then = age(&agent.status()?).context("an age")?;
    agent.wait_for("it to be written", PATIENCE, |status| {
        age(status) >= Some(then + 3)
    })?;
    let status = ask(&agent, &["status"], 0)?;
    ensure!(status.contains("may run anything until"), "{status}");

    // It goes on after a crash, and ends when it is told to.
    agent.crash()?;
    let agent = scene.agent(&["--enforce"])?;
    scene.wait_for_mode(&agent, "enforce")?;
    exec(&container, &["/tmp/dropped"])?;
    exec(&container, &["/app/worker"])?;
    allow(&agent, &scene, &["--end"])?;
    exec(&container, &["/tmp/dropped"])?;
    alert_about(&scene, &agent, "/tmp/dropped")?;

    let journal = journal(&agent)?;
    ensure!(
        journal.len() == 2 && journal[1]["what"] == "allow-ended",
        "{journal:#?}"
    );
    scene.finish_with(agent, |records| {
        let begun = notices(records, "allowed");
        let ended = notices(records, "allow-ended");
        ensure!(begun.len() == 1 && ended.len() == 1, "{records:#?}");
        ensure!(
            of(begun[0], "why") == "a fix" && of(begun[0], "by").starts_with("root"),
            "{begun:#?}"
        );
        // Three of each before the crash, two after it.
        ensure!(
            of(ended[0], "count") == "8" && of(ended[0], "executables") == "3",
            "{ended:#?}"
        );
        let reported = |msgid| notices(records, msgid).len();
        ensure!(
            reported("unlisted") == 1 && reported("drift") == 1,
            "{records:#?}"
        );
        ensure!(reported("escaped") >= 1, "{records:#?}");
        Ok(())
    })
}

pub fn an_allowance_ends_on_time_also_while_there_is_no_agent() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    // By itself …
    allow(&agent, &scene, &["--for", "5s"])?;
    exec(&container, &[&at("hello")])?;
    let ended = |count: usize| {
        scene.rsyslogd.wait_for("the end", PATIENCE, |records| {
            notices(records, "allow-ended").len() >= count
        })
    };
    ended(1)?;
    exec(&container, &[&at("hello")])?;
    alert_about(&scene, &agent, &at("hello"))?;

    // … and by the next agent.
    allow(&agent, &scene, &["--for", "5s"])?;
    let begun = std::time::Instant::now();
    agent.crash()?;
    testbed::until("the time to be over", PATIENCE, || {
        Ok((begun.elapsed() > Duration::from_secs(5)).then_some(()))
    })?;
    let agent = scene.agent(&["--enforce"])?;
    ended(2)?;
    scene.wait_for_mode(&agent, "enforce")?;
    exec(&container, &["/app/worker"])?;
    alert_about(&scene, &agent, "/app/worker")?;

    let workload = scene.workload();
    ask(
        &agent,
        &["allow", "--workload", &workload, "--for", "25h", "--yes"],
        2,
    )?;
    ask(
        &agent,
        &["allow", "--workload", &workload, "--end", "--yes"],
        1,
    )?;
    scene.finish_with(agent, |records| {
        let ended = notices(records, "allow-ended");
        ensure!(
            of(ended[0], "count") == "1" && of(ended[1], "count") == "0",
            "{ended:#?}"
        );
        ensure!(notices(records, "unlisted").len() == 2, "{records:#?}");
        Ok(())
    })
}

pub fn what_runs_in_an_allowance_is_not_learned() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 1)?;

    allow(&agent, &scene, &["--for", "30m"])?;
    exec(&container, &["/app/worker"])?;
    allow(&agent, &scene, &["--end"])?;
    exec(&container, &[&at("hello")])?;
    scene.wait_for_count(&agent, "processes", 2)?;
    let shown = ask(&agent, &["allowlist", "show", &scene.workload()], 0)?;
    ensure!(
        shown.contains("hello") && !shown.contains("worker"),
        "{shown}"
    );
    // What it does of its own accord, it does again.
    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "processes", 3)?;

    scene.finish_with(agent, |records| {
        let ended = notices(records, "allow-ended");
        ensure!(
            ended.len() == 1 && of(ended[0], "count") == "1",
            "{records:#?}"
        );
        ensure!(records.len() == 2, "{records:#?}");
        Ok(())
    })
}
