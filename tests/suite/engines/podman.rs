//! podman's containers under the agent.

use super::service::{IMAGE, Service, check, check_injected, describe, records_about, wait_for};
use crate::containers::scene::{PATIENCE, Scene, workload_in};
use crate::harness::{Named, Test};
use anyhow::{Context, Result, ensure};
use testbed::Podman;
use testbed::container::Runtime;

/// Every test here.
pub const TESTS: &[Named] = &[
    (
        "podman_names_its_containers_made_by_runc",
        (|| named_by_podman(Runtime::Runc)) as Test,
    ),
    ("podman_names_its_containers_made_by_crun", || {
        named_by_podman(Runtime::Crun)
    }),
    ("podman_is_not_asked_unless_it_is_named", not_asked),
];

/// One container ran before the agent, one is its service's other replica, one
/// lives a moment, one is in a pod.
fn named_by_podman(runtime: Runtime) -> Result<()> {
    let scene = Scene::new()?;
    let podman = Podman::start(runtime)?;
    podman.import(&scene.image, IMAGE)?;
    let service = Service::of("podman", '_');
    service.write_document(&scene)?;
    let first = podman.start_container(&service.stays(1))?;
    let socket = podman.socket().display().to_string();
    let agent = scene.agent(&["--enforce", "--podman", &socket])?;

    let second = podman.start_container(&service.stays(2))?;
    service.wait_for_both(&agent)?;
    podman.run(&["exec", &service.name(1), "/bin/busybox", "true"])?;
    podman.run(&["exec", &service.name(2), "/app/worker"])?;
    podman.run_to_end(&service.arguments(3, &["/app/worker"]))?;
    podman.run(&[
        "pod",
        "create",
        "--infra=false",
        "--name",
        &pod_of(&service.project),
    ])?;
    let in_pod = start_in_pod(&podman, &service.project)?;
    podman.run(&["exec", &in_pod, "/app/worker"])?;

    wait_for(&scene, 2, &service.workload())?;
    wait_for(&scene, 1, &format!("podman/{}-api", service.project))?;
    podman.run(&["rm", "--force", "--time", "0", &first, &second, &in_pod])?;
    service.wait_until_gone(&agent)?;
    let records = records_about("podman", &scene, agent)?;
    let of = |brief: &str| {
        let mut records = records.iter();
        records
            .find(|record| describe(record) == brief)
            .with_context(|| {
                let came: Vec<_> = records.map(|record| record.raw.as_str()).collect();
                format!("no record {brief:?}: {came:#?}")
            })
    };
    let injected = of(&format!("unlisted /app/worker injected {}", &second))?;
    check_injected(injected, &service)?;
    let podded = records
        .iter()
        .find(|record| describe(record).starts_with("no-allowlist"));
    check(
        podded.context("no record of the pod")?,
        &[
            ("workload", &format!("podman/{}-api", service.project)),
            ("pod", &pod_of(&service.project)),
        ],
    )?;
    ensure!(records.len() == 3, "{records:#?}");
    Ok(())
}

/// Then its files name the container; and labels are not in them.
fn not_asked() -> Result<()> {
    let scene = Scene::new()?;
    let podman = Podman::start(Runtime::Runc)?;
    podman.import(&scene.image, IMAGE)?;
    let service = Service::of("podman", '_');
    let agent = scene.agent(&["--enforce"])?;

    podman.start_container(&service.stays(1))?;
    let name = format!("podman/{}", service.name(1));
    let status = agent.wait_for("the container", PATIENCE, |status| {
        workload_in(status, &name).is_some()
    })?;

    let podmans = |engine: &serde_json::Value| engine["engine"] == "podman";
    let mut engines = status["engines"].as_array().into_iter().flatten();
    ensure!(!engines.any(podmans), "{status:#}");
    drop(podman);
    scene.stop(agent)
}

fn pod_of(project: &str) -> String {
    format!("{project}-pod")
}

fn start_in_pod(podman: &Podman, project: &str) -> Result<String> {
    let (pod, name) = (pod_of(project), format!("{project}-api"));
    let args = [
        "--pod",
        &pod,
        "--name",
        &name,
        IMAGE,
        "/bin/busybox",
        "sleep",
        "1000",
    ];
    podman.start_container(&args.map(str::to_owned))
}
