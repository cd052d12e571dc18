//! docker's containers under the agent.

use super::service::{IMAGE, Service, check_injected, describe, records_about, wait_for};
use crate::containers::scene::{ELEMENT, Scene};
use crate::harness::{Named, Test};
use anyhow::{Context, Result, ensure};
use testbed::Docker;

/// Every test here.
pub const TESTS: &[Named] = &[("docker_names_its_containers", named_by_docker as Test)];

/// One container ran before the agent, one is its service's other replica, one
/// lives a moment, one has but the labels.
fn named_by_docker() -> Result<()> {
    let scene = Scene::new()?;
    let docker = Docker::start()?;
    docker.import(&scene.image, IMAGE)?;
    let service = Service::of("docker", '-');
    service.write_document(&scene)?;
    let first = run(&docker, "--detach", &service.stays(1))?;
    let socket = docker.socket().display().to_string();
    let agent = scene.agent(&["--enforce", "--docker", &socket])?;

    let second = run(&docker, "--detach", &service.stays(2))?;
    service.wait_for_both(&agent)?;
    docker.run(&["exec", &service.name(1), "/bin/busybox", "true"])?;
    docker.run(&["exec", &service.name(2), "/app/worker"])?;
    run(&docker, "--rm", &service.arguments(3, &["/app/worker"]))?;
    // Named by docker: two random words.
    let unnamed = service.arguments(4, &["/app/worker"]).split_off(2);
    run(&docker, "--rm", &unnamed)?;

    wait_for(&scene, 2, &service.workload())?;
    docker.run(&["rm", "--force", &first, &second])?;
    service.wait_until_gone(&agent)?;
    let records = records_about("docker", &scene, agent)?;
    let injected = format!("unlisted /app/worker injected {second}");
    let injected = records.iter().find(|record| describe(record) == injected);
    check_injected(injected.context("no record of the exec")?, &service)?;
    let of_its_own = |record: &&testbed::Record| {
        let name = record.parameter(ELEMENT, "workload").unwrap_or_default();
        name.starts_with("docker/") && name.contains('_') && !name.contains("/web")
    };
    ensure!(
        records.iter().filter(of_its_own).count() == 1,
        "{records:#?}"
    );
    ensure!(records.len() == 3, "{records:#?}");
    Ok(())
}

fn run(docker: &Docker, how: &str, args: &[String]) -> Result<String> {
    let words = ["run", "--network", "none", how].into_iter();
    let all: Vec<&str> = words.chain(args.iter().map(String::as_str)).collect();
    docker.run(&all)
}
