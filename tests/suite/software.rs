//! Real software under the agent, held to the allowlist that comes with the
//! agent: its ordinary life gives no alert, an intruder exactly one.
//!
//! The cheap ones. `cargo xtask learn-allowlists` learned each list from a root of
//! Debian's packages, and held it against another life there.

use crate::containers::scene::{Scene, at, exec};
use crate::harness::{Group, Named};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use testbed::container::Runtime;
use testbed::software::{self, Life, Stage};
use testbed::{Container, Image, Software, find_program, intruders, unique_name};

/// Not for other kernels: their machines lack the programs.
pub const SOFTWARE: Group = ("software", TESTS);

const TESTS: &[Named] = &[
    ("a_busybox_job_keeps_to_its_allowlist", busybox_job),
    ("redis_keeps_to_its_allowlist", redis),
];

/// What Redis's image has in it: Debian's own files, each where Debian has it.
const REDIS: [&str; 9] = [
    "chown",
    "dash",
    "find",
    "grep",
    "id",
    "redis-benchmark",
    "redis-cli",
    "setpriv",
    "sleep",
];

fn busybox_job() -> Result<()> {
    let software = named("busybox-job")?;
    let image = Image::busybox()?;
    keeps_to_its_allowlist(software, &image)
}

fn redis() -> Result<()> {
    let software = named("redis")?;
    let image = debians_folders()?;
    for name in REDIS {
        debians(&image, name)?;
    }
    debians(&image, "redis-check-rdb")?;
    for (link, file) in [("redis-server", "redis-check-rdb"), ("sh", "dash")] {
        symlink(file, image.inside("/usr/bin").join(link))?;
    }
    image.text(
        "/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nredis:x:101:101::/data:/bin/false\n",
    )?;
    image.text("/etc/group", "root:x:0:\nredis:x:101:\n")?;
    keeps_to_its_allowlist(software, &image)
}

fn named(name: &str) -> Result<&'static Software> {
    software::named(name).with_context(|| format!("no software {name}"))
}

/// A program of this machine with its libraries.
fn debians(image: &Image, name: &str) -> Result<()> {
    let file = find_program(name)
        .with_context(|| format!("{name} is not installed; run cargo xtask setup"))?;
    image
        .linked_program(&file, &format!("/usr/bin/{name}"))
        .map(drop)
}

/// Debian's folders: those of old are links, and the loader is a link to where
/// libraries are. All are relative: what follows them on this machine stays in the
/// image.
fn debians_folders() -> Result<Image> {
    let libraries = format!("{}-linux-gnu", std::env::consts::ARCH);
    let image = Image::of_folders(&["dev", "etc", "proc", "root", "tmp", "usr/bin"])?;
    for (folder, link) in [("usr/lib", "lib"), ("usr/lib64", "lib64")] {
        fs::create_dir_all(image.inside(folder))?;
        symlink(folder, image.inside(link))?;
    }
    symlink("usr/bin", image.inside("bin"))?;
    fs::create_dir(image.inside("usr/lib").join(&libraries))?;
    let loader = "ld-linux-x86-64.so.2";
    symlink(
        format!("../lib/{libraries}/{loader}"),
        image.inside("usr/lib64").join(loader),
    )?;
    Ok(image)
}

fn keeps_to_its_allowlist(software: &'static Software, image: &Image) -> Result<()> {
    for file in software.files {
        match file.text.starts_with("#!") {
            true => image.script(file.path, file.text)?,
            false => image.text(file.path, file.text)?,
        }
    }
    image.program(&intruders::build("hello")?, &at("hello"))?;
    let scene = Scene::new()?;
    let title = unique_name();
    ship(&scene, software, &title)?;
    let agent = scene.agent(&["--enforce"])?;
    let stage = Stage::new(software, image, &title)?;

    for (runtime, end) in [(Runtime::Runc, "TERM"), (Runtime::Crun, "KILL")] {
        let container = stage.start(runtime)?;
        stage.live(&container)?;
        stage.end(container, end)?;
    }
    ensure!(
        scene.records()?.is_empty(),
        "an ordinary life gave {:#?}",
        scene.records()?
    );
    let last = match software.life {
        // One that does not end under the intruder's feet.
        Life::Job => Container::builder(image, &["sleep", "1000"])
            .annotation("org.opencontainers.image.title", &title)
            .run()?,
        Life::Service { .. } => stage.start(Runtime::Runc)?,
    };
    exec(&last, &[&at("hello")])?;
    scene.wait_for_records(&last, 1)?;

    scene.finish(agent, &[(&last, &["unlisted /opt/intruders/hello"])])
}

/// Puts the shipped list in force, for a workload that no other test has.
fn ship(scene: &Scene, software: &Software, title: &str) -> Result<()> {
    let name = format!("{}.yaml", software.name);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("allowlists")
        .join(&name);
    let text = fs::read_to_string(&shipped)
        .with_context(|| format!("cannot read {}", shipped.display()))?;
    let own = format!("    name: {}\n", software.name);
    ensure!(text.contains(&own), "it is about another workload: {text}");
    let text = text.replace(&own, &format!("    name: {title}\n"));
    fs::write(scene.home.allowlists().join(&name), text)?;
    Ok(())
}
