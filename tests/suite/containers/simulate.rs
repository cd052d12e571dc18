//! `execwarden simulate`: candidates are held against what really ran.

use super::scene::{PATIENCE, Scene, at, exec, shell, until_known};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use testbed::Agent;
use testbed::agent::binary;

const ALL: &str = "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n    \
                   - { path: /app/job.sh, interpreter: /bin/busybox }\n    \
                   - path: /opt/intruders/hello\n";

pub fn a_candidate_is_told_what_it_lacks_and_what_it_has_in_vain() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--learn", "1h"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "learn")?;
    until_known(&agent, || {
        exec(&container, &["/app/job.sh"])?;
        exec(&container, &[&at("hello")]).map(drop)
    })?;
    let all = candidate(&scene, "all", ALL)?;
    let other = ALL.replace("/opt/intruders/hello", "/opt/never");
    let other = candidate(&scene, "other", &other)?;

    // Of the running agent.
    let whole = simulate(&agent, &[&all], 0)?;
    ensure!(whole["reported"] == Value::Array(vec![]), "{whole:#}");
    ensure!(whole["unused"] == Value::Array(vec![]), "{whole:#}");
    lacks_hello(&simulate(&agent, &[&other], 1)?)?;
    let text = agent.ask(&["simulate", "--allowlist", &other.display().to_string()])?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for expected in [
        "unlisted  /opt/intruders/hello",
        "was learned",
        "/opt/never",
    ] {
        ensure!(text.contains(expected), "{expected} is not in {text}");
    }
    ensure!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let busy = of_state(&scene, &other)?;
    ensure!(
        busy.status.code() == Some(2) && String::from_utf8_lossy(&busy.stderr).contains("is using"),
        "{busy:?}"
    );
    let nobody = agent.ask(&[
        "simulate",
        "--allowlist",
        &all.display().to_string(),
        "--workload",
        "runc/nobody",
    ])?;
    ensure!(nobody.status.code() == Some(2), "{nobody:?}");

    // Of what it left.
    scene.finish(agent, &[])?;
    let left = of_state(&scene, &other)?;
    ensure!(left.status.code() == Some(1), "{left:?}");
    lacks_hello(&workload(&scene, &left)?)?;
    let left = of_state(&scene, &all)?;
    ensure!(left.status.code() == Some(0), "{left:?}");
    drop(container);
    Ok(())
}

/// A person's document: not one of these execs is told to the agent.
pub fn what_the_kernel_knew_is_in_the_journal() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(ALL)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    until_known(&agent, || exec(&container, &["/app/job.sh"]).map(drop))?;
    let fewer = candidate(
        &scene,
        "fewer",
        &ALL.replace("    - path: /app/worker\n", ""),
    )?;

    let report = simulate(&agent, &[&fewer], 1)?;

    let reported = report["reported"].as_array().context("no list")?;
    let [finding] = &reported[..] else {
        anyhow::bail!("{report:#}");
    };
    ensure!(
        finding["path"] == "/app/worker"
            && finding["reason"] == "unlisted"
            && finding["uncounted"] == true
            && finding["was"] == "known",
        "{finding:#}"
    );
    ensure!(
        report["unused"].as_array().is_some_and(|unused| {
            unused.len() == 1 && unused[0]["path"] == "/opt/intruders/hello"
        }),
        "{report:#}"
    );
    scene.finish(agent, &[])
}

pub fn conditions_are_judged_as_far_as_they_were_seen() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n    \
         - { path: /opt/intruders/argv0, args: [\"**\"] }\n",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    until_known(&agent, || {
        exec(&container, &["/app/worker"])?;
        shell(&container, &format!("{} one; true", at("argv0")))?;
        shell(&container, &format!("{} two; true", at("argv0"))).map(drop)
    })?;
    let narrow = candidate(
        &scene,
        "narrow",
        "  processes:\n    - path: /bin/busybox\n    \
         - { path: /app/worker, users: [0] }\n    \
         - { path: /opt/intruders/argv0, args: [one] }\n",
    )?;

    let report = simulate(&agent, &[&narrow], 1)?;

    // Each of the arguments was told apart by the document in force; who ran the
    // worker nobody had asked.
    let reported = report["reported"].as_array().context("no list")?;
    ensure!(
        reported.len() == 1
            && reported[0]["reason"] == "args"
            && reported[0]["path"] == "/opt/intruders/argv0",
        "{report:#}"
    );
    let undecided = report["undecided"].as_array().context("no list")?;
    ensure!(
        undecided.len() == 1
            && undecided[0]["path"] == "/app/worker"
            && undecided[0]["asks_for"] == serde_json::json!(["users"]),
        "{report:#}"
    );
    ensure!(report["unused"] == Value::Array(vec![]), "{report:#}");
    scene.finish(agent, &[])
}

pub fn a_gap_is_told_and_a_damaged_journal_begins_anew() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(ALL)?;
    let all = candidate(&scene, "all", ALL)?;
    let first = scene.agent(&["--enforce"])?;
    first.stop()?;
    let second = scene.agent(&["--enforce"])?;
    let told = report(&ask(&second, &[&all])?)?;
    ensure!(
        told["gaps"]
            .as_array()
            .is_some_and(|gaps| { gaps.len() == 1 && gaps[0]["because"] == "no-agent" }),
        "{told:#}"
    );
    second.stop()?;

    let file = scene.home.state().join("journal.redb");
    let bytes = fs::read(&file)?;
    fs::write(&file, &bytes[..bytes.len() / 2])?;
    let third = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&third, "enforce")?;
    third.wait_for("the log to say so", PATIENCE, |_| {
        third.log().contains("moved aside")
    })?;
    let report = simulate(&third, &[&all], 0)?;
    ensure!(report["executables"].as_u64() > Some(0), "{report:#}");
    ensure!(file.with_extension("redb.damaged").exists());
    drop(container);

    // None is kept where nobody wants one.
    scene.finish(third, &[])?;
    let fourth = scene.agent(&["--enforce", "--journal-max-size", "off"])?;
    let refused = ask(&fourth, &[&all])?;
    ensure!(
        refused.status.code() == Some(2)
            && String::from_utf8_lossy(&refused.stderr).contains("keeps no journal"),
        "{refused:?}"
    );
    scene.finish(fourth, &[])
}

/// One executable is missing, and one entry is too much.
fn lacks_hello(report: &Value) -> Result<()> {
    let reported = report["reported"].as_array().context("no list")?;
    let [finding] = &reported[..] else {
        anyhow::bail!("{report:#}");
    };
    ensure!(
        finding["path"] == "/opt/intruders/hello"
            && finding["reason"] == "unlisted"
            && finding["was"] == "learned"
            && finding["execs"].as_u64() > Some(0),
        "{finding:#}"
    );
    let unused = report["unused"].as_array().context("no list")?;
    ensure!(
        unused.len() == 1 && unused[0]["path"] == "/opt/never",
        "{report:#}"
    );
    ensure!(report["undecided"] == Value::Array(vec![]), "{report:#}");
    Ok(())
}

/// A candidate for the scene's workload; `rest` is what comes below `spec`.
fn candidate(scene: &Scene, name: &str, rest: &str) -> Result<PathBuf> {
    let file = scene.home.state().join(format!("{name}.candidate"));
    fs::write(&file, scene.document(rest))?;
    Ok(file)
}

fn json(files: &[&Path]) -> Vec<String> {
    let mut args = vec!["simulate".to_owned(), "--json".to_owned()];
    for file in files {
        args.push("--allowlist".to_owned());
        args.push(file.display().to_string());
    }
    args
}

/// What the agent's journal says of the candidates' one workload.
fn simulate(agent: &Agent<'_>, files: &[&Path], status: i32) -> Result<Value> {
    let output = ask(agent, files)?;
    ensure!(
        output.status.code() == Some(status),
        "{files:?}: {output:?}"
    );
    let report = report(&output)?;
    Ok(report["workloads"][0].clone())
}

fn ask(agent: &Agent<'_>, files: &[&Path]) -> Result<Output> {
    let args = json(files);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    agent.ask(&args)
}

fn of_state(scene: &Scene, file: &Path) -> Result<Output> {
    Command::new(binary()?)
        .args(json(&[file]))
        .arg("--state")
        .arg(scene.home.state())
        .output()
        .context("cannot start execwarden")
}

fn workload(scene: &Scene, output: &Output) -> Result<Value> {
    let report = report(output)?;
    let of_it = report["workloads"][0].clone();
    ensure!(of_it["workload"] == scene.workload().as_str(), "{report:#}");
    Ok(of_it)
}

fn report(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| format!("no JSON: {output:?}"))
}
