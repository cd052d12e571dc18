//! The agent's own exec that has to be reported, on a real node: that it passes, that
//! it fails where the agent is blinded, and who is told.

use super::circumstances::with_mounts;
use super::metrics::get;
use super::scene::{ELEMENT, PATIENCE, Scene, exec};
use crate::meddler::Meddler;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testbed::agent::{Agent, binary};
use testbed::node::CGROUP_ROOT;
use testbed::prometheus::free_address;
use testbed::{Cgroup, Record, unique_name, until};

/// How long after its interval a failure is told, as the documents promise, and what
/// a look a second, rsyslogd and a busy machine take.
const SOON: Duration = Duration::from_secs(5 + 3);
const INTERVAL: Duration = Duration::from_secs(2);

pub fn the_canary_passes_and_counts_for_nobody() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let address = free_address()?.to_string();
    let agent = scene.agent(&[
        "--enforce",
        "--canary",
        "1s",
        "--heartbeat",
        "2s",
        "--metrics",
        &address,
    ])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    let status = agent.wait_for("three canaries and a heartbeat", PATIENCE, |status| {
        let targets = status["canary"]["targets"].as_array();
        let mut targets = targets.into_iter().flatten();
        runs(status, "passed") >= 3 && targets.all(|one| one["state"] == "arrived")
    })?;
    let canary = &status["canary"];
    ensure!(canary["state"] == "passed", "{canary:#}");
    let took = canary["took_s"].as_f64().context("how long it took")?;
    ensure!((0.0..1.0).contains(&took), "{took} s");
    let all: u64 = status["canary"]["runs"].as_array().map_or(0, |all| {
        all.iter().filter_map(|one| one["count"].as_u64()).sum()
    });
    ensure!(all == runs(&status, "passed"), "one failed: {canary:#}");
    // It is in the sum of all, and in no workload's.
    let of = |count: &str| status["accounting"][count].as_u64().unwrap_or(0);
    ensure!(of("deviating") > all, "{:#}", status["accounting"]);
    let workload = scene.of_status(&status).context("the workload")?;
    ensure!(workload["deviations"] == 1, "{workload:#}");
    let others = status["workloads"].as_array().context("workloads")?;
    let own = |one: &Value| {
        one["workload"]
            .as_str()
            .is_some_and(|name| name.contains("canary"))
    };
    ensure!(!others.iter().any(own), "{others:#?}");
    let ready = ask(&address, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    let place = place_of(agent.pid());
    ensure!(place.is_dir(), "{}", place.display());

    scene.finish_with(agent, |records| {
        let (beats, others): (Vec<_>, Vec<_>) =
            records.iter().partition(|one| one.msgid == "heartbeat");
        ensure!(
            others.len() == 1 && others[0].msgid == "unlisted",
            "{others:#?}"
        );
        let last = beats.last().context("a heartbeat")?;
        ensure!(
            last.parameter(ELEMENT, "canary") == Some("passed"),
            "{}",
            last.raw
        );
        let took = last.parameter(ELEMENT, "canary_ms");
        ensure!(took.is_some_and(|took| took != "0"), "{}", last.raw);
        Ok(())
    })?;
    ensure!(!place.exists(), "{} is left behind", place.display());
    Ok(())
}

/// Who may write to the maps of the programs has them take the canary's slot for one
/// whose room is used up: they count what runs there, and tell of nothing.
pub fn b28_a_canary_that_nobody_is_told_of_is_told() -> Result<()> {
    let scene = Scene::new()?;
    let address = free_address()?.to_string();
    let agent = scene.agent(&["--enforce", "--canary", "2s", "--metrics", &address])?;
    wait_until_passed(&agent)?;

    let mut meddler = Meddler::new()?;
    let slot = meddler.slot_of(fs::metadata(place_of(agent.pid()))?.ino())?;
    let usage = meddler.use_up(slot)?;
    let begun = Instant::now();
    let told = wait_for_canaries(&scene, 1)?;
    ensure!(begun.elapsed() < INTERVAL + SOON, "{:?}", begun.elapsed());
    is(&told[0], "not-told", "crit")?;
    let ready = ask(&address, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    ensure!(
        ready.contains("the canary failed: it was executed and counted"),
        "{ready}"
    );
    let page = ask(&address, "/metrics")?;
    ensure!(page.contains("execwarden_canary_passes 0.0"), "{page}");
    let status = agent.ask(&["status"])?;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    ensure!(status.contains("canary FAILED: "), "{status}");
    ensure!(
        scene.home.log().contains("the canary failed"),
        "{}",
        scene.home.log()
    );

    meddler.set_usage(slot, usage)?;
    let told = wait_for_canaries(&scene, 2)?;
    is(&told[1], "passed", "notice")?;
    until("it to be ready", PATIENCE, || {
        let ready = ask(&address, "/readyz")?;
        Ok(ready.starts_with("HTTP/1.1 200 ").then_some(()))
    })?;
    scene.finish_with(agent, |records| {
        ensure!(records.len() == 2, "{records:#?}");
        Ok(())
    })
}

/// The helper goes with the agent, and takes the cgroup along.
pub fn an_agent_that_is_killed_leaves_no_cgroup() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--enforce"])?;
    wait_until_passed(&agent)?;
    let place = place_of(agent.pid());

    agent.crash()?;

    until("its cgroup to be gone", PATIENCE, || {
        Ok((!place.exists()).then_some(()))
    })
}

/// As for want of memory. What the agent executes to replace it is known by its file,
/// also in a unit that has no allowlist.
pub fn a_helper_that_was_killed_is_replaced() -> Result<()> {
    let scene = Scene::new()?;
    let service = format!("{}.service", unique_name());
    let unit = Cgroup::named(&format!("/system.slice/{service}"))?;
    let address = free_address()?;
    let mut command = unit.command(binary()?);
    command.args(["run", "--host", "--enforce", "--canary", "1s"]);
    command.args(["--log-level", "error", "--metrics", &address.to_string()]);
    let agent = Running::start(command, &scene)?;
    let place = unit
        .path()
        .join(format!("execwarden-canary-{}", agent.pid()));
    let passed = || -> Option<u64> {
        let page = get(address, "/metrics").ok()?;
        let line = "execwarden_canary_runs_total{result=\"passed\"} ";
        let count = page.lines().find_map(|one| one.strip_prefix(line))?;
        count.strip_suffix(".0")?.parse().ok()
    };
    let wait_for = |count| {
        let enough = || Ok(passed().filter(|passed| *passed >= count));
        until("canaries to pass", PATIENCE, enough)
    };
    let helper = || -> Option<i32> {
        let processes = fs::read_to_string(place.join("cgroup.procs")).ok()?;
        processes.lines().next()?.parse().ok()
    };
    let before = wait_for(1)?;
    let first = helper().context("the helper")?;

    kill_process(Pid::from_raw(first).context("a process")?, Signal::KILL)?;
    until("another helper", PATIENCE, || {
        Ok(helper().filter(|second| *second != first))
    })?;
    wait_for(before + 3)?;
    agent.stop()?;

    ensure!(!place.exists(), "{} is left behind", place.display());
    let records = scene.records()?;
    ensure!(records.is_empty(), "{records:#?}");
    Ok(())
}

/// Where the agent cannot make its cgroup it says what to do.
pub fn a_canary_without_a_place_is_told() -> Result<()> {
    let scene = Scene::new()?;
    let begin = |options: &[&str], address: &SocketAddr| -> Result<Running> {
        let mut command = with_mounts("mount -o remount,bind,ro /sys/fs/cgroup")?;
        command.args(["run", "--enforce", "--log-level", "error"]);
        command
            .args(["--metrics", &address.to_string()])
            .args(options);
        Running::start(command, &scene)
    };
    let address = free_address()?;
    let agent = begin(&[], &address)?;
    let ready = until("the canary's first run", PATIENCE, || {
        let ready = get(address, "/readyz").ok();
        Ok(ready.filter(|ready| !ready.contains("has not run yet")))
    })?;
    ensure!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    for words in ["the canary cannot run: ", "Read-only", "--canary off"] {
        ensure!(ready.contains(words), "{words}: {ready}");
    }
    drop(agent);

    let address = free_address()?;
    let agent = begin(&["--canary", "off"], &address)?;
    let ready = until(
        "it to answer",
        PATIENCE,
        || Ok(get(address, "/readyz").ok()),
    )?;
    ensure!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    drop(agent);
    ensure!(scene.records()?.is_empty(), "{:#?}", scene.records()?);
    Ok(())
}

/// One that holds the line and reads nothing is told to the others, and the agent is
/// ready all the same.
pub fn a_receiver_that_takes_nothing_is_told_to_the_others() -> Result<()> {
    let scene = Scene::new()?;
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("log");
    let deaf = UnixDatagram::bind(&socket)?;
    let url = format!("unix:{}", socket.display());
    let address = free_address()?.to_string();
    let agent = scene.agent(&["--heartbeat", "2s", "--syslog", &url, "--metrics", &address])?;

    let told = wait_for_canaries(&scene, 1)?;
    is(&told[0], "not-delivered", "crit")?;
    let why = told[0].parameter(ELEMENT, "canary_why");
    ensure!(why.is_some_and(|why| why.contains(&url)), "{}", told[0].raw);
    let ready = ask(&address, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    let page = ask(&address, "/metrics")?;
    let line = format!("execwarden_canary_undelivered{{sink=\"{url}\"}} 1.0");
    ensure!(page.contains(&line), "{page}");

    deaf.set_nonblocking(true)?;
    let mut room = [0; 16 * 1024];
    while deaf.recv(&mut room).is_ok() {}
    let told = wait_for_canaries(&scene, 2)?;
    is(&told[1], "passed", "notice")?;
    scene.finish_with(agent, |records| {
        let of = |kind: &str| records.iter().filter(|one| one.msgid == kind).count();
        ensure!(of("canary") == 2, "{records:#?}");
        ensure!(
            of("canary") + of("heartbeat") == records.len(),
            "{records:#?}"
        );
        Ok(())
    })
}

/// An agent that is not started by the testbed; killed when dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command, scene: &Scene) -> Result<Self> {
        let home = &scene.home;
        command
            .args(["--syslog", &scene.rsyslogd.url(), "--pins", "off"])
            .arg("--config")
            .arg(home.config())
            .arg("--state")
            .arg(home.state())
            .arg("--allowlists")
            .arg(home.allowlists())
            .arg("--control")
            .arg(home.control())
            .stderr(Stdio::null());
        command.spawn().map(Self).context("cannot start the agent")
    }
}

impl Running {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        let ended = until("the agent to end", PATIENCE, || Ok(self.0.try_wait()?))?;
        ensure!(ended.success(), "{ended}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where an agent at the hierarchy's root has its canary.
fn place_of(agent: u32) -> PathBuf {
    Path::new(CGROUP_ROOT).join(format!("execwarden-canary-{agent}"))
}

fn runs(status: &Value, result: &str) -> u64 {
    let runs = status["canary"]["runs"].as_array().into_iter().flatten();
    runs.filter(|one| one["result"] == result)
        .filter_map(|one| one["count"].as_u64())
        .sum()
}

fn wait_until_passed(agent: &Agent<'_>) -> Result<()> {
    agent
        .wait_for("a canary to pass", PATIENCE, |status| {
            status["canary"]["state"] == "passed"
        })
        .map(drop)
}

/// The records about the canary, when there are so many.
fn wait_for_canaries(scene: &Scene, count: usize) -> Result<Vec<Record>> {
    let canaries = |records: &[Record]| -> Vec<Record> {
        let canaries = records.iter().filter(|one| one.msgid == "canary");
        canaries.cloned().collect()
    };
    let what = format!("{count} records about the canary");
    let enough = |records: &[Record]| canaries(records).len() >= count;
    // A target has half a minute.
    let records = scene.rsyslogd.wait_for(&what, PATIENCE * 2, enough)?;
    Ok(canaries(&records))
}

fn is(record: &Record, result: &str, severity: &str) -> Result<()> {
    let told = record.parameter(ELEMENT, "canary");
    ensure!(told == Some(result), "{result}: {}", record.raw);
    ensure!(record.severity == severity, "{severity}: {}", record.raw);
    Ok(())
}

fn ask(address: &str, page: &str) -> Result<String> {
    get(address.parse()?, page)
}
