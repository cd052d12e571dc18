//! An intruder under another's name, or under none.

use super::scene::{Scene, at, exec, shell};
use anyhow::{Context, Result};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use testbed::intruders;

/// What may run where intruders are tried; `/app/evil` may not.
const LISTED: &str = "  mode: enforce
  processes:
    - path: /bin/busybox
    - path: /app/worker
    - path: /opt/intruders/memfd
    - path: /opt/intruders/deleted
    - path: /opt/intruders/tmpfile
    - path: /opt/intruders/argv0
    - path: /opt/intruders/spellings
    - path: /app/linked
    - path: /app/hard
    - path: /app/renamed
    - path: /app/copied
    - path: /app/overwritten
";

fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    for name in [
        "evil",
        "mover",
        "linked",
        "hard",
        "renamed",
        "copied",
        "overwritten",
    ] {
        scene
            .image
            .program(&intruders::build("hello")?, &format!("/app/{name}"))?;
    }
    scene.write_document(LISTED)?;
    Ok(scene)
}

pub fn b02_another_file_under_a_listed_name() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for line in [
        "rm /app/linked; ln -s /app/evil /app/linked; /app/linked",
        "ln -f /app/evil /app/hard; /app/hard",
        "mv /app/mover /app/renamed; /app/renamed",
        "cp /app/evil /tmp/new; mv /tmp/new /app/copied; /app/copied",
        "cp /app/evil /app/overwritten; /app/overwritten",
    ] {
        shell(&container, line)?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                // A symlink is no file of its own: what it leads to has run.
                "unlisted /app/evil",
                "drift /app/hard",
                "drift /app/renamed",
                "drift /app/copied",
                "drift /app/overwritten",
            ],
        )],
    )
}

pub fn b03_forged_argv0_and_process_name() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for how in ["path", "descriptor", "empty"] {
        exec(&container, &[&at("argv0"), how, "/app/worker", "/app/evil"])?;
    }
    for line in [
        "exec -a /app/worker /app/evil",
        "exec 9</app/evil; exec -a /app/worker /proc/self/fd/9",
    ] {
        shell(&container, line)?;
    }

    scene.finish(
        agent,
        &[(&container, &["unlisted /app/evil", "unlisted /app/evil +4"])],
    )
}

pub fn b07_programs_in_memory() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for name in ["x", "runc_cloned:/proc/self/exe", "../app/worker"] {
        exec(
            &container,
            &[&at("memfd"), name, "/app/worker", "/app/worker"],
        )?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "fileless *memfd:x",
                "fileless *memfd:runc_cloned:/proc/self/exe",
                "fileless *memfd:../app/worker",
            ],
        )],
    )
}

pub fn b08_files_without_a_name() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    exec(&container, &[&at("deleted"), "/app/worker", "/app/worker"])?;
    exec(
        &container,
        &[&at("tmpfile"), "/dev/shm", "/app/worker", "x"],
    )?;
    let mut expected = vec!["fileless /tmp/.deleted-*", "fileless /dev/shm/#*"];
    if makes_nameless_files(&container.rootfs().inside("/root")) {
        exec(&container, &[&at("tmpfile"), "/root", "/app/worker", "x"])?;
        expected.push("fileless /root/#*");
    }

    scene.finish(agent, &[(&container, &expected)])
}

/// overlayfs does since Linux 6.3.
fn makes_nameless_files(folder: &Path) -> bool {
    /// `O_TMPFILE` of asm-generic/fcntl.h.
    const O_TMPFILE: i32 = 0o20_200_000;
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(O_TMPFILE);
    options.open(folder).is_ok()
}

pub fn b09_one_file_by_every_spelling() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    let mut ran = 0;
    for program in ["/app/worker", "/app/evil"] {
        let printed = exec(&container, &[&at("spellings"), program])?.stdout;
        // The spellings that failed, then how many there were.
        let printed = String::from_utf8(printed).context("spellings are text")?;
        ran = printed
            .trim()
            .parse()
            .with_context(|| format!("these did not run: {printed}"))?;
    }

    let more: u64 = ran - 1;
    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /app/evil", &format!("unlisted /app/evil +{more}")],
        )],
    )
}
