//! Containers of docker's, and docker's word on them. runc makes them, in
//! cgroups as docker lays them out; the engine that is asked is one of our own.

use super::scene::{ELEMENT, PATIENCE, Scene, exec, workload_in};
use crate::engine::Engine;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use testbed::{Agent, Container, Record, unique_name};
use tokio::task::JoinHandle;

const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The second replica is held to what the first may do.
pub fn replicas_are_named_by_docker() -> Result<()> {
    let scene = Scene::new()?;
    let docker = Docker::new()?;
    let ids = [some_id(), some_id()];
    let engine = docker.listen(docker.with_containers(&ids))?;
    docker.write_document(&scene)?;
    let agent = docker.agent(&scene)?;

    let containers = [
        docker.container(&scene, &ids[0])?,
        docker.container(&scene, &ids[1])?,
    ];
    exec(&containers[1], &["/app/worker"])?;
    docker.wait_for_record(&scene, &ids[1])?;

    let status = agent.status()?;
    ensure!(status["engines"][0]["engine"] == "docker", "{status:#}");
    ensure!(status["engines"][0]["state"] == "answers", "{status:#}");
    let known = workload_in(&status, &docker.workload()).context("the workload is not there")?;
    ensure!(
        known["mode"] == "enforce" && known["containers"] == 2,
        "{known:#}"
    );
    scene.finish_with(agent, |records| {
        ensure!(records.len() == 1, "{records:#?}");
        docker.is_named(&records[0], &ids[1])
    })?;
    engine.abort();
    Ok(())
}

/// Nothing is lost and nothing is judged as another's meanwhile.
pub fn docker_that_starts_anew_is_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    let docker = Docker::new()?;
    let ids = [some_id()];
    // As dockerd leaves it that was killed.
    docker.listen(Engine::default())?.abort();
    docker.write_document(&scene)?;
    let agent = docker.agent(&scene)?;

    let container = docker.container(&scene, &ids[0])?;
    exec(&container, &["/app/worker"])?;
    agent.wait_for("the container to wait for its name", PATIENCE, |status| {
        status["unnamed"] == 1 && status["engines"][0]["failed"].as_u64() > Some(3)
    })?;
    ensure!(
        docker.records(&scene, &ids[0])?.is_empty(),
        "judged too early"
    );
    fs::remove_file(docker.socket())?;
    let engine = docker.listen(docker.with_containers(&ids))?;

    docker.wait_for_record(&scene, &ids[0])?;
    scene.finish_with(agent, |records| {
        ensure!(records.len() == 1, "{records:#?}");
        docker.is_named(&records[0], &ids[0])
    })?;
    engine.abort();
    Ok(())
}

/// docker's answer comes when they are long gone.
pub fn containers_of_a_moment_are_named_by_a_slow_docker() -> Result<()> {
    const CONTAINERS: usize = 20;
    let scene = Scene::new()?;
    let docker = Docker::new()?;
    let ids: Vec<String> = (0..CONTAINERS).map(|_| some_id()).collect();
    let mut engine = docker.with_containers(&ids);
    engine.delay = Duration::from_millis(100);
    let engine = docker.listen(engine)?;
    docker.write_document(&scene)?;
    let agent = docker.agent(&scene)?;

    for id in &ids {
        let container = scene.container(&["/app/worker"]).cgroups_path(&place(id));
        container.run_to_end()?;
    }

    for id in &ids {
        docker.wait_for_record(&scene, id)?;
    }
    scene.finish_with(agent, |records| {
        ensure!(records.len() == CONTAINERS, "{records:#?}");
        for id in &ids {
            let mut of_it = records.iter().filter(|record| is_of(record, id));
            docker.is_named(of_it.next().context("no record of one")?, id)?;
        }
        Ok(())
    })?;
    engine.abort();
    Ok(())
}

/// One that answers for another container, and one that knows of none: neither
/// names anything, and nothing is lost. Here the bundle has a name.
pub fn what_docker_does_not_tell_is_named_by_files() -> Result<()> {
    let scene = Scene::new()?;
    let docker = Docker::new()?;
    let (asked, other) = (some_id(), some_id());
    let mut liar = docker.with_containers(&[other]);
    let page = liar.pages.values().next().cloned().unwrap_or_default();
    liar.pages.insert(page_of(&asked), page);
    let engine = docker.listen(liar)?;
    docker.write_document(&scene)?;
    let agent = docker.agent(&scene)?;

    let unknown = some_id();
    for id in [&asked, &unknown] {
        let container = scene.container(&["/app/worker"]).cgroups_path(&place(id));
        container.run_to_end()?;
        docker.wait_for_record(&scene, id)?;
    }

    scene.stop(agent)?;
    let name = scene.workload().replace("runc/", "docker/");
    for id in [&asked, &unknown] {
        let records = docker.records(&scene, id)?;
        ensure!(records.len() == 1, "{records:#?}");
        let workload = records[0].parameter(ELEMENT, "workload");
        ensure!(workload == Some(&name), "{records:#?}");
    }
    engine.abort();
    Ok(())
}

/// A service of a compose project, and where docker listens.
struct Docker {
    folder: TempDir,
    project: String,
    tokio: tokio::runtime::Runtime,
}

impl Docker {
    fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            project: unique_name(),
            tokio: tokio::runtime::Runtime::new()?,
        })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn workload(&self) -> String {
        format!("docker/{}/web", self.project)
    }

    /// An engine that has these containers, all replicas of the service.
    fn with_containers(&self, ids: &[String]) -> Engine {
        let project = &self.project;
        Engine::with(ids.iter().enumerate().map(|(n, id)| {
            let page = json!({
                "Id": id,
                "Name": format!("/{project}-web-{}", n + 1),
                "Image": DIGEST,
                "Config": { "Image": "registry.example.org/web:1.4", "Labels": {
                    "com.docker.compose.project": project,
                    "com.docker.compose.service": "web",
                } },
            });
            (page_of(id), page.to_string())
        }))
    }

    fn listen(&self, engine: Engine) -> Result<JoinHandle<()>> {
        let _inside = self.tokio.enter();
        Ok(engine.serve(&self.socket())?)
    }

    /// Lets the service run busybox.
    fn write_document(&self, scene: &Scene) -> Result<()> {
        let project = &self.project;
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: docker, \
             name: {project}/web }}\n  processes:\n    - path: /bin/busybox\n"
        );
        let file = scene.home.allowlists().join("web.yaml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn agent<'s>(&self, scene: &'s Scene) -> Result<Agent<'s>> {
        let socket = self.socket().display().to_string();
        scene.agent(&["--enforce", "--docker", &socket])
    }

    fn container(&self, scene: &Scene, id: &str) -> Result<Container> {
        let container = scene.container(&["sleep", "1000"]);
        container.cgroups_path(&place(id)).run()
    }

    fn records(&self, scene: &Scene, id: &str) -> Result<Vec<Record>> {
        let mut records = scene.rsyslogd.records()?;
        records.retain(|record| is_of(record, id));
        Ok(records)
    }

    fn wait_for_record(&self, scene: &Scene, id: &str) -> Result<()> {
        let one = |records: &[Record]| records.iter().any(|record| is_of(record, id));
        scene
            .rsyslogd
            .wait_for(&format!("a record about {id}"), PATIENCE, one)
            .map(drop)
    }

    /// Fails unless the record has everything that docker said.
    fn is_named(&self, record: &Record, id: &str) -> Result<()> {
        for (field, expected) in [
            ("workload", self.workload().as_str()),
            ("container", id),
            ("runtime", "docker"),
            ("image", "registry.example.org/web:1.4"),
            ("image_digest", DIGEST),
            ("attributed", "true"),
            ("path", "/app/worker"),
        ] {
            let found = record.parameter(ELEMENT, field);
            ensure!(found == Some(expected), "{field}: {}", record.raw);
        }
        Ok(())
    }
}

/// Where docker with the cgroupfs driver puts a container's cgroup.
fn place(id: &str) -> String {
    format!("/docker/{id}")
}

fn page_of(id: &str) -> String {
    format!("/containers/{id}/json")
}

fn is_of(record: &Record, id: &str) -> bool {
    record.parameter(ELEMENT, "container") == Some(id)
}

/// An id as docker gives them, which no other container on the machine has.
fn some_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:032x}{number:032x}", process::id())
}
