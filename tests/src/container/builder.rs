//! From a description to a running container.

use super::spec::Spec;
use super::{Container, runc};
use crate::cgroup;
use crate::node::{self, CGROUP_ROOT};
use crate::places;
use crate::rootfs::{Image, Rootfs};
use anyhow::{Context, Result, bail};
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
    spec: Spec,
}

impl Container {
    /// A container of this image that runs `args`. Its id is unique on the
    /// machine.
    pub fn builder<'a>(image: &'a Image, args: &[&str]) -> Builder<'a> {
        Builder {
            image,
            id: cgroup::unique_name(),
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

    /// Where in the v2 hierarchy its cgroup is, such as `/kubepods/pod…/…`;
    /// runc's own choice is `/<id>`.
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
        let output = run(&bundle.folder, &self.id).output();
        cgroup::remove(&self.cgroup());
        output.context("cannot start runc run")
    }

    /// Its root and its `config.json` alone, to run many containers from.
    pub fn bundle(&self) -> Result<Bundle> {
        if node::ending() {
            bail!("interrupted before starting {}", self.id);
        }
        let rootfs = Rootfs::over(self.image)?;
        let folder = places::folder("bundle")?;
        cgroup::note_missing_above(&self.cgroup());
        let config = folder.path().join("config.json");
        fs::write(&config, self.spec.render(&rootfs.path()).to_string())
            .with_context(|| format!("cannot write {}", config.display()))?;
        Ok(Bundle { rootfs, folder })
    }

    fn prepare(self, how: &str) -> Result<Container> {
        let Bundle {
            rootfs,
            folder: bundle,
        } = self.bundle()?;
        let output = bundle.path().join(OUTPUT);
        let output =
            File::create(&output).with_context(|| format!("cannot make {}", output.display()))?;
        let errors = output.try_clone().context("cannot share the output file")?;
        let mut command = runc();
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
            .with_context(|| format!("cannot start runc {how}"))?;
        let cgroup = self.cgroup();
        let container = Container {
            id: self.id,
            bundle,
            rootfs,
            cgroup,
        };
        if !status.success() {
            bail!(
                "`runc {how}` failed ({status}): {}",
                container.printed().trim()
            );
        }
        Ok(container)
    }

    fn cgroup(&self) -> PathBuf {
        match &self.spec.cgroups_path {
            Some(path) => cgroup::in_hierarchy(path),
            None => Path::new(CGROUP_ROOT).join(&self.id),
        }
    }
}

/// What containers are run from; they share its root.
#[derive(Debug)]
pub struct Bundle {
    rootfs: Rootfs,
    folder: TempDir,
}

impl Bundle {
    /// Runs a container of this id, which is unique on the machine, to its
    /// end. What it prints goes nowhere.
    pub fn run_to_end(&self, id: &str) -> Result<()> {
        let status = run(&self.folder, id)
            .stdout(Stdio::null())
            .status()
            .context("cannot start runc run")?;
        if !status.success() {
            bail!(
                "`runc run {id}` on {} failed ({status})",
                self.rootfs.path().display()
            );
        }
        Ok(())
    }
}

fn run(bundle: &TempDir, id: &str) -> Command {
    let mut command = runc();
    command
        .args(["run", "--bundle"])
        .arg(bundle.path())
        .arg(id)
        .stdin(Stdio::null());
    command
}
