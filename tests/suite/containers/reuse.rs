//! Numbers that come again: a process id that many processes had in turn.

use super::scene::{ELEMENT, Scene, at, exec};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use testbed::intruders;

/// Processes that live a millisecond, one after the other, under one id.
const TIMES: u32 = 200;

pub fn b29_a_process_id_that_was_anothers() -> Result<()> {
    let scene = Scene::new()?;
    scene.intruder("reborn")?;
    let first = "/app/many/1";
    scene.image.program(&intruders::build("nothing")?, first)?;
    for number in 2..=TIMES {
        let name = scene.image.inside(&format!("/app/many/{number}"));
        fs::hard_link(scene.image.inside(first), name)?;
    }
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /opt/intruders/reborn\n",
    )?;
    // Each is to be told by itself.
    let agent = scene.agent(&["--enforce", "--alert-burst", "10000"])?;
    let container = scene
        .container(&["sleep", "1000"])
        .for_a_runtime()
        .with_the_nodes_processes()
        .run()?;

    let printed = exec(
        &container,
        &[&at("reborn"), &TIMES.to_string(), "/app/many"],
    )?
    .stdout;
    let printed = String::from_utf8(printed)?;
    let pids: BTreeMap<&str, &str> = printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let distinct: BTreeSet<_> = pids.values().collect();
    ensure!(pids.len() == TIMES as usize, "{printed}");
    ensure!(distinct.len() <= 5, "hardly any id came again: {printed}");

    scene.finish_with(agent, |records| {
        ensure!(records.len() == pids.len(), "{} records", records.len());
        let mut starts = BTreeSet::new();
        let mut parents = BTreeSet::new();
        for record in records {
            let field = |name| {
                let value = record.parameter(ELEMENT, name);
                value.with_context(|| format!("no {name}: {}", record.raw))
            };
            let number = field("path")?.trim_start_matches("/app/many/");
            // What each says of itself is its own, not the next one's.
            ensure!(
                pids.get(number) == Some(&field("pid")?)
                    && field("uid")? == number
                    && field("comm")? == number
                    && field("parent_comm")? == "reborn",
                "{}",
                record.raw
            );
            ensure!(starts.insert(field("start_ns")?), "{}", record.raw);
            parents.insert(field("ppid")?);
        }
        ensure!(parents.len() == 1, "{parents:?}");
        Ok(())
    })
}
