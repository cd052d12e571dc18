//! New namespaces and new roots, and another file under a listed name in them.

use super::scene::{Scene, shell};
use anyhow::Result;
use procfs::KernelVersion;
use testbed::{Container, intruders};

/// How a process gets namespaces of its own. The first has to be the user
/// namespace for who may not make the others.
const WAYS: [(&str, &str); 3] = [
    ("mount", "unshare -Urm"),
    ("pid", "unshare -Urmp -f"),
    ("all", "unshare -Urmpuin -f"),
];

/// What is done in there to a listed path, `$to`; `$d` is a folder of its own.
const DISGUISES: [(&str, &str); 4] = [
    ("bind", "mount --bind /app/evil $to"),
    (
        "tmpfs",
        "cp /app/evil $d; mount -t tmpfs none ${to%/*}; cp $d/evil $to",
    ),
    (
        "overlay",
        "cp /app/evil $d/listed; mount -t overlay -o lowerdir=$d:/etc none ${to%/*}",
    ),
    (
        "root",
        "mkdir -p $d/old $d${to%/*}; cp /app/evil $d$to; \
         mount --bind $d $d; cd $d; pivot_root . old; cd /",
    ),
];

/// Another file under a name of the image, in namespaces of its own.
pub struct Disguised {
    /// The name.
    pub to: String,
    /// How it is taken.
    pub disguise: &'static str,
    /// What a shell does for it.
    pub line: String,
}

/// Each way with each disguise; `/app/evil` has to be in the image.
pub fn disguised(scene: &Scene) -> Result<Vec<Disguised>> {
    let hello = intruders::build("hello")?;
    let overlays = may_mount_overlays()?;
    let mut all = Vec::new();
    for (way, unshare) in WAYS {
        for (disguise, line) in DISGUISES {
            if disguise == "overlay" && !overlays {
                continue;
            }
            let to = format!("/app/{way}/{disguise}/listed");
            scene.image.program(&hello, &to)?;
            let line = format!("{unshare} sh -ec 'to={to}; d=$(mktemp -d); {line}; $to'");
            all.push(Disguised { to, disguise, line });
        }
    }
    Ok(all)
}

pub fn b13_another_file_under_a_listed_name_in_new_namespaces() -> Result<()> {
    let scene = Scene::new()?;
    let hello = intruders::build("hello")?;
    scene.image.program(&hello, "/app/evil")?;
    let mut document = "  processes:\n    - path: /bin/busybox\n".to_owned();
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for Disguised { to, disguise, line } in disguised(&scene)? {
        document += &format!("    - path: {to}\n");
        lines.push(line);
        // A file that was written to the disk is that, whatever root it is
        // seen from.
        let reason = if disguise == "root" {
            "drift"
        } else {
            "unlisted"
        };
        expected.push(format!("{reason} {to}"));
    }
    scene.write_document(&document)?;
    let agent = scene.agent(&["--enforce"])?;
    let mut containers = vec![scene.idle()?];
    let user = scene.container(&["sleep", "1000"]).user(1000).run()?;
    if may_make_namespaces(&user)? {
        containers.push(user);
    }

    for container in &containers {
        shell(container, &lines.join(" && "))?;
    }

    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let expected: Vec<_> = containers
        .iter()
        .map(|container| (container, expected.as_slice()))
        .collect();
    scene.finish(agent, &expected)
}

/// Since Linux 5.11; before that nobody mounts an overlay in a user namespace.
fn may_mount_overlays() -> Result<bool> {
    let may = KernelVersion::current()? >= KernelVersion::new(5, 11, 0);
    if !may {
        println!("this kernel has no overlays in user namespaces: tried the other disguises alone");
    }
    Ok(may)
}

/// Some systems keep user namespaces from users.
fn may_make_namespaces(container: &Container) -> Result<bool> {
    let may = container.exec(["unshare", "-Ur", "true"])?.status.success();
    if !may {
        println!("users may not make user namespaces on this machine: tried as root alone");
    }
    Ok(may)
}
