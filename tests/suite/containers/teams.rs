//! What a team may set on its pods, and what a debug session is. Without an API
//! server: the runtime tells the annotations.

use super::cluster::{Cluster, Pod, write_document};
use super::expect::is_of;
use super::scene::{ELEMENT, PATIENCE, Scene, exec, window, workload_in};
use anyhow::{Context, Result, ensure};
use execwarden::containers::Wishes;
use serde_json::Value;
use testbed::{Agent, Container, Record};

/// A debug container is reported from its first exec on while its workload learns,
/// and what a document about debug containers lists is not.
pub fn a_debug_container_is_reported_from_its_first_exec() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api", "debugger-x7k2p", "debugger-4bq9z"]);
    let cluster = Cluster::of(&[&pod])?;
    let agent = cluster.agent(&scene, &["--automatic", "24h"])?;

    let api = pod.start(&scene, "api")?;
    exec(&api, &["/app/worker"])?;
    let debugger = pod.start(&scene, "debugger-x7k2p")?;
    exec(&debugger, &["/app/worker"])?;
    scene.wait_for_records(&debugger, 2)?;
    let workload = pod.workload("Deployment", "(ephemeral)");
    let status = agent.status()?;
    let found = workload_in(&status, &workload).context("debug containers are a workload")?;
    ensure!(
        found["mode"] == "enforce" && found["kind"] == "ephemeral",
        "{found:#}"
    );
    let found = workload_in(&status, &pod.workload("Deployment", "api"));
    ensure!(
        found.is_some_and(|found| found["mode"] == "learn"),
        "{found:#?}"
    );

    let more = "    - path: /app/worker\n";
    write_document(&scene, "debug", &pod.owner, "(ephemeral)", more)?;
    agent.wait_for("the document to count", PATIENCE, |status| {
        workload_in(status, &workload).is_some_and(|found| found["processes"] == 2)
    })?;
    let next = pod.start(&scene, "debugger-4bq9z")?;
    exec(&next, &["/app/worker"])?;
    exec(&next, &["/opt/intruders/hello"])?;
    scene.wait_for_records(&next, 1)?;

    scene.finish_with(agent, |records| {
        let of = |container| briefs(records, container);
        ensure!(of(&api).is_empty(), "{records:#?}");
        ensure!(
            of(&debugger) == ["unlisted /app/worker", "unlisted /bin/busybox"],
            "{records:#?}"
        );
        ensure!(
            of(&next) == ["unlisted /opt/intruders/hello"],
            "{records:#?}"
        );
        for record in records {
            let field = |name| record.parameter(ELEMENT, name);
            ensure!(field("workload") == Some(&workload), "{record:?}");
            ensure!(field("container_kind") == Some("ephemeral"), "{record:?}");
            ensure!(field("container_attempt") == Some("0"), "{record:?}");
            ensure!(field("runtime_handler") == Some("runsc"), "{record:?}");
        }
        Ok(())
    })
}

/// By default a team may only make it stricter.
pub fn a_teams_annotations_tighten() -> Result<()> {
    let scene = Scene::new()?;
    let held = Pod::of(&["api"]).asking(Wishes::MODE, "enforce");
    let off = Pod::of(&["api"]).asking(Wishes::MODE, "off");
    let short = Pod::of(&["api"]).asking(Wishes::WINDOW, &window(8));
    let long = Pod::of(&["api"]).asking(Wishes::WINDOW, "7d");
    let listed = Pod::of(&["api"]).asking(Wishes::ALLOWLIST, "tools");
    let broken = Pod::of(&["api"]).asking(Wishes::MODE, "en\u{1b}[31mforce\nx");
    let pods = [&held, &off, &short, &long, &listed, &broken];
    let cluster = Cluster::of(&pods)?;
    write_document(&scene, "tools", "some-other", "api", "")?;
    let agent = cluster.agent(&scene, &["--automatic", "24h"])?;

    let containers = pods
        .iter()
        .map(|pod| pod.start(&scene, "api"))
        .collect::<Result<Vec<_>>>()?;
    let [of_held, of_off, of_short, of_long, of_listed, of_broken] = &containers[..] else {
        unreachable!("as many as there are pods");
    };
    for container in &containers {
        exec(container, &["/app/worker"])?;
    }
    for (pod, mode) in [
        (&held, "no-allowlist"),
        (&off, "learn"),
        (&long, "learn"),
        (&listed, "enforce"),
        (&broken, "learn"),
        // Its window ends before all others'.
        (&short, "enforce"),
    ] {
        wait_for_mode(&agent, pod, mode)?;
    }
    exec(of_short, &["/opt/intruders/hello"])?;
    scene.wait_for_records(of_short, 1)?;
    scene.wait_for_records(of_listed, 1)?;

    let status = agent.status()?;
    for (pod, refused) in [
        (&held, ""),
        (
            &off,
            "execwarden.dev/mode: \"off\" is refused: annotations may only tighten",
        ),
        (&long, "execwarden.dev/window: \"7d\" is refused"),
        (
            &broken,
            "mode: \"en\\x1b[31mforce\\x0ax\" is refused: it is none of",
        ),
    ] {
        let found = refusals(&status, pod)?;
        let told = agent.log().matches(&found).count();
        ensure!(found.contains(refused), "{found}");
        ensure!(
            refused.is_empty() || told == 1,
            "told {told} times: {found}"
        );
    }
    scene.finish_with(agent, |records| {
        for (container, expected) in [
            (of_held, &["no-allowlist"][..]),
            (of_off, &[]),
            (of_short, &["unlisted /opt/intruders/hello"]),
            (of_long, &[]),
            (of_listed, &["unlisted /app/worker"]),
            (of_broken, &[]),
        ] {
            let found = briefs(records, container);
            ensure!(
                found == expected,
                "{found:?}, not {expected:?}: {records:#?}"
            );
        }
        Ok(())
    })
}

/// Where the operator lets it, a team may turn it off; and where not, nothing is
/// looked at.
pub fn a_teams_annotations_count_as_the_operator_says() -> Result<()> {
    for (policy, mode, count) in [("any", "off", 0), ("ignore", "no-allowlist", 1)] {
        let scene = Scene::new()?;
        let pod = Pod::of(&["api"]).asking(Wishes::MODE, "off");
        let cluster = Cluster::of(&[&pod])?;
        let agent = cluster.agent(&scene, &["--enforce", "--annotations", policy])?;

        let container = pod.start(&scene, "api")?;
        exec(&container, &["/app/worker"])?;
        wait_for_mode(&agent, &pod, mode)?;
        scene.wait_for_records(&container, count)?;

        ensure!(refusals(&agent.status()?, &pod)?.is_empty(), "{policy}");
        scene.finish_with(agent, |records| {
            let found = briefs(records, &container);
            ensure!(found.len() == count, "{policy}: {records:#?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// The newest container speaks for its workload, and what is learned waits.
pub fn a_workload_goes_by_its_newest_pod() -> Result<()> {
    let scene = Scene::new()?;
    let before = Pod::of(&["api"]);
    let mut after = Pod::of(&["api"]).asking(Wishes::MODE, "enforce");
    after.owner.clone_from(&before.owner);
    let cluster = Cluster::of(&[&before, &after])?;
    let agent = cluster.agent(&scene, &["--automatic", "24h"])?;

    let old = before.start(&scene, "api")?;
    exec(&old, &["/app/worker"])?;
    wait_for_mode(&agent, &before, "learn")?;
    let new = after.start(&scene, "api")?;
    wait_for_mode(&agent, &before, "no-allowlist")?;
    scene.wait_for_records(&new, 1)?;

    scene.finish_with(agent, |records| {
        ensure!(briefs(records, &new) == ["no-allowlist"], "{records:#?}");
        Ok(())
    })?;
    drop(old);
    Ok(())
}

/// A class that is off is told of.
pub fn a_class_that_is_off_is_told_of() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["debugger-x7k2p"]);
    let cluster = Cluster::of(&[&pod])?;
    let agent = cluster.agent(&scene, &["--enforce", "--classes", "ephemeral=off"])?;

    let container = pod.start(&scene, "debugger-x7k2p")?;
    exec(&container, &["/app/worker"])?;
    let workload = pod.workload("Deployment", "(ephemeral)");
    let status = agent.wait_for("the workload", PATIENCE, |status| {
        workload_in(status, &workload).is_some_and(|found| found["mode"] == "off")
    })?;

    ensure!(status["agent"]["kinds_off"][0] == "ephemeral", "{status:#}");
    let page = String::from_utf8(agent.ask(&["status"])?.stdout)?;
    ensure!(
        page.contains("nothing is asked of ephemeral containers"),
        "{page}"
    );
    ensure!(
        agent.log().contains("their class is off"),
        "{}",
        agent.log()
    );
    scene.finish_with(agent, |records| {
        ensure!(records.is_empty(), "{records:#?}");
        Ok(())
    })?;
    drop(container);
    Ok(())
}

fn wait_for_mode(agent: &Agent<'_>, pod: &Pod, mode: &str) -> Result<()> {
    let workload = pod.workload("Deployment", "api");
    let what = format!("{workload} to be in mode {mode}");
    let is_so =
        |status: &Value| workload_in(status, &workload).is_some_and(|found| found["mode"] == mode);
    agent.wait_for(&what, PATIENCE, is_so).map(drop)
}

/// What is refused to a pod, as the status has it.
fn refusals(status: &Value, pod: &Pod) -> Result<String> {
    let workload = pod.workload("Deployment", "api");
    let found = workload_in(status, &workload).context("the workload is not there")?;
    Ok(found["refused"][0].as_str().unwrap_or_default().to_owned())
}

/// What is told of a container in short, sorted; sums of what was told before are
/// left out.
pub fn briefs(records: &[Record], container: &Container) -> Vec<String> {
    let is_first = |record: &&Record| record.parameter(ELEMENT, "kind") == Some("deviation");
    let of_it = records.iter().filter(|record| is_of(record, container));
    let mut briefs: Vec<String> = of_it.filter(is_first).map(super::expect::brief).collect();
    briefs.sort_unstable();
    briefs
}
