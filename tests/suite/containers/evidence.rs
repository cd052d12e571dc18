//! What a record says of an exec beside its reason, against what the node
//! itself says of it.

use super::expect::only;
use super::scene::{ELEMENT, Scene, exec, sha256, shell};
use anyhow::{Context, Result, ensure};
use procfs::process::Process;
use rustix::fs::{XattrFlags, setxattr};
use serde_json::{Value, json};
use testbed::{Record, intruders};

/// The scene's container, whose first process is `/app/serve.sh`.
fn scene() -> Result<Scene> {
    let scene = Scene::new()?;
    scene
        .image
        .script("/app/serve.sh", "#!/bin/sh\n/app/served\nsleep 1000\n")?;
    for name in ["served", "shown", "setuid", "capable", "plain"] {
        let hello = intruders::build("hello")?;
        scene.image.program(&hello, &format!("/app/{name}"))?;
    }
    scene.image.text(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n",
    )?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n")?;
    Ok(scene)
}

pub fn a_record_has_where_it_ran_and_below_whom() -> Result<()> {
    let scene = scene()?;
    let digest = sha256(&intruders::build("hello")?)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.container(&["/app/serve.sh"]).run()?;
    let init = container.pid()?;
    let init_in_status = start_of(init)?;

    let printed = shell(
        &container,
        "cd /etc; echo $$; /app/shown --port 'a, b' \"$(printf 'c\\nd')\"; :",
    )?;
    let shell_pid = String::from_utf8(printed.stdout)?;
    let shell_pid: u64 = shell_pid.lines().next().context("no pid")?.parse()?;
    scene.wait_for_records(&container, 3)?;

    let alerts = agent.alerts()?;
    scene.finish_with(agent, |records| {
        let shown = only(records, &container, "unlisted /app/shown")?;
        for (name, expected) in [
            ("sha256", digest.as_str()),
            ("arguments", "/app/shown,--port,a\\x2c b,c\\x0ad"),
            ("arguments_state", "whole"),
            ("cwd", "/etc"),
            ("origin", "injected"),
            ("from_outside", "false"),
            ("parent_path", "/bin/busybox"),
            ("links", ""),
        ] {
            has(shown, name, expected)?;
        }
        let alert = json_of(&alerts, shown)?;
        ensure!(
            alert["process"]["arguments"] == json!(["/app/shown", "--port", "a, b", "c\\x0ad"]),
            "{alert:#}"
        );
        let ns_pid = alert["process"]["ns_pid"].as_u64().context("ns_pid")?;
        ensure!(ns_pid > shell_pid && ns_pid < shell_pid + 9, "{alert:#}");
        // The shell, the runtime, and this program.
        let above = &alert["execwarden"]["ancestors"];
        ensure!(
            above[0]["binary"] == "/bin/busybox"
                && above[0]["place"] == "inside"
                && above[0]["pid"] == alert["parent"]["pid"],
            "{alert:#}"
        );
        let runc = above[1]["binary"].as_str().unwrap_or_default();
        ensure!(runc.ends_with("/runc") && above[1]["place"] == "outside");
        let me = above[2]["pid"].as_u64();
        ensure!(me == Some(std::process::id().into()), "{alert:#}");

        // What the container's first process has started, and that itself.
        let served = json_of(&alerts, only(records, &container, "unlisted /app/served")?)?;
        let parent = &served["execwarden"]["ancestors"][0];
        ensure!(
            served["execwarden"]["origin"] == "container"
                && parent["place"] == "init"
                && parent["pid"] == init
                && ticks(&parent["start_ns"]) == Some(init_in_status),
            "{served:#}"
        );
        let first = json_of(&alerts, only(records, &container, "script /app/serve.sh")?)?;
        ensure!(
            first["execwarden"]["origin"] == "init"
                && first["process"]["pid"] == init
                && first["process"]["ns_pid"] == 1
                && first["execwarden"]["script_sha256"]
                    == sha256(&scene.image.inside("/app/serve.sh"))?
                && first["execwarden"]["sha256"] == sha256(&scene.image.inside("/bin/busybox"))?,
            "{first:#}"
        );
        ensure!(records.len() == 3, "{records:#?}");
        Ok(())
    })
}

pub fn a_record_has_what_a_file_gives_to_who_runs_it() -> Result<()> {
    let scene = scene()?;
    scene.image.set_mode("/app/setuid", 0o4755)?;
    // `cap_net_raw+ep`: revision 2 with the effective bit, permitted, inherited.
    let net_raw = [0x0200_0001, 1 << 13, 0, 0, 0].map(u32::to_le_bytes);
    setxattr(
        scene.image.inside("/app/capable"),
        "security.capability",
        &net_raw.concat(),
        XattrFlags::empty(),
    )
    .context("cannot give a file capabilities")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    for program in ["/app/setuid", "/app/capable", "/app/plain"] {
        exec(&container, &["su", "app", "-c", &format!("{program}; :")])?;
    }
    scene.wait_for_records(&container, 3)?;

    scene.finish_with(agent, |records| {
        for (program, euid, gained) in [
            ("setuid", "0", ALL.join(",").as_str()),
            ("capable", "1000", "CAP_NET_RAW"),
            ("plain", "1000", ""),
        ] {
            let record = only(records, &container, &format!("unlisted /app/{program}"))?;
            has(record, "uid", "1000")?;
            has(record, "euid", euid)?;
            has(record, "gained", gained)?;
        }
        ensure!(records.len() == 3, "{records:#?}");
        Ok(())
    })
}

/// What a container of the testbed's may have, by number.
const ALL: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// Fails unless the record has this value; an empty one stands for none.
fn has(record: &Record, name: &str, expected: &str) -> Result<()> {
    let found = record.parameter(ELEMENT, name).unwrap_or_default();
    ensure!(
        found == expected,
        "{name} is {found:?} and not {expected:?}: {}",
        record.raw
    );
    Ok(())
}

/// The same alert as the agent has printed it.
fn json_of<'a>(alerts: &'a [Value], record: &Record) -> Result<&'a Value> {
    let number = record.parameter(ELEMENT, "number").unwrap_or_default();
    let number: u64 = number.parse().context("a record has a number")?;
    alerts
        .iter()
        .find(|alert| alert["execwarden"]["number"] == number)
        .with_context(|| format!("alert {number} was not printed"))
}

/// When a process began, in clock ticks since boot, of which there are 100 a
/// second.
fn start_of(pid: u32) -> Result<u64> {
    Ok(Process::new(pid.try_into()?)?.stat()?.starttime)
}

fn ticks(start_ns: &Value) -> Option<u64> {
    start_ns.as_u64().map(|ns| ns / 10_000_000)
}
