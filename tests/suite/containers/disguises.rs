//! An intruder under another's name, or under none.

use super::scene::{Scene, at, exec, shell};
use anyhow::{Context, Result, ensure};
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
    - path: /app/touched
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
        "touched",
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

    for how in ["path", "descriptor"] {
        exec(&container, &[&at("argv0"), how, "/app/worker", "/app/evil"])?;
    }

    scene.finish(
        agent,
        &[(&container, &["unlisted /app/evil", "unlisted /app/evil +1"])],
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
    for folder in ["/root", "/dev/shm"] {
        exec(&container, &[&at("tmpfile"), folder, "/app/worker", "x"])?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "fileless /tmp/.deleted-*",
                "fileless /root/#*",
                "fileless /dev/shm/#*",
            ],
        )],
    )
}

pub fn b09_one_file_by_every_spelling() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for program in ["/app/worker", "/app/evil"] {
        let failed = exec(&container, &[&at("spellings"), program])?.stdout;
        ensure!(
            failed.is_empty(),
            "these did not run: {}",
            String::from_utf8(failed).context("spellings are text")?
        );
    }

    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /app/evil", "unlisted /app/evil +10"],
        )],
    )
}

pub fn b10_files_of_the_writable_layer() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for line in [
        // The same content under the same path is still not the image's file.
        "cp /app/worker /app/new; mv /app/new /app/worker; /app/worker",
        "chmod 700 /app/touched; /app/touched",
        "cp /app/copied /tmp/downloaded; /tmp/downloaded",
        "echo '#!/bin/sh' > /tmp/run.sh; chmod +x /tmp/run.sh; /tmp/run.sh",
    ] {
        shell(&container, line)?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "drift /app/worker",
                "drift /app/touched",
                "drift /tmp/downloaded",
                // By its name: without the LSM hook only the interpreter's
                // file is seen, and that is the image's.
                "script /tmp/run.sh",
            ],
        )],
    )
}
