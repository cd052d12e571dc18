//! As many containers at once as a large node has, started as fast as the machine
//! can; and more workloads than the kernel side has slots for.

use super::blocking::{does, in_it, obedient};
use super::cluster::{Cluster, Pod, write_document};
use super::expect::{brief, count};
use super::scene::{ELEMENT, PATIENCE, Scene, workload_in};
use agent_common::wire::{SLOT_FIRST, SLOTS};
use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::mem;
use std::path::PathBuf;
use std::thread;
use tempfile::TempDir;
use testbed::container::Builder;
use testbed::{Agent, Cgroup, Record, patience, unique_name};

/// Containers, each in a pod of its own. An emulated machine gets fewer.
const CONTAINERS: usize = 500;
/// Controllers that the pods are replicas of.
const CONTROLLERS: usize = 20;
/// How many runtimes are at work at a time.
const AT_A_TIME: usize = 16;
/// What each container runs: what its list has, and what was planted.
const LINE: &str = "/app/worker; /opt/intruders/hello; /opt/intruders/hello; /opt/intruders/hello";
const PLANTED: &str = "unlisted /opt/intruders/hello";
const TIMES: u64 = 3;
/// By how much the agent's memory may grow at its most, in KiB: what it keeps of
/// each container, and the questions and answers on the way.
const GROWTH_MAX: u64 = 16 << 10;

/// Every other one runs its line as it starts; the others wait until all are
/// there, and then run it in one moment.
pub fn five_hundred_containers_at_once_are_named_and_judged() -> Result<()> {
    let scene = Scene::new()?;
    let pods = pods(CONTAINERS / patience() as usize);
    let cluster = Cluster::of(&pods.iter().collect::<Vec<_>>())?;
    let controllers = &pods[..CONTROLLERS];
    for pod in controllers {
        let worker = "    - path: /app/worker\n";
        write_document(&scene, &pod.owner, &pod.owner, "api", worker)?;
    }
    // Each is to be told by itself.
    let agent = cluster.agent(&scene, &["--enforce", "--alert-burst", "100000"])?;
    let before = memory(&agent, "VmRSS:")?;
    begin_a_new_peak(&agent)?;
    // Of all controllers together.
    let sum = |status: &Value, field: &str| -> u64 {
        let workloads = controllers
            .iter()
            .map(|pod| pod.workload("Deployment", "api"));
        workloads
            .filter_map(|name| workload_in(status, &name)?[field].as_u64())
            .sum()
    };

    let gate = Gate::new()?;
    let builders = pods.iter().enumerate().map(|(number, pod)| {
        let line = match number % 2 {
            0 => LINE.to_owned(),
            _ => format!(": < /gate/gate; {LINE}"),
        };
        let container = pod.container(&scene, "api", &["sh", "-c", &line])?;
        Ok(container.volume(gate.0.path(), "/gate"))
    });
    let builders: Vec<Builder<'_>> = builders.collect::<Result<_>>()?;
    let containers = side_by_side(builders, Builder::run)?;
    let all = containers.len() as u64;
    agent.wait_for("every container to have its name", PATIENCE, |status| {
        sum(status, "containers") == all
    })?;
    let open = gate.open()?;
    agent.wait_for("every deviation to be counted", PATIENCE, |status| {
        sum(status, "deviations") == all * TIMES
    })?;
    drop(open);

    let grown = memory(&agent, "VmHWM:")?.saturating_sub(before);
    println!("{all} containers took {grown} KiB");
    ensure!(
        grown <= GROWTH_MAX,
        "the agent grew by {grown} KiB from {before} KiB"
    );
    let ids: Vec<String> = containers.iter().map(|one| one.id().to_owned()).collect();
    side_by_side(containers, |container| {
        drop(container);
        Ok(())
    })?;
    agent.wait_for("every container to be gone", PATIENCE, |status| {
        sum(status, "containers") == 0
    })?;
    scene.finish_with(agent, |records| {
        let mut told = 0;
        for (id, pod) in ids.iter().zip(&pods) {
            told += are_told(id, pod, records)?;
        }
        ensure!(
            told == records.len(),
            "{} others: {records:#?}",
            records.len() - told
        );
        Ok(())
    })
}

/// So many pods, the first of them each of another controller.
fn pods(count: usize) -> Vec<Pod> {
    let mut pods: Vec<Pod> = Vec::with_capacity(count);
    for number in 0..count {
        let mut pod = Pod::of(&["api"]);
        if let Some(first) = pods.get(number % CONTROLLERS) {
            pod.owner.clone_from(&first.owner);
        }
        pods.push(pod);
    }
    pods
}

/// Fails unless a container's deviations were told once and summed up, under the
/// name of its pod; how many records that took.
fn are_told(id: &str, pod: &Pod, records: &[Record]) -> Result<usize> {
    let of_it = |record: &&Record| record.parameter(ELEMENT, "container") == Some(id);
    let records: Vec<&Record> = records.iter().filter(of_it).collect();
    let first = records.iter().filter(|record| brief(record) == PLANTED);
    let (first, all) = (
        first.count(),
        records.iter().map(|record| count(record)).sum::<u64>(),
    );
    ensure!(
        (first, all) == (1, TIMES),
        "{first} told, {all} in all: {records:#?}"
    );
    for record in &records {
        let name = pod.name();
        let workload = pod.workload("Deployment", "api");
        for (field, expected) in [
            ("workload", workload.as_str()),
            ("attributed", "true"),
            ("pod", &name),
            ("pod_uid", &pod.uid),
            ("id", records[0].parameter(ELEMENT, "id").context("an id")?),
        ] {
            let found = record.parameter(ELEMENT, field);
            ensure!(found == Some(expected), "{field}: {}", record.raw);
        }
        ensure!(brief(record).starts_with(PLANTED), "{}", record.raw);
    }
    Ok(records.len())
}

/// What containers wait for: to open it for reading takes somebody who writes.
struct Gate(TempDir);

impl Gate {
    fn new() -> Result<Self> {
        let gate = Self(TempDir::with_prefix(unique_name())?);
        mknodat(CWD, gate.at(), FileType::Fifo, Mode::RWXU, 0)?;
        Ok(gate)
    }

    /// For as long as the file is open.
    fn open(&self) -> Result<File> {
        Ok(OpenOptions::new().read(true).write(true).open(self.at())?)
    }

    fn at(&self) -> PathBuf {
        self.0.path().join("gate")
    }
}

/// Works on all of them, [`AT_A_TIME`]; the results in their order.
fn side_by_side<T: Send, R: Send>(
    mut all: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let work = &work;
    let share = all.len().div_ceil(AT_A_TIME).max(1);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        while !all.is_empty() {
            let rest = all.split_off(share.min(all.len()));
            let share = mem::replace(&mut all, rest);
            workers.push(scope.spawn(move || share.into_iter().map(work).collect()));
        }
        let done = workers
            .into_iter()
            .map(|worker| worker.join().expect("it does not panic"));
        let done: Result<Vec<Vec<R>>> = done.collect();
        Ok(done?.into_iter().flatten().collect())
    })
}

/// A figure of the agent's memory, in KiB.
fn memory(agent: &Agent<'_>, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number
        .with_context(|| format!("no {name} in {status}"))?
        .parse()?)
}

/// Its start has one of its own.
fn begin_a_new_peak(agent: &Agent<'_>) -> Result<()> {
    let file = format!("/proc/{}/clear_refs", agent.pid());
    fs::write(&file, "5").with_context(|| format!("cannot write {file}"))
}

/// Slots for workloads: one for each that has a container.
const SLOTS_MAX: usize = (SLOTS - SLOT_FIRST) as usize;

/// What the kernel side has no slot for, the agent judges exec by exec.
pub fn a_workload_for_which_there_is_no_slot_is_judged_and_not_stopped() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(
        "  processes:\n    - { path: /bin/busybox, applet: sh }\n  action: block\n",
    )?;
    let agent = scene.agent(&["--host", "--enforce"])?;
    // Units of the machine's own.
    let others = workloads(&agent.status()?);
    let units = (0..SLOTS_MAX)
        .map(|_| Cgroup::named(&format!("/system.slice/{}.service", unique_name())))
        .collect::<Result<Vec<_>>>()?;
    agent.wait_for("as many workloads as there are slots", PATIENCE, |status| {
        workloads(status) == others + units.len()
    })?;

    let container = obedient(&scene)?;
    let copy = in_it(&container, "/tmp/busybox");
    fs::copy(in_it(&container, "/bin/busybox"), copy)?;
    let ended = does(&container, "/tmp/busybox touch /tmp/mark")?;
    ensure!(ended == "0", "it ended with {ended}");
    ensure!(in_it(&container, "/tmp/mark").exists(), "it did not run");
    let status = scene.wait_for_count(&agent, "deviations", 1)?;
    let own = scene.of_status(&status).context("the workload")?;
    ensure!(own["blocks"] != true, "{own:#}");

    // With the last of another workload goes a slot.
    drop(units);
    drop(container);
    agent.wait_for("the slots to be free", PATIENCE, |status| {
        workloads(status) == others
    })?;
    let container = obedient(&scene)?;
    // What it runs before it has a name is not stopped.
    agent.wait_for("the container to have a slot", PATIENCE, |status| {
        scene
            .of_status(status)
            .is_some_and(|own| own["blocks"] == true)
    })?;
    fs::copy(
        in_it(&container, "/bin/busybox"),
        in_it(&container, "/tmp/busybox"),
    )?;
    let ended = does(&container, "/tmp/busybox touch /tmp/mark")?;
    ensure!(["126", "137"].contains(&&*ended), "it ended with {ended}");

    scene.finish_with(agent, |records| {
        let told: Vec<_> = { records.iter() }
            .map(|record| (brief(record), record.parameter(ELEMENT, "action")))
            .collect();
        let drift = || "drift /tmp/busybox".to_owned();
        let expected = [(drift(), Some("alerted")), (drift(), Some("blocked"))];
        ensure!(told == expected, "{told:?}");
        Ok(())
    })
}

/// How many workloads have a container.
fn workloads(status: &Value) -> usize {
    status["workloads"].as_array().map_or(0, Vec::len)
}
