//! Containers of pods, and the runtime's word on whose they are. runc makes
//! them, in cgroups as kubelet and containerd lay them out; the runtime that is
//! asked is one of our own.

use super::expect::only;
use super::scene::{ELEMENT, PATIENCE, Scene, exec, workload_in};
use crate::cri::{DIGEST, Runtime, UID};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use testbed::{Agent, Container, Record, cgroup, unique_name};
use tokio::task::JoinHandle;

pub fn a_pod_is_named_by_its_runtime() -> Result<()> {
    is_named_by(Pod::new()?, "containerd")
}

pub fn a_pod_of_cri_o_is_named_by_it() -> Result<()> {
    let pod = Pod {
        runtime: "crio",
        ..Pod::new()?
    };
    is_named_by(pod, "cri-o")
}

fn is_named_by(pod: Pod, runtime: &str) -> Result<()> {
    let scene = Scene::new()?;
    let id = unique_name();
    let listening = pod.listen(pod.with_containers(&[&id]))?;
    pod.write_document(&scene)?;
    let agent = pod.agent(&scene)?;

    let container = pod.container(&scene, &id, &["sleep", "1000"])?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    let status = agent.status()?;
    ensure!(status["cri"]["state"] == "answers", "{status:#}");
    let known = workload_in(&status, &pod.workload()).context("the workload is not there")?;
    ensure!(known["mode"] == "enforce", "{known:#}");
    scene.finish_with(agent, |records| {
        let record = only(records, &container, "unlisted /app/worker")?;
        let found = record.parameter(ELEMENT, "runtime");
        ensure!(found == Some(runtime), "{record:?}");
        pod.is_named(record)
    })?;
    listening.abort();
    Ok(())
}

/// Nothing is lost and nothing is judged as another's meanwhile.
pub fn a_runtime_that_is_away_is_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::new()?;
    let id = unique_name();
    // As a runtime leaves it that was killed.
    pod.listen(pod.with_containers(&[]))?.abort();
    pod.write_document(&scene)?;
    let agent = pod.agent(&scene)?;

    let container = pod.container(&scene, &id, &["sleep", "1000"])?;
    exec(&container, &["/app/worker"])?;
    agent.wait_for("the container to wait for its name", PATIENCE, |status| {
        status["cri"]["waiting"] == 1 && status["cri"]["failed"].as_u64() > Some(3)
    })?;
    ensure!(scene.records()?.is_empty(), "{:?}", scene.records()?);
    fs::remove_file(pod.socket())?;
    let runtime = pod.listen(pod.with_containers(&[&id]))?;

    scene.wait_for_records(&container, 1)?;
    scene.finish_with(agent, |records| {
        pod.is_named(only(records, &container, "unlisted /app/worker")?)
    })?;
    runtime.abort();
    Ok(())
}

/// The runtime's answer comes when they are long gone.
pub fn containers_of_a_moment_are_named_by_a_slow_runtime() -> Result<()> {
    const CONTAINERS: usize = 20;
    let scene = Scene::new()?;
    let pod = Pod::new()?;
    let ids: Vec<String> = (0..CONTAINERS).map(|_| unique_name()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut runtime = pod.with_containers(&ids);
    runtime.delay = Duration::from_millis(100);
    let runtime = pod.listen(runtime)?;
    pod.write_document(&scene)?;
    let agent = pod.agent(&scene)?;

    for id in &ids {
        let place = pod.place(id);
        let container = scene.container(&["/app/worker"]).id(id);
        container.cgroups_path(&place).run_to_end()?;
    }

    let arrived = |records: &[Record]| {
        let of = |id: &&str| {
            let mut records = records.iter();
            records.any(|record| record.parameter(ELEMENT, "container") == Some(*id))
        };
        ids.iter().all(of)
    };
    scene
        .rsyslogd
        .wait_for("a record of each", PATIENCE, arrived)?;
    scene.finish_with(agent, |records| {
        ensure!(records.len() == CONTAINERS, "{records:#?}");
        records.iter().try_for_each(|record| pod.is_named(record))
    })?;
    runtime.abort();
    Ok(())
}

/// An agent that ends hears out the runtime: a name by the files would be that of
/// another workload, without an allowlist.
pub fn an_agent_that_ends_waits_for_a_slow_runtime() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::new()?;
    let id = unique_name();
    let mut runtime = pod.with_containers(&[&id]);
    runtime.delay = Duration::from_millis(500);
    let runtime = pod.listen(runtime)?;
    pod.write_document(&scene)?;
    let agent = pod.agent(&scene)?;

    let container = pod.container(&scene, &id, &["sleep", "1000"])?;
    exec(&container, &["/app/worker"])?;
    scene.finish_with(agent, |records| {
        pod.is_named(only(records, &container, "unlisted /app/worker")?)
    })?;
    runtime.abort();
    Ok(())
}

/// A runtime that lies, or is gone for good, costs half a minute, and then the
/// container goes by what its files say.
pub fn a_runtime_that_never_answers_is_not_waited_for_for_ever() -> Result<()> {
    let scene = Scene::new()?;
    let pod = Pod::new()?;
    let id = unique_name();
    let mut liar = pod.with_containers(&[&id]);
    for sandbox in &mut liar.sandboxes {
        sandbox.metadata.as_mut().context("a pod has a name")?.uid = "another".to_owned();
    }
    let runtime = pod.listen(liar)?;
    let agent = pod.agent(&scene)?;

    let container = pod.container(&scene, &id, &["sleep", "1000"])?;
    thread::sleep(Duration::from_secs(20));
    ensure!(scene.records()?.is_empty(), "{:?}", scene.records()?);
    scene.wait_for_records(&container, 1)?;

    scene.finish_with(agent, |records| {
        let record = only(records, &container, "no-allowlist")?;
        let workload = record.parameter(ELEMENT, "workload").unwrap_or_default();
        ensure!(workload.starts_with("containerd/"), "{record:?}");
        Ok(())
    })?;
    runtime.abort();
    Ok(())
}

/// A pod of a Deployment, and where its runtime listens.
pub struct Pod {
    folder: TempDir,
    /// Of the Deployment.
    name: String,
    /// As cgroups are called after it.
    runtime: &'static str,
    tokio: tokio::runtime::Runtime,
}

impl Pod {
    pub fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            name: unique_name(),
            runtime: "cri-containerd",
            tokio: tokio::runtime::Runtime::new()?,
        })
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("cri.sock")
    }

    pub fn workload(&self) -> String {
        format!("shop/Deployment/{}/api", self.name)
    }

    /// Where kubelet and its runtime would put such a container's cgroup.
    fn place(&self, id: &str) -> String {
        cgroup::of_pod(UID, self.runtime, id)
    }

    /// A runtime that has these containers, all in this pod.
    pub fn with_containers(&self, ids: &[&str]) -> Runtime {
        let mut runtime = Runtime::of_a_deployment();
        let one = runtime.containers.remove(0);
        runtime.containers = ids
            .iter()
            .map(|id| {
                let mut container = one.clone();
                (*id).clone_into(&mut container.id);
                container
            })
            .collect();
        for sandbox in &mut runtime.sandboxes {
            if let Some(metadata) = &mut sandbox.metadata {
                metadata.name = format!("{}-7d5f-x7k2p", self.name);
            }
        }
        runtime
    }

    pub fn listen(&self, runtime: Runtime) -> Result<JoinHandle<()>> {
        let _inside = self.tokio.enter();
        Ok(runtime.serve(&self.socket())?)
    }

    /// Lets the Deployment run busybox.
    pub fn write_document(&self, scene: &Scene) -> Result<()> {
        let name = &self.name;
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: {name} }}\nspec:\n  workload: {{ namespace: shop, \
             kind: Deployment, name: {name}, container: api }}\n  \
             processes:\n    - path: /bin/busybox\n"
        );
        let file = scene.home.allowlists().join("pod.yaml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn agent<'s>(&self, scene: &'s Scene) -> Result<Agent<'s>> {
        let socket = self.socket().display().to_string();
        scene.agent(&["--enforce", "--cri", &socket])
    }

    pub fn container(&self, scene: &Scene, id: &str, args: &[&str]) -> Result<Container> {
        let place = self.place(id);
        scene.container(args).id(id).cgroups_path(&place).run()
    }

    /// Fails unless the record has everything that the runtime said.
    fn is_named(&self, record: &Record) -> Result<()> {
        let pod = format!("{}-7d5f-x7k2p", self.name);
        for (field, expected) in [
            ("workload", self.workload().as_str()),
            ("namespace", "shop"),
            ("pod", &pod),
            ("pod_uid", UID),
            ("image", "registry.example.org/checkout:1.4"),
            ("image_digest", DIGEST),
            ("attributed", "true"),
        ] {
            let found = record.parameter(ELEMENT, field);
            ensure!(found == Some(expected), "{field}: {}", record.raw);
        }
        Ok(())
    }
}
