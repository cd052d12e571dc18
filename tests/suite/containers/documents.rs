//! Documents that change while the agent runs.

use super::alerts::ask;
use super::scene::{PATIENCE, Scene, at, exec};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
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

pub fn an_allowlist_without_a_container_is_listed() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(TWO)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let listed = || -> Result<Value> {
        let list = ask(&agent, &["allowlist", "list", "--json"], 0)?;
        let list: Value = serde_json::from_str(&list)?;
        let rows = list.as_array().map_or(0, Vec::len);
        ensure!(rows == 1, "{list:#}");
        Ok(list[0].clone())
    };
    let status = scene.wait_for_count(&agent, "containers", 1)?;
    let with = listed()?;
    ensure!(status["idle_allowlists"] == 0 && with["containers"] == 1);

    drop(container);
    agent.wait_for("it to be without one", PATIENCE, |status| {
        status["idle_allowlists"] == 1 && scene.of_status(status).is_none()
    })?;

    let without = listed()?;
    let same = ["workload", "mode", "processes", "source"];
    ensure!(
        same.iter().all(|field| with[field] == without[field]),
        "{without:#}"
    );
    ensure!(without["containers"] == 0, "{without:#}");
    let page = ask(&agent, &["status"], 0)?;
    ensure!(
        page.contains("1 with an allowlist and no container now"),
        "{page}"
    );
    scene.finish(agent, &[])
}

fn errors(status: &Value) -> usize {
    status["allowlist_errors"].as_array().map_or(0, Vec::len)
}
