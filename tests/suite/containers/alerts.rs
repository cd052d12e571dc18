//! Alerts that the agent keeps, and what it says of one.

use super::scene::{PATIENCE, Scene, at, exec, shell};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use testbed::{Agent, Container};

const LISTED: &str = "  processes:\n    - path: /bin/busybox\n";

/// What `alerts --json` lists of the scene's workload, with these flags: a
/// machine has others.
pub fn listed(scene: &Scene, agent: &Agent<'_>, flags: &[&str]) -> Result<Vec<Value>> {
    let workload = scene.workload();
    let args = [&["alerts", "--json", "--workload", &workload], flags].concat();
    let output = agent.ask(&args)?;
    ensure!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("`alerts --json` is no JSON")
}

/// Waits for the alert about a path, and gives its row.
pub fn alert_about(scene: &Scene, agent: &Agent<'_>, path: &str) -> Result<Value> {
    testbed::until(&format!("an alert about {path}"), PATIENCE, || {
        let rows = listed(scene, agent, &[])?;
        Ok(rows.into_iter().find(|row| row["path"] == path))
    })
}

/// Copies a program of the image into the writable layer, where it drifted.
pub fn drop_program(container: &Container, path: &str) -> Result<()> {
    shell(container, &format!("cp /app/worker {path}")).map(drop)
}

/// Runs a command against the agent that has to end so; gives what it printed
/// on both ways.
pub fn ask(agent: &Agent<'_>, args: &[&str], expected: i32) -> Result<String> {
    let output: Output = agent.ask(args)?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(
        output.status.code() == Some(expected),
        "{args:?} ended with {}, not {expected}: {text}",
        output.status
    );
    Ok(text)
}

pub fn alerts_are_kept_and_explained() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &[&at("hello")])?;
    alert_about(&scene, &agent, &at("hello"))?;
    drop_program(&container, "/tmp/dropped")?;
    exec(&container, &["/tmp/dropped"])?;
    let row = alert_about(&scene, &agent, "/tmp/dropped")?;

    let paths = |flags: &[&str]| -> Result<Vec<String>> {
        let rows = listed(&scene, &agent, flags)?;
        let paths = rows.iter().filter_map(|row| row["path"].as_str());
        Ok(paths.map(str::to_owned).collect())
    };
    let both = [at("hello"), "/tmp/dropped".to_owned()];
    ensure!(paths(&[])? == both, "the newest is last");
    ensure!(paths(&["--since", "1h"])? == both);
    ensure!(paths(&["--reason", "drift"])? == ["/tmp/dropped"]);
    let others = ask(&agent, &["alerts", "--workload", "runc/other"], 0)?;
    ensure!(others == "There is no such alert.\n", "{others}");
    let page = ask(&agent, &["alerts"], 0)?;
    ensure!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );

    let id = row["id"].as_str().context("an id")?;
    let why = ask(&agent, &["why", &id[..8]], 0)?;
    for expected in [
        "/tmp/dropped (layer upper)",
        container.id(),
        "runc",
        "started by",
        "how often",
        &format!("execwarden accept {id}"),
        "- path: /tmp/dropped",
        "layer: upper",
    ] {
        ensure!(why.contains(expected), "{expected} is not in:\n{why}");
    }
    let json: Value = serde_json::from_str(&ask(&agent, &["why", id, "--json"], 0)?)?;
    let mut sent = agent.alerts()?;
    for alert in &mut sent {
        // Its place among those of one target is none of the alert itself.
        if let Some(own) = alert["execwarden"].as_object_mut() {
            own.remove("sequence");
        }
    }
    ensure!(
        sent.contains(&json["alert"]),
        "not as it was sent: {json:#}"
    );
    ask(&agent, &["why", "0000000000000000"], 1)?;
    ask(&agent, &["why", "no-id"], 2)?;
    ask(&agent, &["alerts", "--reason", "odd"], 2)?;

    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /opt/intruders/hello", "drift /tmp/dropped"],
        )],
    )
}

/// Up to the last second: what was written stays, and is counted on.
pub fn alerts_survive_a_crash() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &[&at("hello")])?;
    let before = alert_about(&scene, &agent, &at("hello"))?;

    agent.crash()?;
    let agent = scene.agent(&["--enforce"])?;
    scene.wait_for_mode(&agent, "enforce")?;
    exec(&container, &[&at("hello")])?;
    testbed::until("the second to be counted", PATIENCE, || {
        let row = alert_about(&scene, &agent, &at("hello"))?;
        Ok((row["count"] == 2).then_some(()))
    })?;

    let rows = listed(&scene, &agent, &[])?;
    ensure!(rows.len() == 1, "{rows:#?}");
    ensure!(rows[0]["id"] == before["id"] && rows[0]["first"] == before["first"]);
    let record = "unlisted /opt/intruders/hello";
    scene.finish(agent, &[(&container, &[record, record])])
}

/// A state folder of a small file system of its own.
pub struct Small<'a>(&'a Scene);

impl<'a> Small<'a> {
    /// Mounts it; an agent of the scene has it from then on.
    pub fn mount(scene: &'a Scene) -> Result<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "state"])
            .arg(scene.home.state())
            .status()?;
        ensure!(mounted.success(), "cannot mount a tmpfs: {mounted}");
        Ok(Self(scene))
    }

    /// Fills it until not even one byte more fits; the file makes room again when it
    /// is removed.
    pub fn fill(&self) -> Result<PathBuf> {
        let ballast = self.0.home.state().join("ballast");
        let filled = fs::write(&ballast, vec![1; 8 << 20]);
        ensure!(filled.is_err(), "the file system is not small");
        Ok(ballast)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.home.state())
            .status();
    }
}

pub fn a_full_disk_costs_no_alert() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let small = Small::mount(&scene)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let ballast = small.fill()?;

    for number in 0..40 {
        // Enough of them to need room in the file.
        let path = format!("/tmp/{number}-{}", "x".repeat(200));
        drop_program(&container, &path)?;
        exec(&container, &[path.as_str()])?;
    }
    agent.wait_for("the full disk to be told of", PATIENCE, |_| {
        agent
            .log()
            .contains("the history of alerts cannot be written")
    })?;
    // A decision is taken whole or not at all.
    let workload = scene.workload();
    let remove = ["allowlist", "remove", &workload, "/app/worker", "--yes"];
    let refused = ask(&agent, &remove, 2)?;
    ensure!(refused.contains("decided"), "{refused}");
    fs::remove_file(&ballast)?;
    agent.wait_for("all of it to be written", PATIENCE, |_| {
        let again = "the history of alerts is written again";
        agent.log().contains(again)
    })?;
    let rows = listed(&scene, &agent, &[])?.len();
    ensure!(rows == 40, "{rows} alerts are kept");
    ensure!(ask(&agent, &["log"], 0)? == "Nothing was decided.\n");
    ask(&agent, &remove, 0)?;

    scene.finish_with(agent, |records| {
        ensure!(records.len() == 40, "{} records came", records.len());
        Ok(())
    })
}
