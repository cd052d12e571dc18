//! What lies outside the container: a descriptor that leaked in, and the node's
//! own mount namespace.

use super::expect::{brief, is_of};
use super::scene::{PATIENCE, Scene, exec};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use testbed::{Container, Record, intruders, until};

const LISTED: &str = "  processes:
    - path: /bin/busybox
    - path: /app/worker
";

/// The leaked descriptor of a runtime (CVE-2024-21626): a folder of the node.
/// Descriptor 3 is the node's root.
pub fn b36_a_descriptor_of_the_nodes_root() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let hello = intruders::build("hello")?;

    for line in [
        // What it runs is on the list; where it stands is not its own.
        "cd -P /proc/self/fd/3; /app/worker".to_owned(),
        "cd -P /proc/self/fd/3/../../..; exec /app/worker".to_owned(),
        format!("/proc/self/fd/3{}", hello.display()),
    ] {
        let exec = container.exec_command(["sh", "-c", &line]);
        let args: Vec<_> = exec.get_args().skip(1).collect();
        let output = Command::new("sh")
            .args(["-c", "exec 3</; exec \"$@\"", "sh"])
            .arg(exec.get_program())
            .args(["exec", "--preserve-fds", "1"])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .context("cannot start sh")?;
        ensure!(output.status.success(), "{line}: {output:?}");
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "breakout /app/worker",
                "breakout /app/worker +1",
                &format!("breakout {}", hello.display()),
            ],
        )],
    )
}

pub fn b36_nsenter_to_the_nodes_files() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = privileged(&scene)?;
    let hello = intruders::build("hello")?;

    exec(&container, &["nsenter", "-t", "2", "-m", &text(&hello)])?;

    scene.finish_with(agent, |records| is_told(records, &container, &hello))
}

/// Its parent is then one of the node's, which stands where it stands: as a
/// runtime does on its way into a container.
pub fn b36_an_orphan_among_the_nodes_files() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = privileged(&scene)?;
    let hello = intruders::build("hello")?;
    let done = scene.home.state().join("done");

    let line = format!("(sleep 0.2; {}; : > {}) &", hello.display(), done.display());
    exec(
        &container,
        &["nsenter", "-t", "2", "-m", "/bin/sh", "-c", &line],
    )?;
    until("the orphan", PATIENCE, || Ok(done.exists().then_some(())))?;

    scene.finish_with(agent, |records| is_told(records, &container, &hello))
}

/// A privileged container that sees the node's processes. The way to the node's
/// mount namespace is through a kernel thread, process 2: a node's first process
/// may have more privileges than the container has.
fn privileged(scene: &Scene) -> Result<Container> {
    scene
        .container(&["sleep", "1000"])
        .for_a_runtime()
        .with_the_nodes_processes()
        .run()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Every record is a breakout, and one is of this file.
fn is_told(records: &[Record], container: &Container, file: &Path) -> Result<()> {
    let of_file = format!("breakout {}", file.display());
    ensure!(
        records.iter().any(|record| brief(record) == of_file)
            && records
                .iter()
                .all(|record| is_of(record, container) && record.msgid == "breakout"),
        "no record `{of_file}`, or another: {:#?}",
        records.iter().map(brief).collect::<Vec<_>>()
    );
    Ok(())
}
