//! The operator's word about a workload's mode.

use super::alerts::{alert_about, ask};
use super::decisions::journal;
use super::pods::Pod;
use super::scene::{PATIENCE, Scene, at, exec, until_known, workload_in};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::unique_name;

pub fn a_workload_is_enforced_when_the_operator_says_so() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    let container = scene.idle()?;
    let workload = scene.workload();
    exec(&container, &["/app/worker"])?;
    scene.wait_for_count(&agent, "processes", 2)?;

    let enforce = ["promote", &workload, "--mode", "enforce", "--yes"];
    let shown = ask(&agent, &enforce, 0)?;
    ensure!(
        shown.contains("-   learn") && shown.contains("+   enforce"),
        "{shown}"
    );
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    ensure!(document.contains("endedBecause: by-hand"), "{document}");
    until_known(&agent, || exec(&container, &["/app/worker"]).map(drop))?;
    exec(&container, &[&at("hello")])?;
    alert_about(&scene, &agent, &at("hello"))?;
    ensure!(ask(&agent, &enforce, 0)?.contains("so already"));
    // The operator's word is not undone in passing, nor what was learned given up.
    let refused = ask(&agent, &["extend", &workload], 1)?;
    ensure!(
        refused.contains("mode enforce") && refused.contains("--clear"),
        "{refused}"
    );
    ensure!(scene.learned()? == document, "{}", scene.learned()?);

    // Off, over a crash; and learning anew, which ends as the first time did.
    ask(&agent, &["promote", &workload, "--mode", "off", "--yes"], 0)?;
    agent.crash()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    scene.wait_for_mode(&agent, "off")?;
    ask(
        &agent,
        &["promote", &workload, "--mode", "learn", "--yes"],
        0,
    )?;
    scene.wait_for_mode(&agent, "learn")?;
    exec(&container, &[&at("hello")])?;
    scene.wait_for_count(&agent, "processes", 2)?;
    // How its container started was not seen this time.
    ask(&agent, &enforce, 1)?;
    ask(&agent, &[&enforce[..], &["--even-incomplete"]].concat(), 0)?;
    scene.wait_for_mode(&agent, "enforce")?;
    until_known(&agent, || exec(&container, &[&at("hello")]).map(drop))?;
    ask(&agent, &["promote", &workload, "--clear", "--yes"], 0)?;
    scene.wait_for_mode(&agent, "enforce")?;

    let modes: Vec<String> = journal(&agent)?
        .iter()
        .map(|row| format!("{} {}", row["what"], row["changes"][1]))
        .collect();
    let expected = ["enforce", "off", "learn", "enforce", "as documents say"];
    ensure!(
        modes == expected.map(|mode| format!("\"promote\" \"+ mode: {mode}\"")),
        "{modes:#?}"
    );
    scene.finish(agent, &[(&container, &["unlisted /opt/intruders/hello"])])
}

pub fn what_was_learned_with_gaps_is_enforced_only_as_it_is() -> Result<()> {
    let scene = Scene::new()?;
    let container = scene.idle()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    scene.wait_for_mode(&agent, "learn")?;
    let workload = scene.workload();
    let enforce = ["promote", &workload, "--mode", "enforce", "--yes"];

    let refused = ask(&agent, &enforce, 1)?;
    ensure!(
        refused.contains("already running") && refused.contains("--even-incomplete"),
        "{refused}"
    );
    scene.wait_for_mode(&agent, "learn")?;
    ask(&agent, &[&enforce[..], &["--even-incomplete"]].concat(), 0)?;
    scene.wait_for_mode(&agent, "enforce")?;

    drop(container);
    scene.finish_with(agent, |_| Ok(()))
}

pub fn workloads_are_found_by_namespace_and_label() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::new()?;
    let id = unique_name();
    let runtime = pod.listen(pod.with_containers(&[&id]))?;
    let socket = pod.socket().display().to_string();
    let agent = scene.agent(&["--automatic", "1h", "--cri", &socket])?;
    let container = pod.container(&scene, &id, &["sleep", "1000"])?;
    let other = scene.idle()?;
    let mode_of = |name: &str| -> Result<Value> {
        let status = agent.status()?;
        let workload = workload_in(&status, name).context("the workload is not there")?;
        Ok(workload["mode"].clone())
    };
    scene.wait_for_mode(&agent, "learn")?;
    agent.wait_for("the pod", PATIENCE, |status| {
        workload_in(status, &pod.workload()).is_some()
    })?;

    let by = |flags: &[&str], expected| {
        let args = [&["promote", "--yes"], flags].concat();
        ask(&agent, &args, expected)
    };
    let label = "pod-template-hash=7d5f";
    by(&["--label", "pod-template-hash=other", "--mode", "off"], 1)?;
    by(
        &["--namespace", "bank", "--label", label, "--mode", "off"],
        1,
    )?;
    ensure!(mode_of(&pod.workload())? == "learn");
    let shown = by(
        &["--namespace", "shop", "--label", label, "--mode", "off"],
        0,
    )?;
    ensure!(shown.contains(&pod.workload()), "{shown}");
    ensure!(mode_of(&pod.workload())? == "off" && mode_of(&scene.workload())? == "learn");
    by(&["--namespace", "shop", "--clear"], 0)?;
    ensure!(mode_of(&pod.workload())? == "learn");

    drop((container, other));
    scene.finish(agent, &[])?;
    runtime.abort();
    Ok(())
}

pub fn a_persons_document_says_its_mode_itself() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let _container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    let workload = scene.workload();

    let refused = ask(&agent, &["promote", &workload, "--mode", "off", "--yes"], 1)?;

    ensure!(refused.contains(&scene.document_name()), "{refused}");
    ensure!(refused.contains("mode enforce"), "{refused}");
    scene.wait_for_mode(&agent, "enforce")?;
    ask(
        &agent,
        &[
            "promote",
            "--namespace",
            "nowhere",
            "--mode",
            "off",
            "--yes",
        ],
        1,
    )?;
    scene.finish(agent, &[])
}
