//! Real containers, run by runc or crun under its default state folder, as on a
//! node without an orchestrator.

mod builder;
mod runtime;
mod spec;

pub use builder::{Builder, Bundle};
pub use runtime::Runtime;

use crate::cgroup;
use crate::rootfs::Rootfs;
use crate::until;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long runc and the kernel get for what takes milliseconds: enough for a
/// machine with every core busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A container; killed and deleted when dropped.
#[derive(Debug)]
pub struct Container {
    id: String,
    runtime: Runtime,
    bundle: TempDir,
    rootfs: Rootfs,
    cgroup: PathBuf,
}

impl Container {
    /// Its id, as the runtime has it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its root, mounted.
    pub fn rootfs(&self) -> &Rootfs {
        &self.rootfs
    }

    /// Its bundle: `config.json`.
    pub fn bundle(&self) -> &Path {
        self.bundle.path()
    }

    /// Its cgroup's directory.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// The kernel's id of its cgroup.
    pub fn cgroup_id(&self) -> Result<u64> {
        cgroup::id_of(&self.cgroup)
    }

    /// Lets a created container's first process begin.
    pub fn start(&self) -> Result<()> {
        succeed(self.runtime.command().args(["start", &self.id])).map(drop)
    }

    /// Runs a command in it to the end, by the runtime's `exec`.
    pub fn exec<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.exec_command(args)
            .output()
            .context("cannot start the runtime's exec")
    }

    /// The command that [`Container::exec`] runs, for other standard streams.
    pub fn exec_command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.runtime.command();
        command
            .args(["exec", &self.id])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// What its first process has printed.
    pub fn printed(&self) -> String {
        let bytes = fs::read(self.bundle().join(builder::OUTPUT)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The first process's id on the node.
    pub fn pid(&self) -> Result<u32> {
        let pid = self.state()?["pid"].as_u64().unwrap_or(0);
        match u32::try_from(pid) {
            Ok(pid) if pid > 0 => Ok(pid),
            _ => bail!("container {} has no process", self.id),
        }
    }

    /// Sends its first process a signal and waits for its end, as an orchestrator
    /// does that stops it.
    pub fn stop(&self, signal: &str, deadline: Duration) -> Result<()> {
        succeed(self.runtime.command().args(["kill", &self.id, signal]))?;
        self.wait(deadline)
    }

    /// Waits until its first process has ended.
    pub fn wait(&self, deadline: Duration) -> Result<()> {
        until(&format!("container {} to end", self.id), deadline, || {
            Ok((self.state()?["status"] == "stopped").then_some(()))
        })
    }

    fn state(&self) -> Result<Value> {
        let output = succeed(self.runtime.command().args(["state", &self.id]))?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cannot read the state of {}", self.id))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        delete(self.runtime, &self.id);
        cgroup::remove(&self.cgroup);
    }
}

/// Kills it and waits until the runtime has forgotten it.
fn delete(runtime: Runtime, id: &str) {
    if let Err(error) = succeed(runtime.command().args(["delete", "--force", id])) {
        eprintln!("cannot delete the container {id}: {error:#}");
    }
}

/// Deletes the containers of killed runs.
pub(crate) fn sweep() {
    for runtime in Runtime::ALL {
        let folder = fs::read_dir(runtime.state_folder());
        for entry in folder.into_iter().flatten().flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            if cgroup::is_left_over(&id) {
                delete(runtime, &id);
            }
        }
    }
}

fn succeed(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output)
}
