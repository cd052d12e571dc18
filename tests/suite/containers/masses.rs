//! Very many containers, and very many execs.

use super::expect::{count, counted};
use super::scene::{ELEMENT, PATIENCE, Scene, accounting_holds, at, exec, shell};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::{Duration, Instant};
use testbed::{Container, Record, node, patience, unique_name};

/// Containers whose only process lives a millisecond. A slow machine gets fewer.
const CONTAINERS: usize = 1000;
/// Execs of the flood, unless [`FLOOD_TIME`] is over before.
const FLOOD: u64 = 100_000;
const FLOOD_TIME: Duration = Duration::from_secs(20);
/// Execs of the flood however long they take; `cargo xtask flood` sets it.
const EXECS: &str = "EXECWARDEN_FLOOD_EXECS";
/// Execs of one process of the flood.
const ROUND: u64 = 5_000;
/// Execs after which there is a flood.
const EARLY: u64 = 1_000;

/// How long the flood takes that somebody asked for, on the slowest of machines.
pub fn length() -> Duration {
    const EACH: Duration = Duration::from_millis(4);
    asked().map_or(Duration::ZERO, |execs| EACH.mul_f64(execs as f64))
}

/// How many execs somebody asked for.
fn asked() -> Option<u64> {
    env::var(EXECS).ok()?.parse().ok()
}

pub fn b19_the_first_exec_is_never_lost() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    // Each is to be told by itself.
    let agent = scene.agent(&["--enforce", "--alert-burst", "100000"])?;

    // One bundle for all: a container of its own is what each has to be, not
    // a file system of its own.
    let bundle = scene.container(&["/app/worker"]).bundle()?;
    let containers = CONTAINERS / patience() as usize;
    let ids: Vec<String> = (0..containers).map(|_| unique_name()).collect();
    thread::scope(|scope| -> Result<()> {
        let halves: Vec<_> = ids
            .chunks(containers.div_ceil(2))
            .map(|half| scope.spawn(|| half.iter().try_for_each(|id| bundle.run_to_end(id))))
            .collect();
        halves
            .into_iter()
            .try_for_each(|half| half.join().expect("it does not panic"))
    })?;

    scene.finish_with(agent, |records| {
        let (good, bad): (Vec<&Record>, Vec<&Record>) = records.iter().partition(|record| {
            let field = |name| record.parameter(ELEMENT, name);
            field("workload") == Some(&scene.workload())
                && field("path") == Some("/app/worker")
                && field("reason") == Some("unlisted")
        });
        ensure!(
            bad.is_empty(),
            "{} records are wrong, such as {}",
            bad.len(),
            bad[0].raw
        );
        let mut told: BTreeMap<&str, u64> = BTreeMap::new();
        for record in good {
            let field = |name| record.parameter(ELEMENT, name);
            *told
                .entry(field("container").context("a container")?)
                .or_default() += 1;
        }
        let lost = ids
            .iter()
            .filter(|id| !told.contains_key(id.as_str()))
            .count();
        ensure!(
            lost == 0 && told.len() == containers && told.values().all(|count| *count == 1),
            "of {containers} containers {lost} were not told of: {:#?}",
            told.iter()
                .filter(|(_, count)| **count != 1)
                .collect::<Vec<_>>()
        );
        Ok(())
    })
}

pub fn b24_one_exec_in_a_flood() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /opt/intruders/storm\n",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let flooded = scene.idle()?;
    let quiet = scene.idle()?;

    let begun = Instant::now();
    let flood = thread::scope(|scope| -> Result<u64> {
        let flood = scope.spawn(|| flood(&flooded));
        // In the middle of it.
        agent.wait_for("the flood", PATIENCE, |status| {
            scene
                .of_status(status)
                .is_some_and(|workload| workload["deviations"].as_u64() > Some(EARLY))
        })?;
        exec(&flooded, &["/app/worker"])?;
        exec(&quiet, &["/app/worker"])?;
        flood.join().expect("it does not panic")
    })?;

    accounting_holds(&agent)?;
    let status = scene.wait_for_count(&agent, "deviations", flood + 2)?;
    // Every exec that the kernel counted: the flood and its storms, two times
    // sleep, and the two single ones; and runc's own, whose number is its own
    // affair.
    let execs = scene.of_status(&status).context("the workload")?["execs"]
        .as_u64()
        .context("a number")?;
    ensure!(execs >= flood + flood.div_ceil(ROUND) + 4, "{execs} execs");
    scene.finish_with(agent, |records| {
        let found = [
            counted(records, &flooded, "/opt/intruders/hello"),
            counted(records, &flooded, "/app/worker"),
            counted(records, &quiet, "/app/worker"),
        ];
        ensure!(
            found == [flood, 1, 1],
            "{found:?}, and the flood had {flood}"
        );
        ensure!(
            records.iter().map(count).sum::<u64>() == flood + 2 && records.len() <= 10,
            "{} records of {} execs",
            records.len(),
            records.iter().map(count).sum::<u64>()
        );
        eprintln!(
            "{flood} execs in {} s, {} records",
            begun.elapsed().as_secs(),
            records.len()
        );
        Ok(())
    })
}

/// A storm of executables that are all different: few records, whose counts add up,
/// and what is critical among it is told by itself.
pub fn b32_a_storm_of_many_is_few_records() -> Result<()> {
    const INTRUDERS: u64 = 400;

    let scene = Scene::new()?;
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /opt/intruders/memfd\n",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let stormy = scene.idle()?;

    let one = "cp /app/worker /tmp/w$i && /tmp/w$i";
    shell(
        &stormy,
        &format!("i=0; while [ $i -lt {INTRUDERS} ]; do i=$((i + 1)); {one}; done"),
    )?;
    exec(&stormy, &[&at("memfd"), "x", "/app/worker", "/app/worker"])?;
    scene.wait_for_count(&agent, "deviations", INTRUDERS + 1)?;
    let kept = agent.ask(&["alerts", "--json"])?;
    let kept: Value = serde_json::from_slice(&kept.stdout)?;
    let kept = kept.as_array().context("a list")?.iter();
    let kept = kept.filter(|row| row["workload"] == scene.workload().as_str());
    ensure!(kept.count() as u64 == INTRUDERS + 1, "each alert is kept");

    scene.finish_with(agent, |records| {
        let sum = records.iter().map(count).sum::<u64>();
        let of = |reason: &str| {
            let records = records.iter();
            records.filter(|record| record.msgid == reason).count()
        };
        ensure!(
            sum == INTRUDERS + 1 && records.len() < 200,
            "{} records of {sum} execs",
            records.len()
        );
        ensure!(of("fileless") == 1 && of("overflow") >= 1, "{records:#?}");
        Ok(())
    })
}

/// Runs an intruder as often as it can; how often that was.
fn flood(container: &Container) -> Result<u64> {
    let begun = Instant::now();
    let is_time = || asked().is_some() || begun.elapsed() < FLOOD_TIME * patience();
    let mut total = 0;
    while total < asked().unwrap_or(FLOOD) && is_time() && !node::ending() {
        let round = exec(container, &[&at("storm"), &ROUND.to_string(), &at("hello")])?;
        let printed = String::from_utf8_lossy(&round.stdout);
        total += printed
            .trim()
            .parse::<u64>()
            .context("storm prints a number")?;
    }
    Ok(total)
}
