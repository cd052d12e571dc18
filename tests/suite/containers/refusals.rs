//! What keeps the agent from starting: one sentence and exit status 2.

use super::circumstances::{as_nobody, with_mounts};
use super::scene::Scene;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use testbed::agent::binary;
use testbed::until;

/// A command that is refused before the verifier has anything to do.
const DEADLINE: Duration = Duration::from_secs(10);

pub fn without_root() -> Result<()> {
    let scene = Scene::new()?;
    let (_copy, mut command) = as_nobody()?;
    command.args(["run", "--state"]).arg(scene.home.state());

    check(
        command,
        "programs can only be loaded into the kernel by root: run this as root",
    )
}

pub fn without_cgroup_v2() -> Result<()> {
    let scene = Scene::new()?;

    check(
        under(&scene, "umount --lazy /sys/fs/cgroup")?,
        "cgroup v2 is not mounted; boot with systemd.unified_cgroup_hierarchy=1, or mount it: ",
    )
}

pub fn without_btf() -> Result<()> {
    let scene = Scene::new()?;

    check(
        under(&scene, "mount -t tmpfs none /sys/kernel/btf")?,
        "this kernel has no BTF type information",
    )
}

pub fn with_a_syslog_url_that_is_none() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = agent(&scene)?;
    command.args(["--syslog", "ftp://localhost"]);

    check(command, "\"ftp://localhost\" is no syslog URL; write ")
}

pub fn with_a_target_named_twice() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = agent(&scene)?;
    command.args([
        "--syslog",
        "udp://localhost",
        "--syslog",
        "udp://localhost:514",
    ]);

    check(command, "udp://localhost:514 is named twice as a target")
}

pub fn with_an_unknown_key() -> Result<()> {
    let scene = Scene::new()?;
    fs::write(scene.home.config(), "host = true\nlearnt = \"1h\"\n")?;

    let place = format!("{}:2:1: ", scene.home.config().display());
    check(agent(&scene)?, &place)
}

pub fn with_the_state_of_another_agent() -> Result<()> {
    let scene = Scene::new()?;
    let running = scene.agent(&["--enforce"])?;

    check(agent(&scene)?, "another execwarden is using ")?;
    scene.finish(running, &[])
}

/// The agent with the scene's folders, about to start.
pub fn agent(scene: &Scene) -> Result<Command> {
    let mut command = Command::new(binary()?);
    add_folders(&mut command, scene);
    Ok(command)
}

fn under(scene: &Scene, line: &str) -> Result<Command> {
    let mut command = with_mounts(line)?;
    add_folders(&mut command, scene);
    Ok(command)
}

fn add_folders(command: &mut Command, scene: &Scene) {
    let control: &Path = &scene.home.control();
    command.arg("run").arg("--config").arg(scene.home.config());
    command.arg("--state").arg(scene.home.state());
    command.arg("--allowlists").arg(scene.home.allowlists());
    command.arg("--control").arg(control);
}

/// Exactly one line, which says this; what the log had to say comes before it.
pub fn check(mut command: Command, expected: &str) -> Result<()> {
    let mut running = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start it")?;
    let output = ended(&mut running).and_then(|()| Ok(running.wait_with_output()?))?;
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = String::from_utf8(stderr).context("it says something that is no text")?;
    let lines: Vec<_> = text.lines().filter(|line| !is_log(line)).collect();

    ensure!(
        status.code() == Some(2) && stdout.is_empty(),
        "it ended with {status}: {text}"
    );
    let [sentence] = lines[..] else {
        bail!("these are not one line: {text}");
    };
    ensure!(sentence.contains(expected), "{sentence}");
    for trace in ["panicked", "backtrace", "Error {", "Caused by"] {
        ensure!(!sentence.contains(trace), "{sentence}");
    }
    Ok(())
}

fn ended(running: &mut Child) -> Result<()> {
    let waited = until("it to refuse", DEADLINE, || {
        Ok(running.try_wait()?.map(drop))
    });
    if waited.is_err() {
        let _ = running.kill();
    }
    waited
}

/// A line of the agent's own log begins with the time.
fn is_log(line: &str) -> bool {
    line.split_once('T')
        .is_some_and(|(day, _)| day.len() == 10 && day.starts_with("20"))
}
