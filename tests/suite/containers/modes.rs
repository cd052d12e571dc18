//! Learning, enforcing, and what comes of each.

use super::expect;
use super::scene::{PATIENCE, Scene, at, exec, shell, window, workload_in};
use anyhow::{Context, Result, ensure};
use testbed::unique_name;

pub fn learns_then_enforces() -> Result<()> {
    let scene = Scene::new()?;
    scene.image.script(
        "/app/serve.sh",
        "#!/bin/sh\nwhile true; do /app/worker; sleep 0.1; done\n",
    )?;
    let agent = scene.agent(&["--automatic", &window(3)])?;

    // It learns …
    let first = scene.container(&["/app/serve.sh"]).run()?;
    exec(&first, &["/app/job.sh"])?;
    let learning = scene.wait_for_mode(&agent, "learn")?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;

    // … lives an ordinary day …
    let second = scene.container(&["/app/serve.sh"]).run()?;
    testbed::until("its first round", PATIENCE, || {
        Ok(second.printed().contains("worker").then_some(()))
    })?;
    for _ in 0..10 {
        exec(&second, &["/app/worker"])?;
        exec(&first, &["/app/job.sh"])?;
    }
    drop(second);
    ensure!(
        scene.records()?.is_empty(),
        "an ordinary day gave {:#?}",
        scene.records()?
    );

    // … and an intruder comes, and comes again.
    exec(&first, &[&at("hello")])?;
    scene
        .rsyslogd
        .wait_for("the intruder's record", PATIENCE, |records| {
            records.iter().any(|record| expect::is_of(record, &first))
        })?;
    for _ in 0..5 {
        exec(&first, &[&at("hello")])?;
    }
    let status = scene.wait_for_count(&agent, "deviations", 6)?;

    let told = scene.records()?.len();
    ensure!(told == 1, "its repeats were told {told} times, not summed");
    let progress = &scene.of_status(&learning).context("learning")?["learning"];
    ensure!(
        progress["window_s"] == 3 * testbed::patience()
            && progress["incomplete"] == serde_json::json!([]),
        "{progress}"
    );
    ensure!(
        scene.of_status(&status).context("enforced")?["processes"] == 4,
        "{status:#}"
    );
    for entry in [
        "path: /app/serve.sh",
        "path: /app/job.sh",
        "path: /app/worker",
        "path: /bin/busybox",
        "interpreter: /bin/busybox",
    ] {
        ensure!(document.contains(entry), "{entry} is not in {document}");
    }
    let gone = "unlisted /opt/intruders/hello +5";
    scene.finish(agent, &[(&first, &["unlisted /opt/intruders/hello", gone])])
}

pub fn learn_mode_reports_only_what_is_never_learned() -> Result<()> {
    let scene = Scene::new()?;
    let agent = scene.agent(&["--learn", &window(3)])?;

    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    shell(&container, "cp /app/worker /tmp/dropped; /tmp/dropped")?;
    exec(&container, &[&at("memfd"), "jit", "/app/worker", "worker"])?;
    let early = scene.wait_for_mode(&agent, "learn")?;
    scene.wait_for_mode(&agent, "enforce")?;
    let document = scene.learned()?;
    exec(&container, &["/app/worker"])?;
    exec(&container, &[&at("hello")])?;

    ensure!(scene.of_status(&early).is_some(), "it was not learning");
    for learned in ["/app/worker", "/bin/busybox", "/opt/intruders/memfd"] {
        ensure!(document.contains(learned), "{learned} is not in {document}");
    }
    let (entries, held) = document
        .split_once("pendingReview:")
        .context("what is never learned is held")?;
    for refused in ["path: /tmp/dropped", "memfd:jit"] {
        ensure!(!entries.contains(refused), "{refused} is in {document}");
    }
    ensure!(held.contains("memfd:jit"), "{document}");
    scene.finish(
        agent,
        &[(
            &container,
            &[
                "drift /tmp/dropped",
                "fileless *memfd:jit",
                "unlisted /opt/intruders/hello",
            ],
        )],
    )
}

pub fn a_container_without_allowlist_is_told_of_once() -> Result<()> {
    let scene = Scene::new()?;
    let before = scene.idle()?;
    let agent = scene.agent(&["--enforce"])?;

    let after = scene.idle()?;
    for container in [&before, &after] {
        for _ in 0..3 {
            exec(container, &["/app/worker"])?;
        }
        exec(container, &[&at("hello")])?;
        shell(container, "cp /app/worker /tmp/dropped; exec /tmp/dropped")?;
    }

    // Three workers, hello and sh, inside which busybox does cp; and the
    // container itself, or its first program.
    let status = scene.wait_for_mode(&agent, "no-allowlist")?;
    let workload = scene.of_status(&status).context("the workload")?;
    ensure!(
        workload["containers"] == 2 && workload["pre_existing"] == 1,
        "{workload:#}"
    );
    scene.finish(
        agent,
        &[
            (
                &before,
                &["no-allowlist", "no-allowlist +5", "drift /tmp/dropped"],
            ),
            (
                &after,
                &["no-allowlist", "no-allowlist +5", "drift /tmp/dropped"],
            ),
        ],
    )
}

pub fn a_written_document_is_enforced() -> Result<()> {
    let scene = Scene::new()?;
    for path in [
        "/opt/app/releases/1.2/bin/run",
        "/opt/app/releases/1.3/bin/run",
        "/opt/app/releases/1.2/old/bin/run",
        "/opt/app/releases/1.2/bin/runner",
        "/usr/bin/curl",
    ] {
        scene
            .image
            .program(&testbed::intruders::build("hello")?, path)?;
    }
    scene.image.script("/app/other.sh", "#!/bin/sh\ntrue\n")?;
    scene.write_document(
        "  mode: enforce
  processes:
    - path: /bin/busybox
    - path: /app/job.sh
      interpreter: /bin/busybox
    - path: /app/worker
    - path: /opt/app/releases/*/bin/run
  removed:
    - path: /usr/bin/curl
",
    )?;
    let ignored = unique_name();
    scene.write_document_of(&ignored, "  mode: off\n  processes: []\n")?;
    let agent = scene.agent(&["--automatic", "1h"])?;

    let container = scene.idle()?;
    let free = scene.container_of(&ignored, &["sleep", "1000"]).run()?;
    for program in [
        "/app/job.sh",
        "/app/worker",
        "/opt/app/releases/1.2/bin/run",
        "/opt/app/releases/1.3/bin/run",
        "/opt/app/releases/1.2/old/bin/run",
        "/opt/app/releases/1.2/bin/runner",
        "/app/other.sh",
        "/usr/bin/curl",
    ] {
        exec(&container, &[program])?;
        exec(&free, &[program])?;
    }

    let status = scene.wait_for_mode(&agent, "enforce")?;
    let off = workload_in(&status, &format!("runc/{ignored}")).context("the one that is off")?;
    ensure!(off["mode"] == "off", "{off:#}");
    scene.finish(
        agent,
        &[(
            &container,
            &[
                "unlisted /opt/app/releases/1.2/old/bin/run",
                "unlisted /opt/app/releases/1.2/bin/runner",
                "script /app/other.sh",
                "unlisted /usr/bin/curl",
            ],
        )],
    )
}
