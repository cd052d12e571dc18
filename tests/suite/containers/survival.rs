//! What goes on when the agent does not: its programs stay in the kernel, and the
//! next agent tells what they saw.

use super::blocking::{does, in_it, obedient};
use super::expect::{count, counted, only};
use super::scene::{ELEMENT, PATIENCE, Scene, exec, shell, window};
use anyhow::{Context, Result, ensure};
use aya::maps::{Map, MapData, ProgramArray};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use testbed::{Agent, Container, Record, node, unique_name, until};

/// What the containers may run.
pub const LISTED: &str =
    "  processes:\n    - path: /bin/busybox\n    - path: /opt/intruders/storm\n";
pub const HELLO: &str = "/opt/intruders/hello";
/// What the documents promise, and what rsyslogd and a busy machine take.
const SOON: Duration = Duration::from_secs(5 + 2);
/// Where only its shell may run, and what deviates is stopped.
const BLOCKED: &str = "  processes:\n    - { path: /bin/busybox, applet: sh }\n  action: block\n";

/// An agent that holds the workload to a document, and a container that it knows.
fn begun<'s>(
    scene: &'s Scene,
    document: &str,
    container: impl Fn(&Scene) -> Result<Container>,
) -> Result<(Agent<'s>, Container)> {
    scene.write_document(document)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = container(scene)?;
    scene.wait_for_count(&agent, "containers", 1)?;
    Ok((agent, container))
}

/// How many execs of the intruder are told of, each record once by its number.
fn told(records: &[Record], container: &Container) -> u64 {
    counted(records, container, HELLO)
}

pub fn what_runs_while_there_is_no_agent_is_told() -> Result<()> {
    let scene = Scene::pinning()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &[HELLO])?;
    scene.wait_for_records(&container, 1)?;
    agent.crash()?;

    exec(&container, &[HELLO])?;
    exec(&container, &["/app/worker"])?;
    exec(&container, &["/app/worker"])?;
    // One that comes and goes while nobody looks.
    let short = unique_name();
    let bundle = scene.container(&["/app/worker"]).bundle()?;
    bundle.run_to_end(&short)?;
    let agent = scene.agent(&["--enforce"])?;

    scene.wait_for_records(&container, 4)?;
    scene
        .rsyslogd
        .wait_for("the one that is gone", PATIENCE, |records| {
            records
                .iter()
                .any(|record| record.parameter(ELEMENT, "container") == Some(&short))
        })?;
    scene.finish_with(agent, |records| {
        ensure!(told(records, &container) == 2, "{records:#?}");
        ensure!(counted(records, &container, "/app/worker") == 2);
        let field = |record: &Record, name| record.parameter(ELEMENT, name).map(str::to_owned);
        let gone = |record: &&Record| field(record, "container").as_ref() == Some(&short);
        let gone: Vec<&Record> = records.iter().filter(gone).collect();
        ensure!(gone.len() == 1 && count(gone[0]) == 1, "{records:#?}");
        // Its runtime has forgotten what it was.
        ensure!(
            field(gone[0], "attributed").as_deref() == Some("false"),
            "{gone:?}"
        );
        Ok(())
    })
}

pub fn what_runs_while_there_is_no_agent_is_learned_without_a_gap() -> Result<()> {
    let scene = Scene::pinning()?;
    let agent = scene.agent(&["--automatic", &window(12)])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    let learned = scene.wait_for_count(&agent, "processes", 2)?;
    // What was learned is saved once a second.
    let then = learned["agent"]["uptime_s"].as_u64().context("an age")?;
    agent.wait_for("it to be saved", PATIENCE, |status| {
        status["agent"]["uptime_s"].as_u64() >= Some(then + 2)
    })?;
    agent.crash()?;

    exec(&container, &[HELLO])?;
    let agent = scene.agent(&["--automatic", &window(12)])?;
    let status = scene.wait_for_count(&agent, "processes", 3)?;
    let learning = &scene.of_status(&status).context("the workload")?["learning"];
    ensure!(
        learning["incomplete"] == serde_json::json!([]),
        "{learning:#}"
    );
    scene.wait_for_mode(&agent, "enforce")?;

    let learned = scene.learned()?;
    ensure!(learned.contains(HELLO), "{learned}");
    ensure!(
        learned.contains("gaps: []") || !learned.contains("gaps:"),
        "{learned}"
    );
    exec(&container, &[HELLO])?;
    scene.finish(agent, &[])
}

pub fn b27_what_deviates_is_stopped_while_there_is_no_agent() -> Result<()> {
    let scene = Scene::pinning()?;
    let (agent, container) = begun(&scene, BLOCKED, obedient)?;
    let mark = in_it(&container, "/tmp/mark");
    fs::copy(
        in_it(&container, "/bin/busybox"),
        in_it(&container, "/tmp/evil"),
    )?;
    agent.crash()?;

    // What only its name decides, and what may run under none.
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "137");
    let (status, how) = match node::asks_before_execs() {
        true => ("126", "refused"),
        false => ("137", "killed"),
    };
    ensure!(does(&container, "/tmp/evil touch /tmp/mark")? == status);
    ensure!(!mark.exists(), "it ran");
    ensure!(does(&container, "sh -c ':'")? == "0");
    let agent = scene.agent(&["--enforce"])?;

    scene.wait_for_records(&container, 2)?;
    scene.finish_with(agent, |records| {
        for (what, how) in [("applet /bin/busybox", "killed"), ("drift /tmp/evil", how)] {
            let record = only(records, &container, what)?;
            let action = record.parameter(ELEMENT, "action");
            ensure!(action == Some("blocked"), "{record:?}");
            let stopped = record.parameter(ELEMENT, "stopped");
            ensure!(stopped == Some(how), "{record:?}");
        }
        Ok(())
    })
}

/// As without a BPF file system: they end with the agent.
pub fn without_pins_nothing_is_stopped_when_the_agent_has_ended() -> Result<()> {
    let scene = Scene::new()?;
    let (agent, container) = begun(&scene, BLOCKED, obedient)?;
    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "137");

    agent.crash()?;

    ensure!(does(&container, "/bin/busybox touch /tmp/mark")? == "0");
    Ok(())
}

/// Nobody has named it yet, and without pins nothing judges at all.
pub fn what_starts_while_there_is_no_agent_is_not_stopped() -> Result<()> {
    for pins in [true, false] {
        let scene = if pins { Scene::pinning() } else { Scene::new() }?;
        let (agent, old) = begun(&scene, BLOCKED, obedient)?;
        agent.crash()?;

        let new = obedient(&scene)?;
        ensure!(does(&new, "/bin/busybox touch /tmp/mark")? == "0");
        let stopped = does(&old, "/bin/busybox touch /tmp/mark")? == "137";
        ensure!(stopped == pins, "it was stopped: {stopped}");
        let agent = scene.agent(&["--enforce"])?;
        scene.wait_for_count(&agent, "containers", 2)?;
        // From now on it is.
        ensure!(does(&new, "/bin/busybox touch /tmp/again")? == "137");

        let expected = if pins { 3 } else { 1 };
        scene.finish_with(agent, |records| {
            let deviations: u64 = records.iter().map(count).sum();
            ensure!(deviations == expected, "{records:#?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// The agent's own command, with the scene's places.
fn unload(scene: &Scene) -> Result<Output> {
    Command::new(testbed::binary()?)
        .arg("unload")
        .arg("--pins")
        .arg(scene.home.pins())
        .output()
        .context("cannot start execwarden")
}

pub fn the_off_switch_needs_no_agent() -> Result<()> {
    let scene = Scene::pinning()?;
    let (agent, container) = begun(&scene, BLOCKED, obedient)?;

    let refused = unload(&scene)?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        said.contains("an agent that runs, and would go on"),
        "{said}"
    );
    ensure!(does(&container, "/bin/busybox true")? == "137");
    agent.crash()?;
    ensure!(does(&container, "/bin/busybox true")? == "137");

    let done = unload(&scene)?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(does(&container, "/bin/busybox true")? == "0");
    ensure!(!scene.home.pins().exists());
    let again = String::from_utf8_lossy(&unload(&scene)?.stdout).into_owned();
    ensure!(again.starts_with("there is no "), "{again}");
    Ok(())
}

pub fn what_was_pinned_by_another_version_is_replaced() -> Result<()> {
    let scene = Scene::pinning()?;
    let (agent, container) = begun(&scene, LISTED, Scene::idle)?;
    agent.crash()?;
    // Another layout has another name, and its maps are not looked into.
    let pins = scene.home.pins();
    let generation = generation(&scene)?;
    fs::rename(pins.join(&generation), pins.join("1-v999"))?;

    let agent = scene.agent(&["--enforce"])?;
    shell(&container, HELLO)?;
    scene.wait_for_records(&container, 1)?;

    let log = agent.log();
    ensure!(log.contains("another version"), "{log}");
    ensure!(!pins.join("1-v999").exists());
    scene.finish_with(agent, |records| {
        ensure!(told(records, &container) == 1, "{records:#?}");
        Ok(())
    })
}

/// The folder of the one agent that has pinned something.
fn generation(scene: &Scene) -> Result<String> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(scene.home.pins())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    ensure!(folders.len() == 1, "{folders:?}");
    folders.pop().context("a folder")
}

pub fn what_is_left_is_removed_when_it_is_told() -> Result<()> {
    let scene = Scene::pinning()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    exec(&container, &[HELLO])?;
    agent.crash()?;
    let before = generation(&scene)?;

    let agent = scene.agent(&["--enforce"])?;
    let gone = || {
        Ok(generation(&scene)
            .is_ok_and(|now| now != before)
            .then_some(()))
    };
    until("what was left to be removed", PATIENCE, gone)?;
    let now = generation(&scene)?;
    agent.stop()?;

    // The last agent's stays.
    ensure!(generation(&scene)? == now);
    let agent = scene.agent(&["--enforce"])?;
    scene.finish_with(agent, |records| {
        ensure!(told(records, &container) == 1, "{records:#?}");
        Ok(())
    })
}

pub fn b28_who_unpins_or_turns_the_programs_is_told_of_and_undone() -> Result<()> {
    let scene = Scene::pinning()?;
    let (agent, container) = begun(&scene, LISTED, Scene::idle)?;
    let pins = scene.home.pins();
    let told = |text: &str| -> Result<()> {
        let begun = Instant::now();
        scene.rsyslogd.wait_for(text, PATIENCE, |records| {
            let is_told = |record: &Record| record.msgid == "tampered" && record.raw.contains(text);
            records.iter().any(is_told)
        })?;
        ensure!(begun.elapsed() < SOON, "{text}: {:?}", begun.elapsed());
        Ok(())
    };

    fs::remove_dir_all(&pins)?;
    // The agent holds all of it.
    exec(&container, &[HELLO])?;
    scene.wait_for_records(&container, 1)?;
    told("and it was put back")?;
    ensure!(generation(&scene).is_ok());

    let gate = MapData::from_pin(pins.join("execwarden_gate-leads-to"))?;
    let mut gate = ProgramArray::try_from(Map::ProgramArray(gate))?;
    gate.clear_index(&0)?;
    told("and they are led to them again")?;
    exec(&container, &[HELLO])?;

    // What was pinned again is as good as the first: the next agent takes it over.
    scene.wait_for_count(&agent, "deviations", 2)?;
    agent.crash()?;
    exec(&container, &[HELLO])?;
    let agent = scene.agent(&["--enforce"])?;
    scene.finish_with(agent, |records| {
        let told = self::told(records, &container);
        ensure!(told == 3, "{told}: {records:#?}");
        Ok(())
    })
}

pub fn b28_who_unmounts_what_the_programs_are_pinned_in_is_told_of() -> Result<()> {
    let scene = Scene::pinning()?;
    let (agent, container) = begun(&scene, LISTED, Scene::idle)?;
    let pins = scene.home.pins();

    let begun = Instant::now();
    unmount(pins.parent().context("a folder")?, UnmountFlags::DETACH)?;
    exec(&container, &[HELLO])?;
    let told = |record: &Record| record.raw.contains("they end with it [tampered]");
    scene
        .rsyslogd
        .wait_for("it to be told", PATIENCE, |records| {
            records.iter().any(told)
        })?;
    ensure!(begun.elapsed() < SOON, "{:?}", begun.elapsed());

    let status = agent.status()?;
    ensure!(status["agent"]["pins"]["error"].is_string(), "{status:#}");
    scene.finish_with(agent, |records| {
        ensure!(self::told(records, &container) == 1, "{records:#?}");
        Ok(())
    })
}
