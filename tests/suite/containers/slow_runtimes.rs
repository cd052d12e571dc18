//! Runtimes that write down late what they make, as on a machine with other
//! things to do: runc stands still between a container's cgroup and its state.

use super::expect::only;
use super::scene::{ELEMENT, Scene, exec, workload_in};
use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use testbed::container::Builder;
use testbed::{Container, unique_name};

/// Longer than the agent asks for files that nobody is seen to write.
const LONG: Duration = Duration::from_secs(3);
/// More than the agent reads of a bundle's `config.json`.
const TOO_MUCH: usize = 2 << 20;

/// Who made the cgroup tells nothing: its bundle is too large to be read.
pub fn a_container_that_is_still_being_written_down_is_waited_for() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let hold = Hold::new()?;

    let id = unique_name();
    let slow = scene.container(&["sleep", "1000"]).id(&id);
    let slow = slow.set("/filler", "x".repeat(TOO_MUCH).into());
    let container = hold.run(slow, || {
        thread::sleep(LONG);
        let status = agent.status()?;
        let by_id = workload_in(&status, &format!("runc/{id}"));
        ensure!(by_id.is_none(), "named by its id: {by_id:#?}");
        Ok(())
    })?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    scene.finish_with(agent, |records| {
        let record = only(records, &container, "unlisted /app/worker")?;
        for (field, expected) in [
            ("workload", scene.workload().as_str()),
            ("attributed", "true"),
        ] {
            let found = record.parameter(ELEMENT, field);
            ensure!(found == Some(expected), "{field}: {}", record.raw);
        }
        Ok(())
    })
}

/// What a runtime waits for when the container's cgroup is there and its state
/// is not.
pub struct Hold {
    folder: TempDir,
    /// Both its ends: whoever comes first waits for nobody.
    fifo: File,
}

impl Hold {
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix(unique_name())?;
        let at = fifo(&folder);
        mknodat(CWD, &at, FileType::Fifo, Mode::RWXU, 0)?;
        let fifo = OpenOptions::new().read(true).write(true).open(&at)?;
        Ok(Self { folder, fifo })
    }

    /// Starts a container whose runtime stands still `meanwhile`.
    pub fn run(
        &self,
        container: Builder<'_>,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<Container> {
        let container = container.set("/hooks", self.hooks());
        thread::scope(|scope| {
            let running = scope.spawn(|| container.run());
            let result = meanwhile();
            (&self.fifo).write_all(b"go on\n")?;
            let container = running.join().expect("it does not panic");
            result?;
            container.context("the container did not start")
        })
    }

    /// runc writes the state when these have ended.
    fn hooks(&self) -> Value {
        let line = format!("read line < {}", fifo(&self.folder).display());
        let hook = json!({ "path": "/bin/sh", "args": ["sh", "-c", line], "timeout": 120 });
        json!({ "createRuntime": [hook] })
    }
}

fn fifo(folder: &TempDir) -> PathBuf {
    folder.path().join("fifo")
}
