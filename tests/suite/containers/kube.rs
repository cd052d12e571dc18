//! The API server's word on containers of runc, and what is done without it. The
//! server is one of our own; its bad answers are in `tests/kube`.

use super::cluster::{Cluster, Pod};
use super::expect::is_of;
use super::scene::{ELEMENT, PATIENCE, Scene, exec, workload_in};
use super::teams::briefs;
use crate::api_server::{NAMESPACES, PODS, namespace};
use anyhow::{Context, Result, ensure};
use execwarden::containers::Wishes;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};
use testbed::{Container, Record};

/// Its controller is one that no label tells, and its containers have kinds.
pub fn a_pod_is_what_the_api_server_says() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api", "migrate", "proxy", "look"]);
    let cluster = Cluster::with_api_server(&[&pod])?;
    cluster.server()?.put(
        PODS,
        pod.object(|object| {
            object["spec"] = json!({
                "nodeName": "node-1",
                "initContainers": [
                    { "name": "migrate" },
                    { "name": "proxy", "restartPolicy": "Always" },
                ],
                "containers": [{ "name": "api" }],
                "ephemeralContainers": [{ "name": "look" }],
            });
        }),
    );
    let args = ["--automatic", "24h", "--classes", "sidecar=enforce"];
    let agent = cluster.agent_with_kube(&scene, &args)?;

    let containers = ["api", "migrate", "proxy", "look"]
        .into_iter()
        .map(|name| pod.start(&scene, name))
        .collect::<Result<Vec<_>>>()?;
    let [api, migrate, proxy, look] = &containers[..] else {
        unreachable!("as many as there are names");
    };
    for container in &containers {
        exec(container, &["/app/worker"])?;
    }
    scene.wait_for_records(proxy, 2)?;
    scene.wait_for_records(look, 2)?;

    let status = agent.status()?;
    for (container, kind, mode) in [
        ("api", "main", "learn"),
        ("migrate", "init", "learn"),
        ("proxy", "sidecar", "enforce"),
        ("(ephemeral)", "ephemeral", "enforce"),
    ] {
        let workload = pod.workload("Rollout", container);
        let found = workload_in(&status, &workload).with_context(|| format!("{status:#}"))?;
        ensure!(found["kind"] == kind && found["mode"] == mode, "{found:#}");
    }
    let kube = &status["kube"];
    ensure!(kube["state"] == "answers" && kube["pods"] == 1, "{kube:#}");
    scene.finish_with(agent, |records| {
        let of = |container| briefs(records, container);
        ensure!(of(api).is_empty() && of(migrate).is_empty(), "{records:#?}");
        for (container, kind) in [(proxy, "sidecar"), (look, "ephemeral")] {
            let expected = ["unlisted /app/worker", "unlisted /bin/busybox"];
            ensure!(of(container) == expected, "{records:#?}");
            let is_kind =
                |record: &&Record| record.parameter(ELEMENT, "container_kind") == Some(kind);
            let of_it = records.iter().filter(|record| is_of(record, container));
            ensure!(of_it.filter(is_kind).count() == 2, "{records:#?}");
        }
        Ok(())
    })
}

/// The container is quicker than the watch.
pub fn a_pod_that_is_not_known_yet_is_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api"]);
    let cluster = Cluster::with_api_server(&[&pod])?;
    let agent = cluster.agent_with_kube(&scene, &["--enforce"])?;

    let container = pod.start(&scene, "api")?;
    exec(&container, &["/app/worker"])?;
    agent.wait_for("the container to wait for its pod", PATIENCE, |status| {
        status["kube"]["waiting"] == 1
    })?;
    ensure!(scene.records()?.is_empty(), "{:?}", scene.records()?);
    cluster.put(&[&pod])?;

    scene.wait_for_records(&container, 1)?;
    scene.finish_with(agent, |records| {
        is_of_workload(records, &container, &pod.workload("Rollout", "api"), 2)
    })
}

/// Of a pod that the API server does not know, or by another uid, the runtime's
/// word has to do.
pub fn a_pod_that_never_comes_is_not_waited_for_for_ever() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api"]);
    let cluster = Cluster::with_api_server(&[&pod])?;
    cluster.server()?.put(
        PODS,
        pod.object(|object| {
            object["metadata"]["uid"] = json!("8a3f1c2d-0000-4000-8000-another00000");
            object["metadata"]["annotations"][Wishes::MODE] = json!("off");
        }),
    );
    let agent = cluster.agent_with_kube(&scene, &["--enforce", "--annotations", "any"])?;

    let container = pod.start(&scene, "api")?;
    let started = Instant::now();
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;
    let took = started.elapsed();
    ensure!(took > Duration::from_secs(4), "judged after {took:?}");

    scene.finish_with(agent, |records| {
        is_of_workload(records, &container, &pod.workload("Deployment", "api"), 2)
    })
}

/// The API server knows it by another uid, if at all.
pub fn a_static_pod_is_not_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api"]).asking("kubernetes.io/config.source", "file");
    let cluster = Cluster::with_api_server(&[&pod])?;
    let agent = cluster.agent_with_kube(&scene, &["--enforce"])?;

    let container = pod.start(&scene, "api")?;
    let started = Instant::now();
    scene.wait_for_records(&container, 1)?;
    let took = started.elapsed();
    ensure!(took < Duration::from_secs(4), "judged after {took:?}");

    let workload = format!("shop/StaticPod/{}/api", pod.name());
    scene.finish_with(agent, |records| {
        is_of_workload(records, &container, &workload, 1)
    })
}

/// Nothing is waited for while the API server is away, and what was known of a pod
/// still is.
pub fn an_api_server_that_is_away_costs_nothing() -> Result<()> {
    let scene = Scene::new()?;
    let known = Pod::of(&["api", "worker"]);
    let unknown = Pod::of(&["api"]);
    let mut cluster = Cluster::with_api_server(&[&known, &unknown])?;
    cluster.put(&[&known])?;
    let agent = cluster.agent_with_kube(&scene, &["--enforce"])?;
    let api = known.start(&scene, "api")?;
    scene.wait_for_records(&api, 1)?;

    cluster.end_api_server();
    agent.wait_for("the API server to be missed", PATIENCE, |status| {
        let state = status["kube"]["state"].as_str().unwrap_or_default();
        state.contains("cannot be reached")
    })?;
    let worker = known.start(&scene, "worker")?;
    let other = unknown.start(&scene, "api")?;
    let started = Instant::now();
    scene.wait_for_records(&worker, 1)?;
    scene.wait_for_records(&other, 1)?;
    let took = started.elapsed();
    ensure!(took < Duration::from_secs(4), "judged after {took:?}");

    let page = String::from_utf8(agent.ask(&["status"])?.stdout)?;
    ensure!(page.contains("cannot be reached"), "{page}");
    // Once for each of what is asked, however often that is.
    thread::sleep(Duration::from_secs(3));
    let told = agent
        .log()
        .matches("the API server does not answer")
        .count();
    ensure!(
        (1..=3).contains(&told),
        "told {told} times:\n{}",
        agent.log()
    );
    scene.finish_with(agent, |records| {
        is_of_workload(records, &worker, &known.workload("Rollout", "worker"), 1)?;
        is_of_workload(records, &other, &unknown.workload("Deployment", "api"), 1)
    })
}

/// The agent starts without it, and hears of it when it is there.
pub fn an_api_server_may_come_later() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::of(&["api"]);
    let mut cluster = Cluster::with_api_server(&[&pod])?;
    let address = cluster.server()?.address();
    cluster.end_api_server();
    let agent = cluster.agent_with_kube(&scene, &["--enforce"])?;
    let doctor = agent.ask(&["doctor", "--json"])?;
    ensure!(
        !String::from_utf8(doctor.stdout)?.contains("\"kube\""),
        "it is not to be asked"
    );

    cluster.start_api_server_at(address, &[&pod])?;
    cluster.put(&[&pod])?;
    agent.wait_for("the API server to answer", PATIENCE, |status| {
        status["kube"]["state"] == "answers" && status["kube"]["pods"] == 1
    })?;
    let container = pod.start(&scene, "api")?;
    scene.wait_for_records(&container, 1)?;

    scene.finish_with(agent, |records| {
        is_of_workload(records, &container, &pod.workload("Rollout", "api"), 1)
    })
}

/// What a namespace asks for holds for pods that ask for nothing.
pub fn a_namespace_speaks_for_its_pods() -> Result<()> {
    let scene = Scene::new()?;
    let silent = Pod::of(&["api"]);
    let speaking = Pod::of(&["api"]).asking(Wishes::MODE, "learn");
    let cluster = Cluster::with_api_server(&[&silent, &speaking])?;
    let asks = namespace("shop", Wishes::MODE, "enforce");
    cluster.server()?.put(NAMESPACES, asks);
    cluster.put(&[&silent, &speaking])?;
    let agent = cluster.agent_with_kube(&scene, &["--automatic", "24h"])?;

    let container = silent.start(&scene, "api")?;
    let other = speaking.start(&scene, "api")?;
    scene.wait_for_records(&container, 1)?;
    agent.wait_for("the other to learn", PATIENCE, |status| {
        let found = workload_in(status, &speaking.workload("Rollout", "api"));
        found.is_some_and(|found| found["mode"] == "learn")
    })?;

    scene.finish_with(agent, |records| {
        ensure!(
            briefs(records, &container) == ["no-allowlist"],
            "{records:#?}"
        );
        ensure!(briefs(records, &other).is_empty(), "{records:#?}");
        Ok(())
    })
}

/// Fails unless all records of a container are of this workload, and stand for so
/// many execs at least.
fn is_of_workload(
    records: &[Record],
    container: &Container,
    workload: &str,
    execs: u64,
) -> Result<()> {
    let of_it: Vec<&Record> = records.iter().filter(|one| is_of(one, container)).collect();
    let execs_told: u64 = of_it
        .iter()
        .map(|record| super::expect::count(record))
        .sum();
    ensure!(execs_told >= execs, "{execs_told} of {execs}: {records:#?}");
    for record in of_it {
        ensure!(
            record.parameter(ELEMENT, "workload") == Some(workload),
            "{record:?}"
        );
    }
    Ok(())
}
