//! What the agent gives up once it has started, in each of its threads, and what it
//! goes on doing without.

use super::cluster::{Cluster, Pod};
use super::expect::is_of;
use super::scene::{ELEMENT, PATIENCE, Scene, exec, sha256};
use anyhow::{Context, Result, ensure};
use procfs::KernelVersion;
use rustix::thread::{CapabilitySet, capabilities};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use testbed::agent::binary;
use testbed::{Agent, until};

/// A user that the agent is not.
const OTHER: u32 = 1000;

/// With a thread of each kind: the API server's, a spool's, those that read files.
pub fn every_thread_has_given_up_what_only_the_start_needs() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api"]);
    let cluster = Cluster::with_api_server(&[&pod])?;
    let agent = cluster.agent_with_kube(&scene, &["--automatic", "24h"])?;
    let container = pod.start(&scene, "api")?;
    exec(&container, &["/app/worker"])?;
    agent.wait_for("the pod to learn", PATIENCE, |status| {
        status["workloads"][0]["mode"] == "learn"
    })?;

    let kept = format!("{:016x}", kept()?.bits());
    let none = "0".repeat(16);
    let own = capabilities(None)?.permitted;
    let mut names = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", agent.pid()))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let is = |key: &str, value: &str| {
            let line = format!("{key}:\t{value}");
            ensure!(status.lines().any(|one| one == line), "{line}: {status}");
            Ok(())
        };
        is("CapPrm", &kept)?;
        is("CapEff", &kept)?;
        is("CapInh", &none)?;
        is("CapAmb", &none)?;
        if own.contains(CapabilitySet::SETPCAP) {
            is("CapBnd", &none)?;
        }
        is("NoNewPrivs", "1")?;
        is("Seccomp", "2")?;
        names.extend(status.lines().next().map(str::to_owned));
    }
    for name in ["kube", "alerts-spool"] {
        let is_there = names.iter().any(|line| line == &format!("Name:\t{name}"));
        ensure!(is_there, "there is no thread {name}: {names:?}");
    }

    let status = agent.status()?;
    let told = &status["agent"]["confinement"];
    ensure!(told["calls_filtered"] == true, "{told:#}");
    ensure!(told["problems"] == Value::Array(Vec::new()), "{told:#}");
    scene.stop(agent)
}

/// What a container, or a receiver of files, has of another user.
pub fn a_closed_file_of_another_user_is_read_and_not_written() -> Result<()> {
    let scene = Scene::new()?;
    let path = "/home/app/tool";
    let hello = testbed::intruders::build("hello")?;
    scene.image.program(&hello, path)?;
    let tool = scene.image.inside(path);
    let digest = sha256(&tool)?;
    close(&tool, 0o500)?;
    close(tool.parent().context("a folder")?, 0o700)?;
    scene.write_document(&format!(
        "  digests: verify\n  processes:\n    - path: /bin/busybox\n    - path: {path}\n      sha256: \"{}\"\n",
        "0".repeat(64)
    ))?;
    let log = scene.home.state().with_file_name("closed.log");
    fs::write(&log, "")?;
    close(&log, 0o600)?;
    let url = format!("file:{}", log.display());
    let agent = scene.agent(&["--enforce", "--syslog", &url])?;

    // The file is found through those who are still there when it has ended.
    let container = scene.container(&["sleep", "1000"]).user(OTHER).run()?;
    exec(&container, &[path])?;
    scene.wait_for_records(&container, 1)?;
    let records = scene.records()?;
    let record = records.iter().find(|record| is_of(record, &container));
    let told = record.and_then(|record| record.parameter(ELEMENT, "sha256"));
    ensure!(told == Some(&digest), "{record:?}");

    let refused = until("the file to be refused", PATIENCE, || of_sink(&agent, &url))?;
    ensure!(refused.contains("Permission denied"), "{refused}");
    let doctor = Command::new(binary()?)
        .args(["doctor", "--json", "--syslog", &scene.rsyslogd.url()])
        .args(["--syslog", &url, "--config"])
        .arg(scene.home.config())
        .output()?;
    let report = String::from_utf8(doctor.stdout)?;
    ensure!(report.contains("Permission denied"), "{report}");
    scene.finish(agent, &[(&container, &[&format!("modified {path}")])])
}

/// What a kernel of this version needs, of what this process can give.
fn kept() -> Result<CapabilitySet> {
    let mut kept = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::KILL;
    if KernelVersion::current()? < KernelVersion::new(5, 19, 0) {
        kept |= CapabilitySet::BPF;
    }
    Ok(kept)
}

fn close(path: &Path, mode: u32) -> Result<()> {
    chown(path, Some(OTHER), Some(OTHER))?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(())
}

/// What is wrong with a receiver, if something is.
fn of_sink(agent: &Agent<'_>, url: &str) -> Result<Option<String>> {
    let status = agent.status()?;
    let sinks = status["sinks"].as_array().context("sinks")?;
    let sink = sinks.iter().find(|sink| sink["target"] == url);
    let state = sink.and_then(|sink| sink["state"].as_str());
    let state = state.with_context(|| format!("{url}: {sinks:?}"))?;
    Ok((state.contains("denied")).then(|| state.to_owned()))
}
