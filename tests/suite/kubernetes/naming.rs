//! Whose a container is, by what containerd says of it.

use super::containerd::SOCKET;
use super::driver::Driver;
use super::kubelet::Pod;
use super::node::{IMAGE, Node, has};
use crate::containers::scene::ELEMENT;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

pub fn a_replica_of_a_deployment_is_named(driver: Driver) -> Result<()> {
    let node = Node::new(driver)?;
    node.allow_busybox("Deployment", "api")?;
    let agent = node.scene.agent(&["--automatic", "1h"])?;

    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    let id = node.kubelet.start(&pod, "api", IMAGE, &["sleep", "1000"])?;
    driver.has_made(&pod.pod, &id)?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    let records = node.wait_for_records(&pod.pod, 1)?;

    let status = agent.status()?;
    ensure!(
        status["cri"]["state"] == "answers" && status["cri"]["socket"] == SOCKET,
        "{status:#}"
    );
    has(
        &records[0],
        &[
            ("reason", "unlisted"),
            ("path", "/app/worker"),
            ("workload", &node.workload("api")),
            ("namespace", "shop"),
            ("pod", &pod.pod.name),
            ("pod_uid", &pod.pod.uid),
            ("runtime", "containerd"),
            ("container", &id),
            ("image", IMAGE),
            ("attributed", "true"),
            ("origin", "injected"),
            ("layer", "image"),
            ("container_attempt", "0"),
        ],
    )?;
    let digest = records[0].parameter(ELEMENT, "image_digest");
    ensure!(
        digest.is_some_and(|digest| digest.starts_with("sha256:")),
        "{:?}",
        records[0]
    );
    node.scene.finish_with(agent, |records| {
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}

/// Nobody tells what kind of container it is, but the name that `kubectl debug`
/// gives, and that it is run for the first time.
pub fn a_debug_container_is_reported_from_its_first_exec() -> Result<()> {
    let node = Node::new(Driver::Cgroupfs)?;
    let agent = node.scene.agent(&["--automatic", "1h"])?;

    let pod = node.kubelet.run(node.replica("x7k2p"))?;
    node.kubelet.start(&pod, "api", IMAGE, &["sleep", "1000"])?;
    let id = node
        .kubelet
        .start(&pod, "debugger-b9w4n", IMAGE, &["sleep", "1000"])?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    let records = node.wait_for_records(&pod.pod, 1)?;

    for record in &records {
        let workload = node.workload("(ephemeral)");
        has(
            record,
            &[("workload", &workload), ("container_kind", "ephemeral")],
        )?;
    }
    node.scene.finish_with(agent, |_| Ok(()))
}

pub fn a_static_pod_is_named_without_its_node(driver: Driver) -> Result<()> {
    let node = Node::new(driver)?;
    node.allow_busybox("StaticPod", "proxy")?;
    let agent = node
        .scene
        .agent(&["--automatic", "1h", "--node-name", "node-7"])?;

    let mut pod = Pod::named(format!("{}-node-7", node.name));
    pod.annotate("kubernetes.io/config.source", "file");
    pod.annotate("kubernetes.io/config.hash", &pod.uid.clone());
    let pod = node.kubelet.run(pod)?;
    let id = node
        .kubelet
        .start(&pod, "proxy", IMAGE, &["sleep", "1000"])?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    let records = node.wait_for_records(&pod.pod, 1)?;

    let workload = format!("shop/StaticPod/{}/proxy", node.name);
    has(&records[0], &[("workload", &workload)])?;
    node.scene.finish_with(agent, |_| Ok(()))
}

pub fn containers_of_crun_are_named(driver: Driver) -> Result<()> {
    let node = Node::new(driver)?;
    node.allow_busybox("Deployment", "api")?;
    let agent = node.scene.agent(&["--automatic", "1h"])?;

    let mut pod = node.replica("x7k2p");
    pod.handler = "crun";
    let pod = node.kubelet.run(pod)?;
    let id = node.kubelet.start(&pod, "api", IMAGE, &["sleep", "1000"])?;
    driver.has_made(&pod.pod, &id)?;
    node.kubelet.exec(&id, &["/app/worker"])?;
    let records = node.wait_for_records(&pod.pod, 1)?;

    has(
        &records[0],
        &[
            ("workload", &node.workload("api")),
            ("container", &id),
            ("path", "/app/worker"),
            ("origin", "injected"),
        ],
    )?;
    // crun itself, which is a program in memory for a moment, is none.
    node.scene.finish_with(agent, |records| {
        ensure!(records.len() == 1, "{records:#?}");
        Ok(())
    })
}

/// They are gone before anybody could look at them.
pub fn two_hundred_containers_of_a_moment_are_named(driver: Driver) -> Result<()> {
    const CONTAINERS: usize = 200;
    let node = Node::new(driver)?;
    node.allow_busybox("Deployment", "api")?;
    let agent = node.scene.agent(&["--automatic", "1h"])?;

    let started = containers_of_a_moment(&node, CONTAINERS)
        .with_context(|| format!("containerd's last words:\n{}", node.containerd.last_words()))?;

    node.scene.finish_with(agent, |records| {
        for record in records {
            let workload = node.workload("api");
            has(record, &[("workload", &workload), ("attributed", "true")])?;
        }
        let of = |record: &testbed::Record| {
            record
                .parameter(ELEMENT, "container")
                .unwrap_or_default()
                .to_owned()
        };
        let told: BTreeSet<String> = records.iter().map(of).collect();
        ensure!(
            told == started && records.len() == CONTAINERS,
            "{} records of {} containers, {} started",
            records.len(),
            told.len(),
            started.len()
        );
        Ok(())
    })
}

/// Starts so many one after the other, in ten pods, and ends those; gives their ids.
fn containers_of_a_moment(node: &Node, count: usize) -> Result<BTreeSet<String>> {
    /// How many that never began are made anew.
    const LOST: usize = 10;
    /// Random suffixes of pods have no vowels, and few digits.
    const PODS: [&str; 10] = [
        "x7k2b", "x7k2c", "x7k2d", "x7k2f", "x7k2g", "x7k2h", "x7k2j", "x7k2k", "x7k2l", "x7k2m",
    ];
    let mut started = BTreeSet::new();
    // On a machine as slow as a virtual one, Debian's containerd at times loses a
    // container before it has begun. kubelet makes another one then.
    let mut lost = 0;
    for suffix in PODS {
        let pod = node.kubelet.run(node.replica(suffix))?;
        let mut attempts = 0..;
        let whole = started.len() + count / PODS.len();
        while started.len() < whole {
            let attempt = attempts.next().unwrap_or_default();
            let args = ["/app/worker"];
            match node.kubelet.start_again(&pod, "api", IMAGE, &args, attempt) {
                Ok(id) => drop(started.insert(id)),
                Err(error)
                    if lost < LOST && error.to_string().contains("create containerd task") =>
                {
                    println!("another one is made: {error}");
                    lost += 1;
                }
                Err(error) => return Err(error),
            }
        }
        node.kubelet.stop(&pod)?;
    }
    Ok(started)
}
