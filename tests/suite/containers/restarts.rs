//! What an agent finds when it comes, and what it leaves when it goes.

use super::alerts::ask;
use super::scene::{PATIENCE, Scene, at, exec, shell, window};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::Agent;

/// Seconds; long enough for a restart within it.
const WINDOW: u32 = 8;

pub fn learning_goes_on_after_a_restart() -> Result<()> {
    goes_on_after(|agent| agent.stop().map(drop))
}

pub fn learning_goes_on_after_a_crash() -> Result<()> {
    goes_on_after(|agent| agent.crash())
}

pub fn what_was_extended_without_a_container_is_so_after_a_crash() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "learn")?;
    drop(container);
    let status = scene.wait_for_count(&agent, "containers", 0)?;
    let learner = scene.of_status(&status).context("the workload")?;
    ensure!(
        learner["state"] == "learning" && learner["processes"] == 1,
        "{learner:#}"
    );
    ask(&agent, &["extend", &scene.workload(), "--for", "2h"], 0)?;

    agent.crash()?;
    let agent = scene.agent(&["--automatic", "1h"])?;
    let _container = scene.idle()?;
    let again = scene.wait_for_mode(&agent, "learn")?;

    let learning = &scene.of_status(&again).context("the workload")?["learning"];
    ensure!(learning["window_s"] == 7200, "{learning:#}");
    scene.finish(agent, &[])
}

fn goes_on_after(end: impl FnOnce(Agent<'_>) -> Result<()>) -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", &window(WINDOW)])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    let learned = agent.wait_for("two processes", PATIENCE, |status| {
        processes(&scene, status) == Some(2)
    })?;
    // What was learned is saved once a second.
    let then = learned["agent"]["uptime_s"].as_u64().context("an age")?;
    agent.wait_for("it to be saved", PATIENCE, |status| {
        status["agent"]["uptime_s"].as_u64() >= Some(then + 2)
    })?;

    end(agent)?;
    exec(&container, &["/app/job.sh"])?;
    let agent = scene.agent(&["--automatic", &window(WINDOW)])?;
    let again = scene.wait_for_mode(&agent, "learn")?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    exec(&container, &["/app/worker"])?;
    exec(&container, &["/app/job.sh"])?;

    ensure!(
        processes(&scene, &again) == Some(2),
        "learned entries are lost: {again:#}"
    );
    let gap = "the agent was down from ";
    let told = scene.of_status(&again).context("the workload")?["learning"]["incomplete"].clone();
    ensure!(
        told.as_array().is_some_and(|gaps| gaps.len() == 1) && told.to_string().contains(gap),
        "{told}"
    );
    ensure!(document.contains(gap), "{document}");
    ensure!(!document.contains("/app/job.sh"), "{document}");
    // What ran while there was no agent is not known; nor is that it runs what was
    // only put in until then.
    let records = ["script /app/job.sh", "parent /app/worker"];
    scene.finish(agent, &[(&container, &records)])
}

pub fn what_runs_before_the_agent_is_learned_and_marked() -> Result<()> {
    let scene = Scene::new()?;
    let container = scene.idle()?;
    let agent = scene.agent(&["--automatic", &window(2)])?;

    let learning = scene.wait_for_mode(&agent, "learn")?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    exec(&container, &["sleep", "0"])?;
    exec(&container, &["date"])?;
    exec(&container, &[&at("hello")])?;

    let workload = scene.of_status(&learning).context("the workload")?;
    ensure!(
        workload["containers"] == 1 && workload["pre_existing"] == 1 && workload["processes"] == 1,
        "{workload:#}"
    );
    ensure!(document.contains("path: /bin/busybox"), "{document}");
    ensure!(
        document.contains("already running when learning began"),
        "{document}"
    );
    // Of busybox, what it was running as.
    scene.finish(
        agent,
        &[(
            &container,
            &["applet /bin/busybox", "unlisted /opt/intruders/hello"],
        )],
    )
}

pub fn what_runs_before_the_agent_is_enforced() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n")?;
    let container = scene.idle()?;
    // The layers are told apart without a first exec that shows the root.
    shell(&container, "cp /app/worker /tmp/dropped")?;
    let agent = scene.agent(&["--enforce"])?;

    exec(&container, &["/app/worker"])?;
    exec(&container, &["/tmp/dropped"])?;
    exec(&container, &[&at("memfd"), "x", "/app/worker", "x"])?;

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "drift /tmp/dropped",
                "unlisted /opt/intruders/memfd",
                "fileless *memfd:x",
            ],
        )],
    )
}

/// Its name is asked for when the agent is told to end: its exec is still told.
pub fn a_container_that_starts_as_the_agent_ends_is_not_lost() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes: []\n")?;
    let agent = scene.agent(&["--enforce"])?;

    let container = scene.idle()?;

    scene.finish(agent, &[(&container, &["unlisted /bin/busybox"])])
}

fn processes(scene: &Scene, status: &Value) -> Option<u64> {
    scene.of_status(status)?["processes"].as_u64()
}
