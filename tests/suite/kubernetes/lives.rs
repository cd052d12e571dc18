//! What happens to a workload over its life: replicas, restarts, upgrades.

use super::driver::Driver;
use super::kubelet::{Pod, Running};
use super::messages::{ContainerConfig, Mount};
use super::node::{IMAGE, Node, has};
use crate::containers::scene::{PATIENCE, at, window, workload_in};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use testbed::{Agent, intruders};

/// How long a workload learns in these tests, in which a runtime has to make
/// pods.
const LEARNING: u32 = 15;

pub fn replicas_share_what_they_learn() -> Result<()> {
    let node = Node::new(Driver::Cgroupfs)?;
    let agent = node.scene.agent(&["--automatic", &window(LEARNING)])?;
    let workload = node.workload("api");

    let args = ["sleep", "1000"];
    let one = node.kubelet.run(node.replica("x7k2p"))?;
    let in_one = node.kubelet.start(&one, "api", IMAGE, &args)?;
    let other = node.kubelet.run(node.replica("q9zmb"))?;
    let in_other = node.kubelet.start(&other, "api", IMAGE, &args)?;
    node.kubelet.exec(&in_one, &["/app/worker"])?;
    node.kubelet.exec(&in_other, &["/app/job.sh"])?;
    let status = node.wait_for_mode(&agent, &workload, "enforce")?;

    ensure!(status["containers"] == 2, "{status:#}");
    let learned = node.learned(&workload)?;
    has_all(&learned)?;
    // Each may do what the other did.
    node.kubelet.exec(&in_other, &["/app/worker"])?;
    node.kubelet.exec(&in_one, &["/app/job.sh"])?;
    only_what_is_new_deviates(&node, agent, &other, &in_other)
}

pub fn init_containers_learn_for_themselves() -> Result<()> {
    let node = Node::new(Driver::Cgroupfs)?;
    let agent = node.scene.agent(&["--automatic", &window(LEARNING)])?;

    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    for (name, program) in [("first", "/app/worker"), ("second", "/app/job.sh")] {
        let id = node.kubelet.start(&pod, name, IMAGE, &[program])?;
        ensure!(node.kubelet.wait(&id)? == 0, "{name} failed");
    }
    node.kubelet.start(&pod, "api", IMAGE, &["sleep", "1000"])?;
    node.wait_for_mode(&agent, &node.workload("api"), "enforce")?;

    let has_learned = |container: &str, path: &str| -> Result<bool> {
        let learned = node.learned(&node.workload(container))?;
        Ok(learned.contains(&format!("path: {path}\n")))
    };
    for (container, path, expected) in [
        ("first", "/app/worker", true),
        ("first", "/app/job.sh", false),
        ("second", "/app/job.sh", true),
        ("api", "/app/worker", false),
        ("api", "/bin/busybox", true),
    ] {
        ensure!(
            has_learned(container, path)? == expected,
            "{container}, {path}:\n{}",
            node.learned(&node.workload(container))?
        );
    }
    node.scene.finish_with(agent, |records| {
        ensure!(records.is_empty(), "{records:#?}");
        Ok(())
    })
}

pub fn a_restarted_container_is_of_the_same_workload() -> Result<()> {
    let node = Node::new(Driver::Cgroupfs)?;
    let agent = node.scene.agent(&["--automatic", &window(LEARNING)])?;
    let workload = node.workload("api");

    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    for restarts in 0..3 {
        let id = node
            .kubelet
            .start_again(&pod, "api", IMAGE, &["/app/worker"], restarts)?;
        ensure!(node.kubelet.wait(&id)? == 0, "it failed");
    }
    let args = ["sleep", "1000"];
    let id = node.kubelet.start_again(&pod, "api", IMAGE, &args, 3)?;
    node.wait_for_mode(&agent, &workload, "enforce")?;
    let learned = node.learned(&workload)?;
    ensure!(learned.contains("containers: 4"), "{learned}");
    node.kubelet.exec(&id, &["/app/worker"])?;
    only_what_is_new_deviates(&node, agent, &pod, &id)
}

pub fn a_runtime_that_restarts_loses_nothing(driver: Driver) -> Result<()> {
    let mut node = Node::new(driver)?;
    node.allow_busybox("Deployment", "api")?;
    let agent = node.scene.agent(&["--automatic", "1h"])?;
    let signal = tempfile::tempdir()?;

    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    let waiting = ContainerConfig {
        command: ["sh", "-c", WAITS].map(str::to_owned).into(),
        mounts: vec![Mount {
            container_path: "/signal".to_owned(),
            host_path: signal.path().display().to_string(),
            readonly: true,
            ..Mount::default()
        }],
        ..node.kubelet.container(&pod, "api", IMAGE, 0)
    };
    let id = node.kubelet.start_as(&pod, waiting.clone())?;
    node.containerd.go_away()?;
    fs::write(signal.path().join("now"), "")?;
    node.containerd.come_back()?;
    let records = node.wait_for_records(&pod.pod, 1)?;
    let fields = [("workload", &*node.workload("api")), ("container", &id)];
    has(&records[0], &fields)?;

    // What runs goes on, and what comes is named as before.
    node.kubelet.exec(&id, &["/app/worker"])?;
    let new = node.kubelet.run(node.replica("q9zmb"))?;
    node.kubelet.start_as(&new, waiting)?;
    node.wait_for_records(&pod.pod, 2)?;
    let records = node.wait_for_records(&new.pod, 1)?;
    has(&records[0], &[("workload", &node.workload("api"))])?;
    node.scene.finish_with(agent, |records| {
        ensure!(records.len() == 3, "{records:#?}");
        Ok(())
    })
}

/// Runs what it may not once it is told to.
const WAITS: &str =
    "until [ -e /signal/now ]; do sleep 0.1; done; /opt/intruders/hello; sleep 1000";

pub fn an_agent_that_restarts_goes_on(driver: Driver) -> Result<()> {
    let node = Node::new(driver)?;
    let learning = window(2 * LEARNING);
    let args = ["--automatic", learning.as_str()];
    let workload = node.workload("api");

    let agent = node.scene.agent(&args)?;
    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    let id = node.kubelet.start(&pod, "api", IMAGE, &["sleep", "1000"])?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    agent.wait_for("the workload to learn", PATIENCE, |status| {
        workload_in(status, &workload).is_some_and(|found| found["mode"] == "learn")
    })?;
    // What is learned is committed once a second.
    std::thread::sleep(std::time::Duration::from_secs(3));
    agent.crash()?;
    let agent = node.scene.agent(&args)?;
    node.kubelet.exec(&id, &["/app/job.sh"])?;
    node.wait_for_mode(&agent, &workload, "enforce")?;

    let learned = node.learned(&workload)?;
    has_all(&learned)?;
    only_what_is_new_deviates(&node, agent, &pod, &id)
}

pub fn a_new_image_is_held_to_the_same_list() -> Result<()> {
    const NEXT: &str = "localhost/app:2";
    let node = Node::new(Driver::Cgroupfs)?;
    // Not a notice of all that is new in it, after a while.
    let flags = ["--automatic", &window(LEARNING), "--probation", "off"];
    let agent = node.scene.agent(&flags)?;
    let workload = node.workload("api");

    let old = node.kubelet.run(node.replica("x7k2p"))?;
    let id = node.kubelet.start(&old, "api", IMAGE, &["sleep", "1000"])?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    node.wait_for_mode(&agent, &workload, "enforce")?;
    let program = intruders::build("nothing")?;
    replace(&node.scene.image.inside("/app/worker"), &program)?;
    node.scene.image.program(&program, "/app/new")?;
    node.containerd.import(&node.scene.image, NEXT)?;
    let new = Pod::of_deployment(&node.name, "5c6d7f8b9", "mm4vt");
    let new = node.kubelet.run(new)?;
    node.kubelet.stop(&old)?;
    let id = node.kubelet.start(&new, "api", NEXT, &["sleep", "1000"])?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    node.kubelet.exec(&id, &["/app/new"])?;

    let records = node.wait_for_records(&new.pod, 1)?;
    let first = records.first().context("there is one")?;
    has(first, &[("workload", &workload), ("image", NEXT)])?;
    node.scene.finish_with(agent, |_| Ok(()))
}

/// What two of these tests have their workload do.
fn has_all(learned: &str) -> Result<()> {
    for expected in ["path: /app/worker", "path: /app/job.sh", "applet: sleep"] {
        ensure!(
            learned.contains(expected),
            "{expected} is missing:\n{learned}"
        );
    }
    Ok(())
}

/// Runs in a container what its workload has not learned; fails unless that is the
/// one record of all that ran.
fn only_what_is_new_deviates(
    node: &Node,
    agent: Agent<'_>,
    pod: &Running,
    container: &str,
) -> Result<()> {
    node.kubelet.exec(container, &[&at("hello")])?;
    let records = node.wait_for_records(&pod.pod, 1)?;
    let workload = node.workload("api");
    let fields = [("workload", &*workload), ("path", &at("hello"))];
    has(&records[0], &fields)?;
    node.scene.finish_with(agent, |records| {
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}

/// By another file: the old one is the old image's.
fn replace(file: &Path, program: &Path) -> Result<()> {
    fs::remove_file(file)?;
    fs::copy(program, file)?;
    Ok(())
}
