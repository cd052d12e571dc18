//! From a description to a running container.

use super::spec::{Pids, Spec};
use super::{Container, Runtime};
use crate::cgroup;
use crate::node;
use crate::places;
use crate::rootfs::{Image, Rootfs};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The file in the bundle that has what the first process printed.
pub(super) const OUTPUT: &str = "output.log";

/// A container to be: what is not said is as a runtime's default is.
#[derive(Debug)]
pub struct Builder<'a> {
    image: &'a Image,
    id: String,
    runtime: Runtime,
    spec: Spec,
}

impl Container {
    /// A container of this image that runs `args`. Its id is unique on the
    /// machine.
    pub fn builder<'a>(image: &'a Image, args: &[&str]) -> Builder<'a> {
        Builder {
            image,
            id: cgroup::unique_name(),
            runtime: Runtime::default(),
            spec: Spec {
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
                ..Spec::default()
            },
        }
    }
}

impl Builder<'_> {
    /// Replaces the id; the caller sees to it that it is unique. A container
    /// of this name is not swept away by a later run if this one is killed.
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Is made by another runtime.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Sees the processes of the node.
    pub fn with_the_nodes_processes(mut self) -> Self {
        self.spec.pids = Pids::OfTheNode;
        self
    }

    /// Shares the processes of another container, as a pod's containers may.
    pub fn with_the_processes_of(mut self, other: &Container) -> Result<Self> {
        self.spec.pids = Pids::OfProcess(other.pid()?);
        Ok(self)
    }

    /// Has a network of its own: a loopback device, which the runtime brings up.
    pub fn with_a_network_of_its_own(mut self) -> Self {
        self.spec.own_network = true;
        self
    }

    /// Adds `NAME=value` to the first process's environment.
    pub fn env(mut self, assignment: &str) -> Self {
        self.spec.env.push(assignment.to_owned());
        self
    }

    /// Runs as this user and group instead of root.
    pub fn user(mut self, uid: u32) -> Self {
        self.spec.uid = uid;
        self
    }

    /// Adds an annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.spec
            .annotations
            .push((key.to_owned(), value.to_owned()));
        self
    }

    /// Mounts a folder of this machine.
    pub fn volume(mut self, folder: &Path, at: &str) -> Self {
        self.spec.volumes.push((folder.to_owned(), at.to_owned()));
        self
    }

    /// Mounts an empty tmpfs.
    pub fn tmpfs(mut self, at: &str) -> Self {
        self.spec.tmpfs.push(at.to_owned());
        self
    }

    /// May run a container runtime of its own: more capabilities, and its part
    /// of the cgroup hierarchy, writable.
    pub fn for_a_runtime(mut self) -> Self {
        self.spec.for_a_runtime = true;
        self
    }

    /// Puts something else into the bundle's `config.json`, at a JSON pointer
    /// whose last name may be new: `/process/noNewPrivileges`.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        self.spec.settings.push((pointer.to_owned(), value));
        self
    }

    /// Where in the v2 hierarchy its cgroup is, such as `/kubepods/pod…/…`;
    /// `/<id>` unless said otherwise.
    pub fn cgroups_path(mut self, path: &str) -> Self {
        self.spec.cgroups_path = Some(path.to_owned());
        self
    }

    /// Starts it in the background.
    pub fn run(self) -> Result<Container> {
        self.prepare("run")
    }

    /// Makes it without starting it; [`Container::start`] does.
    pub fn create(self) -> Result<Container> {
        self.prepare("create")
    }

    /// Runs it to its end, in the foreground, and gives what it printed.
    pub fn run_to_end(self) -> Result<Output> {
        let bundle = self.bundle()?;
        let output = run(self.runtime, &bundle.folder, &self.id).output();
        cgroup::remove(&self.cgroup());
        output.context("cannot start the runtime")
    }

    /// Its root and its `config.json` alone, to run many containers from.
    pub fn bundle(&self) -> Result<Bundle> {
        if node::ending() {
            bail!("interrupted before starting {}", self.id);
        }
        let rootfs = Rootfs::over(self.image)?;
        let folder = places::folder("bundle")?;
        let cgroups_path = self.spec.cgroups_path.clone();
        // What is run from the bundle may have other ids: its place is for the
        // runtime to choose, but where the choices differ.
        let cgroups_path = match self.runtime {
            Runtime::Runc => cgroups_path,
            Runtime::Crun => Some(self.place()),
        };
        cgroup::note_missing_above(&self.cgroup());
        let config = folder.path().join("config.json");
        fs::write(
            &config,
            self.spec
                .render(&rootfs.path(), cgroups_path.as_deref())
                .to_string(),
        )
        .with_context(|| format!("cannot write {}", config.display()))?;
        Ok(Bundle {
            runtime: self.runtime,
            rootfs,
            folder,
        })
    }

    fn prepare(self, how: &str) -> Result<Container> {
        let Bundle {
            runtime,
            rootfs,
            folder: bundle,
        } = self.bundle()?;
        let output = bundle.path().join(OUTPUT);
        let output =
            File::create(&output).with_context(|| format!("cannot make {}", output.display()))?;
        let errors = output.try_clone().context("cannot share the output file")?;
        let mut command = runtime.command();
        command.args([how, "--bundle"]).arg(bundle.path());
        if how == "run" {
            command.arg("--detach");
        }
        // Its standard streams become the container's: a pipe would stay open
        // for as long as the container runs.
        let status = command
            .arg(&self.id)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .status()
            .with_context(|| format!("cannot start {} {how}", runtime.program()))?;
        let cgroup = self.cgroup();
        let container = Container {
            id: self.id,
            runtime,
            bundle,
            rootfs,
            cgroup,
        };
        if !status.success() {
            bail!(
                "`{} {how}` failed ({status}): {}",
                runtime.program(),
                container.printed().trim()
            );
        }
        Ok(container)
    }

    fn cgroup(&self) -> PathBuf {
        cgroup::in_hierarchy(&self.place())
    }

    /// Runtimes differ in what they choose; this is runc's choice.
    fn place(&self) -> String {
        let own = || format!("/{}", self.id);
        self.spec.cgroups_path.clone().unwrap_or_else(own)
    }
}

/// What containers are run from; they share its root.
#[derive(Debug)]
pub struct Bundle {
    runtime: Runtime,
    rootfs: Rootfs,
    folder: TempDir,
}

impl Bundle {
    /// Runs a container of this id, which is unique on the machine, to its
    /// end. What it prints goes nowhere.
    pub fn run_to_end(&self, id: &str) -> Result<()> {
        let status = run(self.runtime, &self.folder, id)
            .stdout(Stdio::null())
            .status()
            .context("cannot start the runtime")?;
        if !status.success() {
            bail!(
                "`{} run {id}` on {} failed ({status})",
                self.runtime.program(),
                self.rootfs.path().display()
            );
        }
        Ok(())
    }
}

fn run(runtime: Runtime, bundle: &TempDir, id: &str) -> Command {
    let mut command = runtime.command();
    command
        .args(["run", "--bundle"])
        .arg(bundle.path())
        .arg(id)
        .stdin(Stdio::null());
    command
}
