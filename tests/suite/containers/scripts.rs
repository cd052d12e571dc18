//! Scripts: each is its own file, whatever name it was run by.

use super::scene::{Scene, at, exec, shell};
use anyhow::Result;

const LISTED: &str = "  processes:
    - path: /bin/busybox
    - path: /opt/intruders/argv0
    - path: /opt/intruders/chroot
    - path: /app/serve.sh
      interpreter: /bin/busybox
    - path: /app/edited.sh
      interpreter: /bin/busybox
    - path: /app/replaced.sh
      interpreter: /bin/busybox
    - path: /app/touched.sh
      interpreter: /bin/busybox
";

fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    for name in ["serve", "edited", "replaced", "touched", "evil"] {
        let path = format!("/app/{name}.sh");
        scene.image.script(&path, "#!/bin/sh\n:\n")?;
    }
    // Relative to the working directory, which a chroot does not move.
    let script = "#!bin/busybox sh\n:\n";
    scene.image.script("/opt/j/app/serve.sh", script)?;
    scene.intruder("chroot")?;
    scene.write_document(LISTED)?;
    Ok(scene)
}

pub fn b10_scripts_of_the_writable_layer() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for line in [
        "sed -i s/:/true/ /app/edited.sh; /app/edited.sh",
        "cp -p /app/replaced.sh /tmp/r; mv /tmp/r /app/replaced.sh; /app/replaced.sh",
        "chmod 700 /app/touched.sh; /app/touched.sh",
        "printf '#!/bin/sh\\n' > /tmp/new.sh; chmod +x /tmp/new.sh; /tmp/new.sh",
    ] {
        shell(&container, line)?;
    }
    exec(&container, &["/app/serve.sh"])?;

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "drift /app/edited.sh",
                "drift /app/replaced.sh",
                "drift /app/touched.sh",
                "drift /tmp/new.sh",
            ],
        )],
    )
}

pub fn b14_another_script_under_a_listed_name() -> Result<()> {
    let scene = scene()?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    // With the image's own interpreter each time.
    exec(
        &container,
        &[&at("argv0"), "descriptor", "/app/serve.sh", "/app/evil.sh"],
    )?;
    shell(
        &container,
        "unshare -Urm sh -ec 'mount --bind /app/edited.sh /app/serve.sh; /app/serve.sh'",
    )?;
    exec(&container, &[&at("chroot"), "/opt/j", "/app/serve.sh"])?;

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "script /app/evil.sh",
                "script /app/serve.sh",
                "script /opt/j/app/serve.sh",
            ],
        )],
    )
}
