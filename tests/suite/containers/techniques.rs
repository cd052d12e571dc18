//! Every way around a list of processes that leads to an exec, where what deviates is
//! stopped: the intruder would write a line, and the line is not there.

use super::blocking::{does, in_it, obedient};
use super::drift::{TO_LISTED, TO_OTHERS};
use super::expect::brief;
use super::namespaces::{Disguised, disguised};
use super::scene::{ELEMENT, PATIENCE, Scene};
use anyhow::{Context, Result, ensure};
use std::fs;
use testbed::{Container, find_busybox, find_program, intruders};

/// What an intruder that runs would write.
const WRITTEN: &str = "hello from";

/// What may run: the tools and roads by which intruders come, and what they disguise
/// themselves as.
const LISTED: &str = "  action: block
  unverified: deny
  processes:
    - path: /bin/busybox
    - path: /app/worker
    - path: /app/echo
    - path: /opt/intruders/argv0
    - path: /opt/intruders/chroot
    - path: /opt/intruders/deleted
    - path: /opt/intruders/memfd
    - path: /opt/intruders/spellings
    - path: /opt/intruders/tmpfile
    - path: /app/symlinked
    - { path: /app/interpreter, args: [serve] }
    - { path: /app/box/busybox, applet: 'true' }
    - { path: /root/first, layer: upper }
";

/// A line of the container's shell for each, under the technique's number.
const LINES: &[(&str, &str)] = &[
    ("b02", "ln -sf /app/evil /app/symlinked; /app/symlinked"),
    ("b03", "/opt/intruders/argv0 path /app/worker /app/evil"),
    (
        "b03",
        "/opt/intruders/argv0 descriptor /app/worker /app/evil",
    ),
    ("b03", "/opt/intruders/argv0 empty /app/worker /app/evil"),
    ("b03", "(exec -a /app/worker /app/evil)"),
    (
        "b03",
        "(exec 9</app/evil; exec -a /app/worker /proc/self/fd/9)",
    ),
    ("b04", "/app/evil.sh"),
    ("b04", "/app/chained.sh"),
    (
        "b04",
        "/opt/intruders/argv0 descriptor /app/worker /app/evil.sh",
    ),
    ("b05", "/app/interpreter -c evil"),
    ("b07", "/opt/intruders/memfd nginx /app/worker /app/worker"),
    (
        "b07",
        "/opt/intruders/memfd runc_cloned:/proc/self/exe /app/worker x",
    ),
    ("b08", "/opt/intruders/deleted /app/worker /app/worker"),
    ("b08", "/opt/intruders/tmpfile /dev/shm /app/worker x"),
    // The first file's number is free, and the next one gets it.
    (
        "b12",
        "rm /root/first; cp /app/evil /root/second; /root/second",
    ),
    (
        "b14",
        "mkdir -p /tmp/j/app; cp /app/worker /tmp/j/app; chroot /tmp/j /app/worker",
    ),
    ("b14", "chroot /opt/j /app/worker"),
    ("b14", "chroot /opt/j /bin/sh"),
    ("b14", "cd /opt/j; chroot . app/worker; cd /"),
    (
        "b14",
        "unshare -Urm sh -ec 'mount --bind /opt/j /opt/j; cd /opt/j; pivot_root . old; cd /; /app/worker'",
    ),
    ("b14", "/opt/intruders/chroot /opt/j /app/worker"),
    ("b22", "/app/box/busybox echo hello from it"),
    ("b22", "(exec -a echo /app/box/busybox hello from it)"),
];

pub fn every_technique_is_stopped_before_its_first_instruction() -> Result<()> {
    let scene = Scene::new()?;
    let hello = intruders::build("hello")?;
    for path in ["evil", "symlinked", "interpreter"] {
        scene.image.program(&hello, &format!("/app/{path}"))?;
    }
    for path in ["/opt/j/app/worker", "/opt/j/bin/sh"] {
        scene.image.program(&hello, path)?;
    }
    scene.image.text("/opt/j/old/empty", "")?;
    scene.intruder("chroot")?;
    let text = "#!/bin/sh\necho hello from a script\n";
    scene.image.script("/app/evil.sh", text)?;
    scene.image.script("/app/chained.sh", "#!/app/evil.sh\n")?;
    let busybox = find_busybox().context("there is no static busybox")?;
    scene.image.program(&busybox, "/app/box/busybox")?;
    let mut document = LISTED.to_owned();
    let mut lines: Vec<(&str, String)> = { LINES.iter() }
        .map(|(technique, line)| (*technique, (*line).to_owned()))
        .collect();

    let echo = find_program("echo").context("echo is not installed")?;
    let loader = scene.image.linked_program(&echo, "/app/echo")?;
    lines.push(("b06", format!("{loader} /app/echo hello from it")));
    lines.push((
        "b06",
        format!("cp {loader} /tmp/ld; /tmp/ld /app/echo hello from it"),
    ));

    for name in [
        "unlisted",
        "unlisted.too",
        "second",
        "third",
        "copied.old",
        "data",
    ] {
        scene.image.program(&hello, &format!("/app/{name}"))?;
    }
    scene.image.set_mode("/app/data", 0o644)?;
    for (path, change) in TO_LISTED.iter().chain(&TO_OTHERS) {
        lines.push(("b10", format!("({change}) && {path}")));
    }
    for (path, _) in TO_LISTED {
        scene.image.program(&hello, path)?;
        document += &format!("    - path: {path}\n");
    }

    for Disguised { to, line, .. } in disguised(&scene)? {
        document += &format!("    - path: {to}\n");
        lines.push(("b13", line));
    }
    scene.write_document(&document)?;
    let agent = scene.agent(&["--enforce", "--alert-burst", "1000"])?;
    let container = obedient(&scene)?;
    agent.wait_for("the container to be blocked", PATIENCE, |status| {
        scene
            .of_status(status)
            .is_some_and(|own| own["blocks"] == true)
    })?;
    // What is listed runs, and is in the kernel's caches.
    for line in [
        "/app/worker; /app/worker",
        "cp /app/worker /root/first; /root/first; /root/first",
        "/app/copied; /app/same; /app/symlinked",
    ] {
        ensure!(told(&container, line)?.contains(WRITTEN), "{line}");
    }

    for (technique, line) in &lines {
        let told = told(&container, line)?;
        ensure!(!told.contains(WRITTEN), "{technique}: {line}: {told}");
    }
    let spelled = told(&container, "/opt/intruders/spellings /app/evil 2>/dev/null")?;
    let failed: Vec<&str> = spelled.trim().lines().collect();
    let (tried, failed) = failed.split_last().context("how many there were")?;
    ensure!(
        tried.parse() == Ok(failed.len()),
        "b09: only these: {spelled}"
    );

    let execs = lines.len() + failed.len();
    agent.wait_for("all to be told", PATIENCE, |status| {
        let deviations = scene
            .of_status(status)
            .map(|own| own["deviations"].as_u64());
        deviations.flatten() >= Some(execs as u64)
    })?;
    scene.finish_with(agent, |records| {
        let not_stopped: Vec<String> = { records.iter() }
            .filter(|record| record.parameter(ELEMENT, "action") != Some("blocked"))
            .map(brief)
            .collect();
        ensure!(not_stopped.is_empty(), "{not_stopped:?}");
        Ok(())
    })
}

/// What a line of the container's shell writes.
fn told(container: &Container, line: &str) -> Result<String> {
    does(container, line)?;
    fs::read_to_string(in_it(container, "/tmp/told")).context("what was told")
}
