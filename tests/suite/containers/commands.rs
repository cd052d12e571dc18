//! The other commands, and how they end.

use super::scene::{PATIENCE, Scene};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use testbed::agent::binary;
use testbed::patience;

/// What the agent promises to end within.
const SECOND: Duration = Duration::from_secs(1);

pub fn commands_end_with_a_status_that_means_something() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let good = scene.home.allowlists().join(scene.document_name());
    let broken = scene.home.state().join("broken.yaml");
    fs::write(&broken, "kind: Nothing\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    let workload = scene.workload();

    let check = |args: &[&str], expected: i32| -> Result<Output> {
        let output = agent.ask(args)?;
        ends_with(args, &output, expected)?;
        Ok(output)
    };
    for args in [
        vec!["status", "--json"],
        vec!["allowlist", "list", "--json"],
        vec!["allowlist", "show", &workload, "--json"],
    ] {
        let output = check(&args, 0)?;
        let json: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{args:?} is no JSON"))?;
        ensure!(
            json.to_string().contains(&workload),
            "{workload} is not in what {args:?} prints"
        );
    }
    for args in [vec!["status"], vec!["allowlist", "list"]] {
        check(&args, 0)?;
    }
    let shown = check(&["allowlist", "show", &workload], 0)?;
    ensure!(String::from_utf8_lossy(&shown.stdout).contains("path: /bin/busybox"));
    let missing = check(&["allowlist", "show", "runc/nobody"], 1)?;
    ensure!(String::from_utf8_lossy(&missing.stderr).contains("runc/nobody"));

    let (good, broken) = (good.display().to_string(), broken.display().to_string());
    for (args, expected) in [
        (vec!["allowlist", "validate", &good], 0),
        (vec!["allowlist", "validate", &good, &broken], 1),
        (vec!["allowlist", "validate", "--json", &good, &broken], 1),
        (vec!["allowlist", "validate"], 2),
        (vec!["stauts"], 2),
    ] {
        let output = Command::new(binary()?).args(&args).output()?;
        ends_with(&args, &output, expected)?;
    }

    scene.finish(agent, &[])?;
    drop(container);
    Ok(())
}

pub fn sigterm_ends_it_within_a_second() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "no-allowlist")?;
    let socket = scene.home.control();
    ensure!(socket.exists(), "there is no socket");

    let begun = Instant::now();
    let status = agent.stop()?;
    let took = begun.elapsed();

    ensure!(status.code() == Some(0), "it ended with {status}");
    ensure!(took <= SECOND * patience(), "it took {took:?}");
    ensure!(!socket.exists(), "{} is still there", socket.display());
    let asked = Command::new(binary()?)
        .args(["status", "--control"])
        .arg(&socket)
        .output()?;
    ends_with(&["status"], &asked, 2)?;
    drop(container);

    // The kernel has nothing of it left: another begins to count anew.
    let next = scene.agent(&["--enforce"])?;
    let seen = next.status()?["accounting"]["seen"].as_u64();
    ensure!(seen < Some(1000), "it begins with {seen:?} execs");
    scene.stop(next)
}

pub fn a_stuck_receiver_does_not_hold_the_end_up() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--enforce"])?;
    scene.rsyslogd.go_away()?;
    let container = scene.idle()?;
    agent.wait_for("a record to wait", PATIENCE, |status| {
        status["sinks"][0]["queued"].as_u64() > Some(0)
    })?;
    let begun = Instant::now();
    let status = agent.stop()?;
    let took = begun.elapsed();

    ensure!(
        status.success() && took <= SECOND * patience(),
        "{status}, {took:?}"
    );
    drop(container);
    scene.rsyslogd.come_back()
}

fn ends_with(args: &[&str], output: &Output, expected: i32) -> Result<()> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(expected),
        "{args:?} ended with {}: {errors}",
        output.status
    );
    ensure!(
        (expected == 0) == errors.is_empty(),
        "{args:?} ended with {expected} and said {errors:?}"
    );
    Ok(())
}
