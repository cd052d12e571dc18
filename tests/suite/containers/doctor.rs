//! What `execwarden doctor` finds, on this node and with parts of it taken
//! away.

use super::circumstances::{as_nobody, with_mounts, without_capabilities};
use super::scene::{PATIENCE, Scene, at, exec};
use crate::api_server::{self, ApiServer, Manner};
use anyhow::{Context, Result, ensure};
use execwarden::kernel::ExecHooks;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use testbed::agent::binary;

pub fn doctor_finds_a_fit_node_fit() -> Result<()> {
    let scene = Scene::new()?;
    // So that a runtime has left its files.
    let container = scene.idle()?;

    let report = examine(&scene, plain()?, &[&scene.rsyslogd.url()], 0)?;

    ensure!(report["v"] == 1 && report["verdict"] == "fit", "{report:#}");
    for finding in findings(&report)? {
        ensure!(
            finding["state"] == "ok" && finding["remedy"].is_null(),
            "{finding:#}"
        );
    }
    for tracepoint in [
        "cgroup_mkdir",
        "cgroup_rmdir",
        "cgroup_attach_task",
        "sched_process_exec",
    ] {
        let program = format!("program {tracepoint}");
        check(&report, &program, "ok", "loads and attaches")?;
    }
    check(&report, "last-alert", "ok", "no agent running")?;

    let mut command = doctor(&scene, plain()?, &[&scene.rsyslogd.url()]);
    let page = String::from_utf8(command.output()?.stdout)?;
    for line in page.lines() {
        let is_plain = !line.chars().any(char::is_control);
        ensure!(is_plain && line.chars().count() <= 80, "{line:?}");
    }
    drop(container);
    Ok(())
}

pub fn doctor_finds_a_receiver_that_is_away() -> Result<()> {
    let scene = Scene::new()?;
    let container = scene.idle()?;
    let open = scene.rsyslogd.url();
    // Closed again: nobody listens there.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let tcp = format!("tcp://127.0.0.1:{port}");
    let udp = format!("udp://127.0.0.1:{port}");
    let unix = format!("unix:{}", scene.home.state().join("none").display());
    let of = |url: &str| format!("syslog {url}");

    let heard = examine(&scene, plain()?, &[&open, &tcp, &udp, &unix], 1)?;
    check(&heard, &of(&open), "ok", "open")?;
    check(&heard, &of(&tcp), "limit", "refused")?;
    check(&heard, &of(&udp), "ok", "UDP does not tell")?;
    check(&heard, &of(&unix), "limit", "No such file")?;

    let unheard = examine(&scene, plain()?, &[&tcp, &unix], 2)?;
    check(&unheard, &of(&tcp), "missing", "refused")?;
    check(&unheard, &of(&unix), "missing", "No such file")?;

    let malformed = examine(&scene, plain()?, &[&open, "ftp://localhost"], 2)?;
    check(
        &malformed,
        "syslog ftp://localhost",
        "missing",
        "is no syslog URL",
    )?;
    drop(container);
    Ok(())
}

pub fn doctor_names_what_a_missing_right_costs() -> Result<()> {
    let scene = Scene::new()?;
    let container = scene.idle()?;
    let url = scene.rsyslogd.url();

    let slow = without_capabilities(&["sys_nice"])?;
    let slow = examine(&scene, slow, &[&url], 1)?;
    check(&slow, "CAP_SYS_NICE", "limit", "not held")?;
    check(&slow, "program sched_process_exec", "ok", "loads")?;

    let blind = without_capabilities(&["perfmon", "sys_admin"])?;
    let blind = examine(&scene, blind, &[&url], 2)?;
    check(&blind, "CAP_PERFMON", "missing", "not held")?;
    let refused = "Operation not permitted";
    check(&blind, "program sched_process_exec", "missing", refused)?;

    let narrow = without_capabilities(&["sys_admin", "dac_override"])?;
    let narrow = examine(&scene, narrow, &[&url], i32::from(lacks_stand_in()?))?;
    check(&narrow, "CAP_BPF", "ok", "held")?;

    let (_copy, nobody) = as_nobody()?;
    let nobody = examine(&scene, nobody, &[&url], 2)?;
    check(&nobody, "root", "missing", "not root")?;
    check(&nobody, "programs", "missing", "none could be tried")?;
    check(&nobody, "CAP_BPF", "missing", "not held")?;
    drop(container);
    Ok(())
}

/// Whether only CAP_SYS_ADMIN may attach the stand-in: on Debian's kernels, by
/// default.
fn lacks_stand_in() -> Result<bool> {
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid")?;
    let paranoid: i32 = paranoid.trim().parse()?;
    Ok(ExecHooks::of_this_kernel() != ExecHooks::Program && paranoid > 2)
}

pub fn doctor_finds_a_kernel_that_lacks_something() -> Result<()> {
    let scene = Scene::new()?;
    let url = scene.rsyslogd.url();

    let without_btf = with_mounts("mount -t tmpfs none /sys/kernel/btf")?;
    let without_btf = examine(&scene, without_btf, &[&url], 2)?;
    let sentence = "this kernel has no BTF type information";
    check(&without_btf, "btf", "missing", sentence)?;
    check(&without_btf, "programs", "missing", sentence)?;

    let without_v2 = with_mounts("umount --lazy /sys/fs/cgroup")?;
    let without_v2 = examine(&scene, without_v2, &[&url], 2)?;
    check(&without_v2, "cgroup", "missing", "cgroup v2 is not mounted")?;
    check(&without_v2, "btf", "ok", "")
}

pub fn doctor_names_what_it_costs_to_have_no_tracefs() -> Result<()> {
    let scene = Scene::new()?;
    let container = scene.idle()?;
    let url = scene.rsyslogd.url();
    let without_tracefs = with_mounts("mount -t tmpfs none /sys/kernel/tracing")?;

    if ExecHooks::of_this_kernel() == ExecHooks::Program {
        examine(&scene, without_tracefs, &[&url], 0)?;
    } else {
        let report = examine(&scene, without_tracefs, &[&url], 1)?;
        let stand_in = "program sched/sched_process_exec";
        check(&report, stand_in, "limit", "tracefs not found")?;
        check(&report, "program sched_process_exec", "ok", "loads")?;
    }
    drop(container);
    Ok(())
}

pub fn doctor_names_what_is_wrong_with_the_configuration() -> Result<()> {
    let scene = Scene::new()?;
    fs::write(scene.home.config(), "host = true\nlearnt = \"1h\"\n")?;

    let report = examine(&scene, plain()?, &[], 2)?;

    let place = format!("{}:2:1: ", scene.home.config().display());
    check(&report, "configuration", "missing", &place)?;

    let keys = "allowlist-keys = [\"/nonexistent/ops.pub\"]\n";
    fs::write(scene.home.config(), keys)?;
    let report = examine(&scene, plain()?, &[], 2)?;
    let problem = "cannot read the public keys in /nonexistent/ops.pub";
    check(&report, "configuration", "missing", problem)?;

    let url = scene.rsyslogd.url();
    fs::write(scene.home.config(), format!("syslog = [\"{url}\"]\n"))?;
    let container = scene.idle()?;
    let report = examine(&scene, plain()?, &[], 0)?;
    check(&report, "configuration", "ok", "valid")?;
    check(&report, &format!("syslog {url}"), "ok", "open")?;
    drop(container);
    Ok(())
}

pub fn doctor_leaves_a_running_agent_alone_and_tells_its_last_alert() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    let url = scene.rsyslogd.url();

    exec(&container, &["/app/worker"])?;
    agent.wait_for("the record to be sent", PATIENCE, |status| {
        status["sinks"][0]["since_sent_s"].is_u64()
    })?;
    let report = examine(&scene, plain()?, &[&url], 0)?;
    check(&report, "agent", "ok", &format!("pid {}", agent.pid()))?;
    check(&report, "last-alert", "ok", "delivered ")?;

    // It sees as before, and what the doctor tried is in none of its counts.
    exec(&container, &[&at("hello")])?;
    scene.finish(
        agent,
        &[(
            &container,
            &["unlisted /app/worker", "unlisted /opt/intruders/hello"],
        )],
    )
}

/// By what kubelet mounts into every pod, over TLS.
pub fn doctor_finds_the_api_server_as_a_pod_does() -> Result<()> {
    let scene = Scene::new()?;
    let tokio = tokio::runtime::Runtime::new()?;
    let server = tokio.block_on(ApiServer::start_with_tls())?;
    let account = "/run/secrets/kubernetes.io/serviceaccount";
    let authority = scene.home.state().join("ca.pem");
    fs::write(&authority, api_server::AUTHORITY)?;
    let mounts = format!(
        "mount -t tmpfs tmpfs /run && mkdir -p {account} && cp {} {account}/ca.crt && \
         printf %s {} > {account}/token && printf %s default > {account}/namespace",
        authority.display(),
        api_server::TOKEN,
    );
    let look = || -> Result<Value> {
        let mut program = with_mounts(&mounts)?;
        let address = server.address();
        program
            .env_remove("KUBECONFIG")
            .env("HOME", scene.home.state())
            .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", address.port().to_string());
        let mut command = doctor(&scene, program, &[&scene.rsyslogd.url()]);
        let output = command.args(["--kube", "--json"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        serde_json::from_str(&text).with_context(|| format!("this is no JSON: {text}"))
    };

    let answers = format!("https://{}/ answers", server.address());
    check(&look()?, "kube", "ok", &answers)?;
    server.behave(Manner::HidesOwners);
    check(&look()?, "kube", "limit", "answers 403")?;
    Ok(())
}

fn plain() -> Result<Command> {
    Ok(Command::new(binary()?))
}

/// The doctor in a scene, whose configuration it reads and whose agent it asks.
fn doctor(scene: &Scene, mut program: Command, syslog: &[&str]) -> Command {
    program
        .arg("doctor")
        .arg("--config")
        .arg(scene.home.config());
    program.arg("--control").arg(scene.home.control());
    for url in syslog {
        program.args(["--syslog", url]);
    }
    program
}

/// What it prints as JSON; fails unless it ends with this status and nothing on
/// stderr.
fn examine(scene: &Scene, program: Command, syslog: &[&str], expected: i32) -> Result<Value> {
    let output = doctor(scene, program, syslog).arg("--json").output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.code() == Some(expected) && output.stderr.is_empty(),
        "it ended with {}, not {expected}: {}{text}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    serde_json::from_str(&text).with_context(|| format!("this is no JSON: {text}"))
}

fn findings(report: &Value) -> Result<&Vec<Value>> {
    report["findings"].as_array().context("no findings")
}

/// Fails unless there is one finding of this name, in this state, that says
/// this.
fn check(report: &Value, name: &str, state: &str, found: &str) -> Result<()> {
    let all = findings(report)?;
    let named: Vec<_> = all.iter().filter(|one| one["name"] == name).collect();
    let [finding] = named[..] else {
        anyhow::bail!("{} findings are called {name}: {report:#}", named.len());
    };
    let says = finding["found"]
        .as_str()
        .is_some_and(|text| text.contains(found));
    let is_priced = finding["cost"]
        .as_str()
        .is_some_and(|text| !text.is_empty());
    ensure!(
        finding["state"] == state
            && says
            && is_priced
            && finding["remedy"].is_null() == (state == "ok"),
        "{name} should be {state} and say {found:?}: {finding:#}"
    );
    Ok(())
}
