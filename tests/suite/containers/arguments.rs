//! Code in arguments: what an interpreter is told to do without a file of its
//! own.

use super::scene::{Scene, exec, shell, window};
use anyhow::{Result, ensure};

pub fn b05_code_in_arguments_is_held_to_a_pattern() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(
        "  processes:
    - path: /bin/busybox
      applet: sleep
    - path: /bin/busybox
      applet: sh
      args: [\"-c\", \"/app/worker --port=*\"]
    - path: /bin/busybox
      applet: ash
      args: [\"-e\", \"**\"]
    - path: /app/worker
",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for listed in [
        &["sh", "-c", "/app/worker --port=80"][..],
        &["sh", "-c", "/app/worker --port=80"],
        &["sh", "-c", "/app/worker --port=443"],
        &["busybox", "sh", "-c", "/app/worker --port=80"],
        &["ash", "-e"],
        &["ash", "-e", "-c", "anything", "at", "all"],
    ] {
        container.exec(listed)?;
    }
    for evil in [
        &["sh", "-c", "/app/worker"][..],
        &["sh", "-c", "/app/worker --port=80", "more"],
        &["sh", "-ec", "/app/worker --port=80"],
        &["sh", "-c", "exec /app/worker --port=80; evil"],
        &["busybox", "sh", "-c", "evil"],
        &["sh"],
        &["ash", "-c", "evil"],
    ] {
        container.exec(evil)?;
    }

    scene.finish(agent, &[(&container, &["args /bin/busybox"; 7])])
}

/// The declared limit: no exec, no alert.
pub fn b05_code_in_arguments_is_not_seen_without_a_pattern() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    shell(&container, "echo evil")?;
    shell(
        &container,
        "echo 'echo evil' > /tmp/evil; sh /tmp/evil; . /tmp/evil",
    )?;

    scene.finish(agent, &[])
}

pub fn b05_code_in_arguments_is_learned_while_it_is_little() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let container = scene.idle()?;

    for _ in 0..2 {
        shell(&container, "echo healthy")?;
        exec(&container, &["busybox", "sh", "-c", "echo ready"])?;
    }
    for number in 0..9 {
        exec(&container, &["ash", "-c", &format!("echo {number}")])?;
    }
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    shell(&container, "echo healthy")?;
    shell(&container, "echo ready")?;
    exec(&container, &["ash", "-c", "echo evil"])?;
    shell(&container, "echo evil")?;
    exec(
        &container,
        &["busybox", "sh", "-c", "echo healthy; evil || :"],
    )?;

    for code in ["echo healthy", "echo ready"] {
        let args = format!("args:\n        - \"-c\"\n        - \"{code}\"\n");
        ensure!(document.contains(&args), "{args} is not in {document}");
    }
    ensure!(!document.contains("echo 0"), "too many: {document}");
    scene.finish(agent, &[(&container, &["args /bin/busybox"; 2])])
}
