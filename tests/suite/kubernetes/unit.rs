//! The agent as a unit of a real systemd's, as `deploy/systemd` has it: its rights,
//! folders and filters, and what becomes of it when it is killed.

use crate::containers::blocking::{does, in_it, obedient};
use crate::containers::scene::{PATIENCE, Scene, workload_in};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use testbed::agent::binary;
use testbed::{node, until};

const UNIT: &str = include_str!("../../../deploy/systemd/execwarden.service");
const NAME: &str = "execwarden.service";
const FILE: &str = "/run/systemd/system/execwarden.service";
/// Where the unit may write.
const ALERTS: &str = "/var/lib/execwarden/alerts.log";

pub fn the_agent_runs_as_a_unit() -> Result<()> {
    let scene = Scene::new()?;
    let name = scene.workload().replace("runc/", "");
    let document = format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\nmetadata: {{ name: {name} }}\n\
         spec:\n  workload: {{ runtime: runc, name: {name} }}\n  action: block\n  processes:\n    \
         - {{ path: /bin/busybox, applet: sh }}\n"
    );
    let unit = Unit::start(&document)?;

    let canary_passed = |status: &Value| status["canary"]["state"] == "passed";
    let status = unit.wait_for("the canary", canary_passed)?;
    let agent = &status["agent"];
    let confinement = &agent["confinement"];
    ensure!(confinement["calls_filtered"] == true, "{agent:#}");
    ensure!(
        confinement["problems"] == Value::from([(); 0].to_vec()),
        "{agent:#}"
    );
    let kept = ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"];
    ensure!(
        confinement["capabilities"] == Value::from(kept.to_vec()),
        "{agent:#}"
    );
    ensure!(agent["pins"]["error"].is_null(), "{agent:#}");
    ensure!(refuses(&status) == node::asks_before_execs(), "{agent:#}");

    let container = obedient(&scene)?;
    fs::copy(
        in_it(&container, "/bin/busybox"),
        in_it(&container, "/tmp/evil"),
    )?;
    let stopped = ["126", "137"];
    let ended = does(&container, "/tmp/evil touch /tmp/mark")?;
    ensure!(stopped.contains(&&*ended), "{ended}");
    let deviations = |count: u64| {
        let workload = scene.workload();
        move |status: &Value| {
            workload_in(status, &workload).is_some_and(|own| own["deviations"] == count)
        }
    };
    unit.wait_for("the first deviation", deviations(1))?;

    // Killed, it is started again; what ran meanwhile was stopped, and is told.
    let first = unit.pid()?;
    systemctl(&["kill", "--signal=KILL", NAME])?;
    let ended = does(&container, "/tmp/evil touch /tmp/mark")?;
    ensure!(stopped.contains(&&*ended), "{ended}");
    until("another agent", PATIENCE, || {
        Ok(unit.pid().ok().filter(|pid| *pid != first && pid != "0"))
    })?;
    let status = unit.wait_for("its canary", |status| {
        canary_passed(status) && workload_in(status, &scene.workload()).is_some()
    })?;
    ensure!(
        status["agent"]["confinement"]["calls_filtered"] == true,
        "{status:#}"
    );
    ensure!(!in_it(&container, "/tmp/mark").exists(), "it ran");
    until("both to be told", PATIENCE, || {
        let told = fs::read_to_string(ALERTS).unwrap_or_default();
        let counts = told
            .lines()
            .filter(|line| line.contains("path=\"/tmp/evil\""));
        let counts = counts.filter_map(|line| {
            let (_, rest) = line.split_once(" count=\"")?;
            rest.split_once('"')?.0.parse::<u64>().ok()
        });
        Ok((counts.sum::<u64>() == 2).then_some(()))
    })?;

    drop(container);
    let report = unit.stop()?;
    ensure!(report.contains("Result=success"), "{report}");
    Ok(())
}

/// Whether an agent's rights are enough to be asked before an exec.
pub fn refuses(status: &Value) -> bool {
    let hooks = status["agent"]["hooks"].as_array();
    hooks.is_some_and(|hooks| hooks.iter().any(|hook| hook == "bprm_check_security"))
}

/// The unit, installed; stopped and removed when dropped.
struct Unit;

impl Unit {
    fn start(document: &str) -> Result<Self> {
        let binary = binary()?.display().to_string();
        ensure!(UNIT.contains("\nExecStart=execwarden run\n"), "{UNIT}");
        let text = UNIT.replace("ExecStart=execwarden", &format!("ExecStart={binary}"));
        fs::create_dir_all("/run/systemd/system")?;
        fs::write(FILE, text).context("cannot write the unit")?;
        let unit = Self;
        let allowlists = Path::new("/etc/execwarden/allowlists");
        fs::create_dir_all(allowlists)?;
        fs::write(allowlists.join("web.yaml"), document)?;
        let config = format!("enforce = true\nsyslog = [\"file:{ALERTS}\"]\n");
        fs::write("/etc/execwarden/config.toml", config)?;
        systemctl(&["daemon-reload"])?;
        systemctl(&["start", NAME]).with_context(journal)?;
        Ok(unit)
    }

    fn pid(&self) -> Result<String> {
        let shown = systemctl(&["show", "--property=MainPID", "--value", NAME])?;
        Ok(shown.trim().to_owned())
    }

    fn status(&self) -> Result<Value> {
        let output = Command::new(binary()?)
            .args(["status", "--json"])
            .output()?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        until(what, PATIENCE, || Ok(self.status().ok().filter(&is_so)))
            .with_context(|| format!("{:#?}\n{}", self.status(), journal()))
    }

    /// How it ended.
    fn stop(&self) -> Result<String> {
        systemctl(&["stop", NAME])?;
        systemctl(&["show", "--property=Result", NAME])
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = systemctl(&["stop", NAME]);
        let _ = Command::new(binary().unwrap_or_default())
            .arg("unload")
            .output();
        let _ = fs::remove_file(FILE);
        let _ = systemctl(&["daemon-reload"]);
        let _ = fs::remove_dir_all("/etc/execwarden");
        let _ = fs::remove_dir_all("/var/lib/execwarden");
    }
}

fn systemctl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("systemctl")
        .args(arguments)
        .output()
        .context("cannot start systemctl")?;
    ensure!(
        output.status.success(),
        "systemctl {arguments:?}: {output:?}"
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What systemd says of the unit.
fn journal() -> String {
    let output = Command::new("systemctl")
        .args(["status", "--full", NAME])
        .output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
