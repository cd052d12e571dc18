//! Another root directory, in which another file has a listed name.

use super::scene::{Scene, shell};
use anyhow::Result;
use testbed::intruders;

const LISTED: &str = "  processes:
    - path: /bin/busybox
    - path: /app/worker
    - path: /app/tool
";

/// `/opt/j` is a folder of the image with files under the listed names; none
/// of them is on the list under its own.
fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    let hello = intruders::build("hello")?;
    for path in [
        "/app/tool",
        "/opt/j/app/worker",
        "/opt/j/app/tool",
        "/opt/j/bin/sh",
    ] {
        scene.image.program(&hello, path)?;
    }
    scene.image.text("/opt/j/old/empty", "")?;
    scene.write_document(LISTED)?;
    Ok(scene)
}

pub fn b14_a_chroot() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for line in [
        "mkdir -p /tmp/j/bin /tmp/j/app; cp /bin/busybox /tmp/j/bin/sh; chroot /tmp/j /bin/sh -c :",
        "cp /app/worker /tmp/j/app/; chroot /tmp/j /app/worker",
        // A root within a root.
        "mkdir -p /tmp/j/k/app; cp /app/tool /tmp/j/k/app/; cp /bin/busybox /tmp/j/bin/; \
         chroot /tmp/j /bin/busybox chroot /k /app/tool",
        "chroot /opt/j /app/worker",
        "chroot /opt/j /bin/sh",
        "cd /opt/j; chroot . app/tool",
    ] {
        shell(&container, line)?;
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "drift /tmp/j/bin/sh",
                "drift /tmp/j/app/worker",
                "drift /tmp/j/bin/busybox",
                "drift /tmp/j/k/app/tool",
                "unlisted /opt/j/app/worker",
                "unlisted /opt/j/bin/sh",
                "unlisted /opt/j/app/tool",
            ],
        )],
    )
}

pub fn b14_a_pivot_root() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for (root, program) in [("/tmp/j", "/app/worker"), ("/opt/j", "/app/tool")] {
        shell(
            &container,
            &format!(
                "mkdir -p {root}/old {root}/app; [ -e {root}{program} ] || cp {program} {root}{program}; \
                 unshare -Urm sh -ec 'mount --bind {root} {root}; cd {root}; pivot_root . old; cd /; {program}'"
            ),
        )?;
    }

    // From its new root the second is called as one on the list is, and it is
    // of the image as well: but the container's root is not what it is under.
    scene.finish(
        agent,
        &[(&container, &["drift /app/worker", "unlisted /app/tool"])],
    )
}
