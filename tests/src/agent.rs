//! The built agent as a process, with folders of its own.

use crate::places::{self, BpfFs};
use crate::until;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long the agent gets to load its programs and answer. The verifier takes
/// most of it; a debug build on a busy machine was seen to need two seconds.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Well above the one second that the agent promises.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The agent's folders; they outlive it, so that it can be started again.
#[derive(Debug)]
pub struct Home {
    /// Before the folder, which it is in.
    bpffs: Option<BpfFs>,
    folder: TempDir,
}

impl Home {
    /// Empty folders for allowlists and state.
    pub fn new() -> Result<Self> {
        let folder = places::folder("home")?;
        let bpffs = None;
        let home = Self { bpffs, folder };
        for path in [home.allowlists(), home.state()] {
            fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        // A config file of the machine's must not take part.
        fs::write(home.config(), "").context("cannot write the config file")?;
        Ok(home)
    }

    /// The same where the programs stay in the kernel when an agent ends.
    pub fn pinning() -> Result<Self> {
        let mut home = Self::new()?;
        let at = home.folder.path().join("bpf");
        fs::create_dir(&at).with_context(|| format!("cannot make {}", at.display()))?;
        home.bpffs = Some(BpfFs::mount(&at)?);
        Ok(home)
    }

    /// What its agents have as `--pins`.
    pub fn pins(&self) -> PathBuf {
        let bpffs = { self.bpffs.as_ref() }.map(|bpffs| bpffs.path().join("execwarden"));
        bpffs.unwrap_or_else(|| PathBuf::from("off"))
    }

    /// Where it reads ProcessAllowlist documents.
    pub fn allowlists(&self) -> PathBuf {
        self.folder.path().join("allowlists")
    }

    /// Where it keeps what it learned.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Its config file, empty at first.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Its control socket, once it runs.
    pub fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// The alerts that the last agent here has printed, in order.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        let file = self.alerts_file();
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("the agent printed a line that is no JSON: {line}"))
            })
            .collect()
    }

    /// The log of the last agent here.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn alerts_file(&self) -> PathBuf {
        self.folder.path().join("alerts.jsonl")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("agent.log")
    }
}

/// A running agent; killed when dropped, if it was not stopped.
#[derive(Debug)]
pub struct Agent<'a> {
    home: &'a Home,
    process: Child,
}

impl<'a> Agent<'a> {
    /// Starts `execwarden run` with these arguments and waits until it answers
    /// on its control socket. Alerts and log start empty.
    pub fn start<'b>(home: &'a Home, args: impl IntoIterator<Item = &'b str>) -> Result<Self> {
        Self::start_where(home, &[], args)
    }

    /// The same in an environment with these variables.
    pub fn start_where<'b>(
        home: &'a Home,
        variables: &[(&str, &str)],
        args: impl IntoIterator<Item = &'b str>,
    ) -> Result<Self> {
        let create = |path: PathBuf| {
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))
        };
        let process = places::dying_with_us(&binary()?)
            .arg("run")
            .arg("--json")
            .arg("--config")
            .arg(home.config())
            .arg("--allowlists")
            .arg(home.allowlists())
            .arg("--state")
            .arg(home.state())
            .arg("--control")
            .arg(home.control())
            .arg("--pins")
            .arg(home.pins())
            .args(args)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(create(home.alerts_file())?)
            .stderr(create(home.log_file())?)
            .spawn()
            .context("cannot start the agent")?;
        let mut agent = Self { home, process };
        let answered = until("the agent to answer", START_DEADLINE, || {
            if let Some(status) = agent.process.try_wait()? {
                bail!("the agent ended ({status})");
            }
            Ok(agent.status().ok())
        });
        answered
            .with_context(|| format!("the agent did not come up; its log:\n{}", agent.log()))?;
        Ok(agent)
    }

    /// What `execwarden status --json` prints.
    pub fn status(&self) -> Result<Value> {
        let output = self.ask(&["status", "--json"])?;
        if !output.status.success() {
            bail!(
                "`execwarden status` failed ({}): {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("`execwarden status --json` is no JSON")
    }

    /// Waits until the status satisfies a condition, and gives it.
    pub fn wait_for(
        &self,
        what: &str,
        deadline: Duration,
        mut enough: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        until(what, deadline, || {
            let status = self.status()?;
            Ok(enough(&status).then_some(status))
        })
        .with_context(|| format!("the agent did not get there; its log:\n{}", self.log()))
    }

    /// Runs another command of `execwarden` against this agent.
    pub fn ask(&self, args: &[&str]) -> Result<Output> {
        Command::new(binary()?)
            .args(args)
            .arg("--control")
            .arg(self.home.control())
            .output()
            .context("cannot start execwarden")
    }

    /// The alerts it has printed, in order.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        self.home.alerts()
    }

    /// Its own log.
    pub fn log(&self) -> String {
        self.home.log()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends SIGHUP: read everything again.
    pub fn reload(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Sends SIGTERM and waits for its end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        until("the agent to end", STOP_DEADLINE, || {
            Ok(self.process.try_wait()?)
        })
    }

    /// Sends SIGKILL and waits for its end: a crash.
    pub fn crash(mut self) -> Result<()> {
        self.process.kill().context("cannot kill the agent")?;
        self.process.wait().context("cannot wait for the agent")?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.process), signal)
            .with_context(|| format!("cannot send {signal:?} to the agent"))
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The agent that was built with this program: in its folder, or for a test in
/// `deps` in the one above.
pub fn binary() -> Result<PathBuf> {
    let me = env::current_exe().context("cannot find this program's own file")?;
    me.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("execwarden"))
        .find(|candidate| is_file(candidate))
        .with_context(|| {
            format!(
                "there is no agent beside {}; run cargo build --package execwarden",
                me.display()
            )
        })
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
