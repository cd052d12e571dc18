//! A software's lives: containers on one image, one after the other, with the
//! same volumes, and clients outside of them.

use super::{Life, PATH, Software};
use crate::container::Runtime;
use crate::places;
use crate::rootfs::{Image, Rootfs};
use crate::{Container, until};
use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, mount, mount_bind};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a service gets to serve, and a job to end.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a service that is told to end gets, as kubelet has it.
const GRACE: Duration = Duration::from_secs(30);
/// How long its clients get, as coreutils' `timeout` has it.
const LOAD: &str = "240";

/// Where a software lives.
#[derive(Debug)]
pub struct Stage<'a> {
    software: &'static Software,
    image: &'a Image,
    title: String,
    // The clients' root has the volumes mounted: it goes before them.
    clients: Rootfs,
    volumes: TempDir,
}

impl<'a> Stage<'a> {
    /// `title` is the workload's name; the agent calls it `runc/<title>`.
    pub fn new(software: &'static Software, image: &'a Image, title: &str) -> Result<Self> {
        let stage = Self {
            software,
            image,
            title: title.to_owned(),
            clients: Rootfs::over(image)?,
            volumes: places::folder("volumes")?,
        };
        for at in software.volumes {
            let (from, shown) = (stage.volume(at), stage.clients.inside(at));
            for folder in [&from, &shown] {
                fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
            }
            mount_bind(&from, &shown).with_context(|| format!("cannot mount {at}"))?;
        }
        mount(
            "proc",
            stage.clients.inside("/proc"),
            "proc",
            MountFlags::empty(),
            None,
        )
        .context("cannot mount /proc for the clients")?;
        Ok(stage)
    }

    /// Starts a container. One that serves does so when this returns; a job is
    /// under way.
    pub fn start(&self, runtime: Runtime) -> Result<Container> {
        let mut builder = Container::builder(self.image, self.software.start)
            .runtime(runtime)
            .annotation("org.opencontainers.image.title", &self.title)
            .with_a_network_of_its_own()
            .user(self.software.user);
        let env: Vec<_> = std::iter::once(PATH)
            .chain(self.software.env.iter().copied())
            .collect();
        builder = builder.set("/process/env", env.into());
        for at in self.software.volumes {
            builder = builder.volume(&self.volume(at), at);
        }
        let container = builder.run()?;
        if let Life::Service { ready, .. } = self.software.life {
            until(
                &format!("{} to serve", self.software.name),
                PATIENCE,
                || {
                    // Not in a tight loop: a client is a process or two.
                    std::thread::sleep(Duration::from_millis(200));
                    Ok(self
                        .client(&container, ready)?
                        .status
                        .success()
                        .then_some(()))
                },
            )
            .with_context(|| printed(&container))?;
        }
        Ok(container)
    }

    /// What happens to it all day: probes, and the work that its clients give it. A
    /// job does its work and ends.
    pub fn live(&self, container: &Container) -> Result<()> {
        match self.software.life {
            Life::Job => container.wait(PATIENCE),
            Life::Service { probes, load, .. } => {
                self.probe(container, probes)?;
                let output = self.client(container, load)?;
                ensure!(
                    output.status.success(),
                    "the clients of {} failed ({}): {}{}",
                    self.software.name,
                    output.status,
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
                self.probe(container, probes)
            }
        }
        .with_context(|| printed(container))
    }

    /// Ends it by a signal, and where that does not by SIGKILL half a minute later,
    /// as an orchestrator does: a first process that has no handler of its own for
    /// SIGTERM is not ended by it. A job has ended.
    pub fn end(&self, container: Container, signal: &str) -> Result<()> {
        match self.software.life {
            Life::Job => Ok(()),
            Life::Service { .. } => container
                .stop(signal, GRACE)
                .or_else(|_| container.stop("KILL", PATIENCE))
                .with_context(|| printed(&container)),
        }
    }

    fn probe(&self, container: &Container, probes: &[&[&str]]) -> Result<()> {
        for probe in probes {
            let output = container.exec(*probe)?;
            ensure!(
                output.status.success(),
                "{probe:?} failed ({}): {}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// Shell in the clients' root and the container's network, in no container.
    fn client(&self, container: &Container, script: &str) -> Result<Output> {
        Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", container.pid()?))
            .args([
                "env",
                "--ignore-environment",
                PATH,
                "HOME=/root",
                "LC_ALL=C.UTF-8",
            ])
            .args(["timeout", LOAD, "chroot"])
            .arg(self.clients.path())
            .args(["/bin/sh", "-ec", script])
            .stdin(Stdio::null())
            .output()
            .context("cannot start nsenter, of util-linux")
    }

    fn volume(&self, at: &str) -> std::path::PathBuf {
        let name = Path::new(at).strip_prefix("/").unwrap_or(Path::new(at));
        self.volumes.path().join(name)
    }
}

fn printed(container: &Container) -> String {
    format!("it printed:\n{}", container.printed())
}
