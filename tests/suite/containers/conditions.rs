//! Entries that ask who started a program, and as whom.

use super::scene::{Scene, at, exec, shell, until_known};
use anyhow::Result;

pub fn parents_are_held_to() -> Result<()> {
    let scene = Scene::new()?;
    scene.image.script(
        "/app/serve.sh",
        "#!/bin/sh\n/app/of-init\n/app/of-probe\nsh -c '/app/of-init; :'\nsleep 1000\n",
    )?;
    scene.image.script("/app/run.sh", "#!/bin/sh\n:\n")?;
    for program in ["init", "probe", "storm"] {
        let hello = testbed::intruders::build("hello")?;
        scene.image.program(&hello, &format!("/app/of-{program}"))?;
    }
    scene.write_document(
        "  processes:
    - path: /bin/busybox
    - path: /opt/intruders/storm
    - path: /app/serve.sh
      interpreter: /bin/busybox
      parents: [\"*container-init*\"]
    - path: /app/run.sh
      interpreter: /bin/busybox
      parents: [\"*container-init*\"]
    - path: /app/of-init
      parents: [\"*container-init*\"]
    - path: /app/of-probe
      parents: [\"*injected*\"]
    - path: /app/of-storm
      parents: [/opt/intruders/storm]
",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    // One whose first process is the script, and one for whom it is not.
    let serving = scene.container(&["/app/serve.sh"]).run()?;
    let container = scene.idle()?;

    for listed in [
        &["/app/of-probe"][..],
        &[&at("storm"), "3", "/app/of-storm"],
    ] {
        until_known(&agent, || exec(&container, listed).map(drop))?;
    }
    for other in [
        "/app/of-init; :",
        "/app/of-probe; :",
        "/app/of-storm; :",
        "exec /app/of-storm",
        // Its parent is the runtime, as a probe's is; it runs in the same process.
        "exec /app/of-probe",
    ] {
        shell(&container, other)?;
    }
    exec(&container, &["/app/of-init"])?;
    exec(&container, &["/app/run.sh"])?;
    testbed::until("it to have served", super::scene::PATIENCE, || {
        Ok((serving.printed().lines().count() == 3).then_some(()))
    })?;

    scene.finish(
        agent,
        &[
            // Its other shell is the same program, and not the first process.
            (&serving, &["parent /app/of-probe", "parent /app/of-init"]),
            (
                &container,
                &[
                    "parent /app/run.sh",
                    "parent /app/of-init",
                    "parent /app/of-init",
                    "parent /app/of-probe",
                    "parent /app/of-storm",
                    "parent /app/of-storm",
                ],
            ),
        ],
    )
}

pub fn users_are_held_to() -> Result<()> {
    let scene = Scene::new()?;
    scene.image.text(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\nweb:x:1001:1001:web:/:/bin/sh\n",
    )?;
    scene.write_document(
        "  processes:
    - path: /bin/busybox
    - path: /app/worker
      users: [1000]
    - path: /app/job.sh
      interpreter: /bin/busybox
      users: [1000, 1001]
",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    let user = scene.container(&["/app/worker"]).user(1000).run()?;

    for listed in [
        &["su", "app", "-c", "/app/worker"][..],
        &["su", "app", "-c", "/app/job.sh"],
    ] {
        until_known(&agent, || exec(&container, listed).map(drop))?;
    }
    exec(&container, &["su", "web", "-c", "/app/job.sh"])?;
    exec(&container, &["/app/worker"])?;
    exec(&container, &["/app/worker"])?;

    scene.finish(
        agent,
        &[
            (&user, &[]),
            (
                &container,
                &[
                    "user /app/worker",
                    "user /app/worker",
                    "user /app/worker +1",
                ],
            ),
        ],
    )
}
