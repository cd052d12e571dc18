//! Five workloads of four containers each, as a runtime has them.

use super::super::scene::{Scene, at};
use crate::cri::{DIGEST, Runtime};
use anyhow::{Context, Result};
use std::path::PathBuf;
use tempfile::TempDir;
use testbed::{Container, Image, intruders, unique_name};
use tokio::task::JoinHandle;

const NAMES: [&str; 5] = ["web", "queue", "cron", "store", "batch"];
const REPLICAS: usize = 4;
/// How many containers of each version one workload may have in a day.
const SPARE: usize = 400;
const NEW_DIGEST: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Works, writes a log and rotates it, for as long as it lives.
const SERVICE: &str = "#!/bin/sh
while :; do
    /app/worker > /dev/null
    /app/tool > /dev/null
    date > /tmp/beat
    mv -f /tmp/beat /tmp/beat.1
    sleep 1
done
";
/// Runs its job again and again, as cron does.
const CRON: &str = "#!/bin/sh
while :; do
    sh /app/job
    sleep 1
done
";
const JOB: &str = "/app/worker > /dev/null
find /tmp | sort | head -n 1
/app/tool > /dev/null
";

/// What a container is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Old,
    New,
}

struct Workload {
    owner: String,
    uid: String,
    /// The ids of containers to come, of the old version and of the new.
    to_come: [Vec<String>; 2],
    running: Vec<Container>,
}

/// All of them, and the runtime that knows them.
pub struct Fleet<'s> {
    workloads: Vec<Workload>,
    new: Image,
    folder: TempDir,
    runtime: JoinHandle<()>,
    _tokio: tokio::runtime::Runtime,
    started: usize,
    _scene: &'s Scene,
}

impl<'s> Fleet<'s> {
    /// Nothing runs yet.
    pub fn new(scene: &'s Scene) -> Result<Self> {
        prepare(&scene.image)?;
        let new = Image::busybox()?;
        for name in ["hello", "memfd"] {
            new.program(&intruders::build(name)?, &at(name))?;
        }
        new.program(&intruders::build("hello")?, "/app/worker")?;
        prepare(&new)?;
        new.program(&intruders::build("hello")?, "/app/migrate")?;
        new.script(
            "/app/entry.sh",
            "#!/bin/sh\n/app/migrate > /dev/null\nexec \"$@\"\n",
        )?;

        let workloads: Vec<Workload> = { NAMES.iter().enumerate() }
            .map(|(number, name)| Workload {
                owner: format!("{}-{name}", unique_name()),
                uid: format!("8a3f1c2d-0000-4000-8000-0000000000{number:02}"),
                to_come: [(); 2].map(|()| (0..SPARE).map(|_| unique_name()).collect()),
                running: Vec::new(),
            })
            .collect();
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let tokio = tokio::runtime::Runtime::new()?;
        let inside = tokio.enter();
        let runtime = runtime_of(&workloads).serve(&folder.path().join("cri.sock"))?;
        drop(inside);
        Ok(Self {
            workloads,
            new,
            folder,
            runtime,
            _tokio: tokio,
            started: 0,
            _scene: scene,
        })
    }

    /// Where the runtime listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("cri.sock")
    }

    /// How many workloads there are.
    pub fn workloads(&self) -> usize {
        self.workloads.len()
    }

    /// How many containers were started.
    pub fn started(&self) -> usize {
        self.started
    }

    /// What the agent calls a workload.
    pub fn name(&self, workload: usize) -> String {
        format!("shop/Deployment/{}/api", self.workloads[workload].owner)
    }

    /// Its containers.
    pub fn containers(&self, workload: usize) -> &[Container] {
        &self.workloads[workload].running
    }

    /// The youngest of them.
    pub fn one_of(&self, workload: usize) -> &Container {
        let running = &self.workloads[workload].running;
        running.last().expect("each workload has some")
    }

    /// Starts every replica.
    pub fn start_all(&mut self, scene: &Scene) -> Result<()> {
        for workload in 0..self.workloads.len() {
            for _ in 0..REPLICAS {
                self.start(workload, scene, Version::Old)?;
            }
        }
        Ok(())
    }

    /// Ends the oldest container of a workload, and starts another in its place.
    pub fn replace_with(&mut self, workload: usize, scene: &Scene, version: Version) -> Result<()> {
        drop(self.workloads[workload].running.remove(0));
        self.start(workload, scene, version)
    }

    /// Replaces one after the other by the new version.
    pub fn upgrade(&mut self, workload: usize, scene: &Scene) -> Result<()> {
        for _ in 0..REPLICAS {
            self.replace_with(workload, scene, Version::New)?;
        }
        Ok(())
    }

    fn start(&mut self, number: usize, scene: &Scene, version: Version) -> Result<()> {
        let script = match NAMES[number] {
            "cron" | "batch" => "/app/cron.sh",
            _ => "/app/serve.sh",
        };
        let (image, args) = match version {
            Version::Old => (&scene.image, vec![script]),
            Version::New => (&self.new, vec!["/app/entry.sh", script]),
        };
        let workload = &mut self.workloads[number];
        let id = workload.to_come[version as usize].pop();
        let id = id.context("there were more containers than a day has")?;
        let uid = workload.uid.replace('-', "_");
        let place = format!("/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-{id}.scope");
        let container = Container::builder(image, &args)
            .id(&id)
            .cgroups_path(&place)
            .run()?;
        workload.running.push(container);
        self.started += 1;
        Ok(())
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}

fn prepare(image: &Image) -> Result<()> {
    image.program(&intruders::build("hello")?, "/app/tool")?;
    image.script("/app/serve.sh", SERVICE)?;
    image.script("/app/cron.sh", CRON)?;
    image.text("/app/job", JOB)
}

fn runtime_of(workloads: &[Workload]) -> Runtime {
    let template = Runtime::of_a_deployment();
    let mut runtime = Runtime {
        containers: Vec::new(),
        sandboxes: Vec::new(),
        ..template.clone()
    };
    for workload in workloads {
        let mut sandbox = template.sandboxes[0].clone();
        sandbox.id = format!("sandbox-of-{}", workload.uid);
        if let Some(metadata) = &mut sandbox.metadata {
            metadata.name = format!("{}-7d5f-x7k2p", workload.owner);
            metadata.uid.clone_from(&workload.uid);
        }
        for (ids, digest) in workload.to_come.iter().zip([DIGEST, NEW_DIGEST]) {
            for id in ids {
                let mut container = template.containers[0].clone();
                (container.id, container.pod_sandbox_id) = (id.clone(), sandbox.id.clone());
                container.image_ref = format!("registry.example.org/shop@{digest}");
                runtime.containers.push(container);
            }
        }
        runtime.sandboxes.push(sandbox);
    }
    runtime
}
