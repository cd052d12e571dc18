//! The testbed's own tests: what the others take for granted, and what the
//! documents say of them.

mod documents;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use testbed::{Cgroup, Container, Image, Rsyslogd, intruders, node};

/// What a test of the testbed is.
type Test = fn() -> Result<()>;

const DEADLINE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let lacks = node::lacks();
    if lacks.is_none()
        && let Err(error) = node::enter()
    {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    if let Some(reason) = &lacks {
        println!("skipped: {reason}");
    }
    // A skip is only for machines that people work on.
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let tests: [(&str, Test); 7] = [
        (
            "a_container_runs_and_leaves_nothing",
            a_container_runs_and_leaves_nothing,
        ),
        (
            "a_created_container_waits_for_its_start",
            a_created_container_waits_for_its_start,
        ),
        (
            "a_container_has_the_place_and_mounts_it_was_given",
            a_container_has_the_place_and_mounts_it_was_given,
        ),
        ("a_command_runs_in_its_cgroup", a_command_runs_in_its_cgroup),
        ("intruders_run_in_containers", intruders_run_in_containers),
        (
            "rsyslogd_gives_back_every_field",
            rsyslogd_gives_back_every_field,
        ),
        (
            "the_documents_name_the_tests_that_there_are",
            documents::the_documents_name_the_tests_that_there_are,
        ),
    ];
    let trials = tests
        .map(|(name, test)| {
            Trial::test(name, move || {
                test().map_err(|error| Failed::from(format!("{error:#}")))
            })
            .with_ignored_flag(lacks.is_some() && !in_ci)
        })
        .into();
    libtest_mimic::run(&args, trials).exit_code()
}

fn a_container_runs_and_leaves_nothing() -> Result<()> {
    let image = Image::busybox()?;

    let container =
        Container::builder(&image, &["sh", "-c", "echo begun; exec sleep 1000"]).run()?;
    let (id, cgroup, rootfs) = (
        container.id().to_owned(),
        container.cgroup().to_owned(),
        container.rootfs().path(),
    );
    testbed::until("its first line", DEADLINE, || {
        Ok((container.printed() == "begun\n").then_some(()))
    })?;
    let inside = container.exec(["cat", "/proc/1/comm"])?;
    let processes = fs::read_to_string(cgroup.join("cgroup.procs"))?;
    let pid = container.pid()?;
    container.cgroup_id()?;
    drop(container);

    ensure!(inside.stdout == b"sleep\n", "{inside:?}");
    ensure!(
        processes.lines().any(|line| line == pid.to_string()),
        "{processes:?}"
    );
    for left in [&cgroup, &rootfs, &Path::new("/run/runc").join(&id)] {
        ensure!(!left.exists(), "{} is still there", left.display());
    }
    // A process that has ended but was not reaped yet has no command line.
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    ensure!(command_line.is_empty(), "its process still lives");
    Ok(())
}

fn a_created_container_waits_for_its_start() -> Result<()> {
    let image = Image::busybox()?;
    let container = Container::builder(&image, &["echo", "started"]).create()?;

    let before = container.printed();
    container.start()?;
    container.wait(DEADLINE)?;

    ensure!(before.is_empty(), "it printed {before:?} before its start");
    ensure!(
        container.printed() == "started\n",
        "{}",
        container.printed()
    );
    Ok(())
}

fn a_container_has_the_place_and_mounts_it_was_given() -> Result<()> {
    let image = Image::busybox()?;
    image.script(
        "/hello.sh",
        "#!/bin/sh\necho $GREETING; id -u; cat /data/file; stat -f -c %T /scratch\n",
    )?;
    let data = tempfile::tempdir()?;
    fs::write(data.path().join("file"), "from a volume\n")?;
    let place = format!("/execwarden-test-pods-{}/pod/one", std::process::id());

    let container = Container::builder(&image, &["/hello.sh"])
        .volume(data.path(), "/data")
        .tmpfs("/scratch")
        .env("GREETING=hello")
        .user(1000)
        .annotation("org.example.name", "web")
        .cgroups_path(&place)
        .create()?;
    let cgroup = container.cgroup().to_owned();
    let made = cgroup.join("cgroup.procs").exists();
    container.start()?;
    container.wait(DEADLINE)?;
    let printed = container.printed();
    drop(container);

    ensure!(made, "its cgroup is not at {place}");
    ensure!(
        printed == "hello\n1000\nfrom a volume\ntmpfs\n",
        "{printed:?}"
    );
    ensure!(
        !cgroup.ancestors().nth(2).is_some_and(Path::exists),
        "the folders above its cgroup are still there"
    );
    Ok(())
}

fn a_command_runs_in_its_cgroup() -> Result<()> {
    let cgroup = Cgroup::new()?;
    let child = cgroup.child("child")?;

    let output = child
        .command("/bin/cat")
        .arg("/proc/self/cgroup")
        .output()?;

    let printed = String::from_utf8(output.stdout)?;
    let name = cgroup
        .path()
        .file_name()
        .and_then(OsStr::to_str)
        .context("a name")?;
    ensure!(
        printed
            .lines()
            .any(|line| line == format!("0::/{name}/child")),
        "{printed}"
    );
    ensure!(cgroup.id()? != child.id()?);
    Ok(())
}

fn intruders_run_in_containers() -> Result<()> {
    let image = Image::busybox()?;
    for name in [
        "hello",
        "memfd",
        "deleted",
        "tmpfile",
        "argv0",
        "storm",
        "spellings",
    ] {
        image.program(&intruders::build(name)?, &format!("/opt/intruders/{name}"))?;
    }
    let container = Container::builder(&image, &["sleep", "1000"]).run()?;

    let check = |command: &str, expected: &str| -> Result<()> {
        let output = container.exec(["sh", "-c", &format!("cd /opt/intruders; {command}")])?;
        ensure!(
            output.status.success()
                && String::from_utf8_lossy(&output.stdout).trim_end() == expected,
            "{command}: {output:?}"
        );
        Ok(())
    };
    check("./hello", "hello from ./hello")?;
    check(
        "./memfd runc:[2:INIT] hello /bin/nginx",
        "hello from /bin/nginx",
    )?;
    check("./deleted hello /bin/nginx", "hello from /bin/nginx")?;
    check("./tmpfile /root hello /bin/nginx", "hello from /bin/nginx")?;
    check(
        "./tmpfile /dev/shm hello /bin/nginx",
        "hello from /bin/nginx",
    )?;
    check("./argv0 path /bin/nginx ./hello", "hello from /bin/nginx")?;
    check(
        "./argv0 descriptor /bin/nginx ./hello",
        "hello from /bin/nginx",
    )?;
    check("./storm 50 ./hello", "50")?;
    check("./spellings /opt/intruders/hello", "22")
}

fn rsyslogd_gives_back_every_field() -> Result<()> {
    let rsyslogd = Rsyslogd::start()?;
    let sender = UnixDatagram::unbound()?;

    for message in [
        r#"<85>1 2026-01-02T03:04:05.678901Z node-1 execwarden 42 DRIFT [execwarden@32473 path="/tmp/a\"b\]c\\d" Uid="0"][meta sequenceId="7"] web ran "/tmp/evil"#,
        "<13>1 - - other - - - no structure",
    ] {
        sender.send_to(message.as_bytes(), rsyslogd.socket())?;
    }
    let records = rsyslogd.wait_for("two records", DEADLINE, |records| records.len() >= 2)?;

    let first = &records[0];
    ensure!(
        first.facility == "authpriv" && first.severity == "notice",
        "{first:?}"
    );
    ensure!(
        first.timestamp == "2026-01-02T03:04:05.678901Z",
        "{first:?}"
    );
    ensure!(
        first.hostname == "node-1" && first.app_name == "execwarden",
        "{first:?}"
    );
    ensure!(first.procid == "42" && first.msgid == "DRIFT", "{first:?}");
    ensure!(first.message.trim() == r#"web ran "/tmp/evil"#, "{first:?}");
    ensure!(
        first.parameter("execwarden@32473", "path") == Some(r#"/tmp/a"b]c\d"#),
        "{first:?}"
    );
    ensure!(
        first.parameter("execwarden@32473", "Uid") == Some("0"),
        "{first:?}"
    );
    ensure!(
        first.parameter("meta", "sequenceId") == Some("7"),
        "{first:?}"
    );
    ensure!(
        records[1].parsed.is_null() && records[1].app_name == "other",
        "{:?}",
        records[1]
    );
    Ok(())
}
