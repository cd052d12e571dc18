//! `#!`: the script, those between, and the interpreter, in containers.

use super::scene::{Scene, exec, sha256, shell, until_known, window};
use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use testbed::{Container, find_program, unique_name};

pub fn b04_another_script_of_a_listed_interpreter() -> Result<()> {
    let scene = Scene::new()?;
    scene.image.script("/app/other.sh", "#!/bin/sh\n:\n")?;
    scene.write_document(
        "  processes:
    - path: /bin/busybox
    - path: /app/worker
    - path: /app/job.sh
      interpreter: /bin/busybox
",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene
        .container(&["sleep", "1000"])
        .tmpfs("/scratch")
        .run()?;

    exec(&container, &["/app/job.sh"])?;
    exec(&container, &["/app/other.sh"])?;
    for folder in ["/scratch", "/tmp"] {
        // Even one that says the same as a listed one.
        let line = format!(
            "cd {folder}; cp /app/job.sh job.sh; ./job.sh;
             printf '#!/bin/busybox ash\\n:\\n' > ash; chmod +x ash; ./ash"
        );
        shell(&container, &line)?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "script /app/other.sh",
                "script /scratch/job.sh",
                "script /scratch/ash",
                "drift /tmp/job.sh",
                "drift /tmp/ash",
            ],
        )],
    )
}

/// The longest chain that the kernel follows.
const DEPTH: usize = 5;

/// `/chain/1` is for the shell, each of the others for the one before; and
/// `/app/split` for what coreutils' `env` makes of its line.
fn scene_of_chains() -> Result<Scene> {
    let scene = Scene::new()?;
    for depth in 1..=DEPTH {
        let interpreter = match depth {
            1 => "/bin/sh".to_owned(),
            _ => format!("/chain/{}", depth - 1),
        };
        let text = format!("#!{interpreter}\n:\n");
        scene.image.script(&format!("/chain/{depth}"), &text)?;
    }
    let env = find_program("env").context("env is not installed")?;
    scene.image.linked_program(&env, "/usr/bin/env")?;
    for name in ["split", "unlisted-split"] {
        let text = "#!/usr/bin/env -S sh -e\n:\n";
        scene.image.script(&format!("/app/{name}"), text)?;
    }
    scene.image.script("/chain/other", "#!/bin/sh\n:\n")?;
    Ok(scene)
}

fn run_all(container: &Container) -> Result<()> {
    for depth in 1..=DEPTH {
        exec(container, &[&format!("/chain/{depth}")])?;
    }
    exec(container, &["/app/split"]).map(drop)
}

pub fn b04_chains_are_learned_and_enforced() -> Result<()> {
    let scene = scene_of_chains()?;
    let agent = scene.agent(&["--automatic", &window(4)])?;
    let first = scene.idle()?;
    run_all(&first)?;
    // For what comes later: a shell of any arguments, and the ways to change
    // what is between.
    shell(
        &first,
        "cp /chain/1 /tmp/x; sed -i s/x/x/ /tmp/x; unshare true",
    )?;
    shell(&first, "sh /chain/1")?;
    shell(&first, "unshare -Urm mount --bind /tmp /root; :")?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    for depth in 2..=DEPTH {
        let via: String = (1..depth)
            .rev()
            .map(|via| format!("        - /chain/{via}\n"))
            .collect();
        let chain =
            format!("path: /chain/{depth}\n      interpreter: /bin/busybox\n      via:\n{via}");
        ensure!(document.contains(&chain), "{chain} is not in {document}");
    }
    let split = "path: /app/split\n      interpreter: /usr/bin/env\n      sha256: ";
    ensure!(document.contains(split), "{split} is not in {document}");

    // The same in another container, twice: none of it is new.
    let second = scene.idle()?;
    run_all(&second)?;
    run_all(&second)?;
    // One in the middle is another's file, or was written to.
    shell(
        &second,
        "unshare -Urm sh -ec 'mount --bind /chain/other /chain/2; /chain/5; /chain/2'",
    )?;
    shell(
        &first,
        "sed -i s/:/true/ /chain/2; /chain/5; /chain/3; /chain/1",
    )?;
    exec(&first, &["/app/unlisted-split"])?;

    scene.finish(
        agent,
        &[
            // It has no chain of this length any more: /chain/2 is for a shell.
            (&second, &["script /chain/5", "script /chain/2"]),
            (
                &first,
                &[
                    "drift /chain/5",
                    "drift /chain/3",
                    "script /app/unlisted-split",
                ],
            ),
        ],
    )
}

pub fn b04_a_listed_script_with_another_content() -> Result<()> {
    const LISTED: &str = "#!/bin/sh\n: 1\n";
    let scene = Scene::new()?;
    scene.image.script("/app/run.sh", LISTED)?;
    let digest = sha256(&scene.image.inside("/app/run.sh"))?;
    let volume = TempDir::with_prefix(unique_name())?;
    scene.write_document(&format!(
        "  digests: verify
  processes:
    - path: /bin/busybox
    - path: /app/run.sh
      interpreter: /bin/busybox
      sha256: {digest}
    - path: /data/run.sh
      layer: volume
      interpreter: /bin/busybox
      sha256: {digest}
"
    ))?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene
        .container(&["sleep", "1000"])
        .volume(volume.path(), "/data")
        .run()?;

    let run = |script: &'static str| until_known(&agent, || exec(&container, &[script]).map(drop));
    shell(&container, "cp /app/run.sh /data/run.sh")?;
    for (number, script) in [(1, "/app/run.sh"), (2, "/data/run.sh")] {
        run(script)?;
        // In place, of the same size.
        shell(
            &container,
            &format!("printf '#!/bin/sh\\n: 2\\n' > {script}; {script}"),
        )?;
        scene.wait_for_records(&container, number)?;
    }
    // Back again: what counts is the content, not whether it was touched.
    shell(&container, "printf '#!/bin/sh\\n: 1\\n' > /data/run.sh")?;
    run("/data/run.sh")?;

    scene.finish(
        agent,
        &[(&container, &["drift /app/run.sh", "modified /data/run.sh"])],
    )
}
