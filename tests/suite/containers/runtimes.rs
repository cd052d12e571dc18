//! The runtime's own execs inside the container's cgroup, and who pretends to
//! be it.

use super::scene::{PATIENCE, Scene, at, shell};
use anyhow::{Context, Result, ensure};
use testbed::container::Runtime;
use testbed::until;

const LISTED: &str = "  processes:
    - path: /bin/busybox
    - path: /app/worker
    - path: /opt/intruders/memfd
    - path: /opt/intruders/argv0
";

pub fn b20_a_runtime_is_not_reported() -> Result<()> {
    for runtime in Runtime::ALL {
        let scene = Scene::new()?;
        scene.write_document(LISTED)?;
        let agent = scene.agent(&["--enforce"])?;

        start_some(&scene, runtime)?;

        scene.finish(agent, &[])?;
    }
    Ok(())
}

pub fn b20_a_runtime_is_not_learned() -> Result<()> {
    for runtime in Runtime::ALL {
        let scene = Scene::new()?;
        let agent = scene.agent(&["--automatic", "1h"])?;

        start_some(&scene, runtime)?;
        let status = scene.wait_for_mode(&agent, "learn")?;

        let workload = scene.of_status(&status).context("the workload")?;
        // busybox as sh and as sleep, and the worker.
        ensure!(workload["processes"] == 3, "{workload:#}");
        scene.finish(agent, &[])?;
    }
    Ok(())
}

/// Containers that are run, executed in, created and started.
fn start_some(scene: &Scene, runtime: Runtime) -> Result<()> {
    for _ in 0..3 {
        let stays = scene.container(&["sleep", "1000"]).runtime(runtime).run()?;
        shell(&stays, "/app/worker")?;
        let ends = scene
            .container(&["/app/worker"])
            .runtime(runtime)
            .create()?;
        ends.start()?;
        ends.wait(PATIENCE)?;
    }
    Ok(())
}

pub fn b20_an_imitation_of_the_runtime_is_fileless() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document(LISTED)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    // As runc does it: from memory, by that name, as `runc init`.
    let imitation = format!(
        "{} runc_cloned:/proc/self/exe /app/worker runc init",
        at("memfd")
    );
    let renamed = format!("{} path runc:[2:INIT] {imitation}", at("argv0"));
    for line in [
        imitation.clone(),
        renamed,
        // In a mount namespace of its own, as before the container's is made.
        format!("unshare -Urm {imitation}"),
        format!("unshare -Urmp -f {imitation}"),
        // Without a parent.
        format!("(sleep 0.1; {imitation}; touch /gone) &"),
    ] {
        shell(&container, &line)?;
    }
    until("the orphan", PATIENCE, || {
        Ok(container.rootfs().inside("/gone").exists().then_some(()))
    })?;

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "fileless *memfd:runc_cloned:/proc/self/exe",
                "fileless *memfd:runc_cloned:/proc/self/exe +4",
            ],
        )],
    )
}
