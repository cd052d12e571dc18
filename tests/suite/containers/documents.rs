//! Documents that change while the agent runs.

use super::scene::{PATIENCE, Scene, at, exec};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use testbed::Agent;

const ONE: &str = "  processes:\n    - path: /bin/busybox\n";
const TWO: &str = "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n";

pub fn a_changed_document_is_applied() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(ONE)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 1)?;

    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "deviations", 1)?;
    scene.write_document(TWO)?;
    scene.wait_for_count(&agent, "processes", 2)?;
    exec(&container, &["/app/worker"])?;
    scene.write_document(ONE)?;
    scene.wait_for_count(&agent, "processes", 1)?;
    exec(&container, &["/app/worker"])?;

    let record = "unlisted /app/worker";
    scene.finish(agent, &[(&container, &[record, record])])
}

pub fn a_broken_document_changes_nothing_and_is_named() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(TWO)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 2)?;

    scene.write_document("  processes:\n    - path: /bin/busybox\n    - pth: /app/worker\n")?;
    let status = agent.wait_for("the error", PATIENCE, |status| errors(status) == 1)?;
    exec(&container, &["/app/worker"])?;
    exec(&container, &[&at("hello")])?;
    let error = status["allowlist_errors"][0].as_str().unwrap_or_default();
    ensure!(
        error.contains(".yaml:8:7: ") && error.contains("pth"),
        "the error names no place: {error}"
    );
    ensure!(
        agent.log().contains(error),
        "{error} is not in {}",
        agent.log()
    );

    scene.write_document(TWO)?;
    agent.wait_for("no error", PATIENCE, |status| errors(status) == 0)?;
    scene.finish(agent, &[(&container, &["unlisted /opt/intruders/hello"])])
}

/// As a ConfigMap does it: the files are links through `..data`, and an update
/// swaps that one link.
pub fn a_swapped_folder_is_applied() -> Result<()> {
    let scene = Scene::new()?;
    let folder = scene.home.allowlists();
    let name = scene.document_name();
    let publish = |version: &str, text: &str| -> Result<()> {
        fs::create_dir(folder.join(version))?;
        fs::write(folder.join(version).join(&name), text)?;
        symlink(version, folder.join("..next"))?;
        fs::rename(folder.join("..next"), folder.join("..data")).context("cannot swap the link")
    };
    publish("..1", &scene.document(ONE))?;
    symlink(format!("..data/{name}"), folder.join(&name))?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 1)?;

    publish("..2", &scene.document(TWO))?;
    scene.wait_for_count(&agent, "processes", 2)?;
    exec(&container, &["/app/worker"])?;

    scene.finish(agent, &[])
}

pub fn sighup_reads_everything_again() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(ONE)?;
    let agent = scene.agent(&["--enforce"])?;
    let reads = |agent: &Agent<'_>| agent.log().matches("allowlists read").count();
    let before = reads(&agent);

    agent.reload()?;

    agent.wait_for("the documents to be read again", PATIENCE, |_| {
        reads(&agent) > before
    })?;
    scene.finish(agent, &[])
}

fn errors(status: &serde_json::Value) -> usize {
    status["allowlist_errors"].as_array().map_or(0, Vec::len)
}

/// Waits until the workload is held to that many entries.
fn listed(scene: &Scene, agent: &Agent<'_>, entries: u64) -> Result<()> {
    agent
        .wait_for(&format!("{entries} entries"), PATIENCE, |status| {
            scene
                .of_status(status)
                .is_some_and(|workload| workload["processes"] == entries)
        })
        .map(drop)
}

fn wait_for_deviations(scene: &Scene, agent: &Agent<'_>, count: u64) -> Result<()> {
    agent
        .wait_for(&format!("{count} deviations"), PATIENCE, |status| {
            scene
                .of_status(status)
                .is_some_and(|workload| workload["deviations"] == count)
        })
        .map(drop)
}
