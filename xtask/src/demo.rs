//! `cargo xtask demo`: the agent at work on this node, from the first exec of a
//! container to the record in a real syslog.

mod intrusions;
mod stage;

use crate::{command, setup};
use anyhow::{Context, Result, bail, ensure};
use intrusions::Intrusion;
use serde_json::Value;
use stage::Stage;
use std::time::Duration;
use testbed::{Agent, Home, Record, Rsyslogd, node};

/// How long the workload learns: several rounds of its loop.
const WINDOW: &str = "8s";
/// How long the agent gets to end learning and to deliver records.
const PATIENCE: Duration = Duration::from_secs(60);
/// The workload's name, as the agent forms it from the container's annotation.
const WORKLOAD: &str = "runc/web";
/// The element of structured data that has the facts of an alert.
const ELEMENT: &str = "execwarden@32473";

/// Shows learning and enforcing; fails unless every expected record and no
/// other reached syslog, and nothing was left behind.
pub fn run() -> Result<()> {
    if !node::is_inside() {
        setup::ensure(setup::Scope::Everything)?;
        if let Some(reason) = node::lacks() {
            bail!("the demo cannot run here: {reason}");
        }
        command::run(command::cargo().args(["build", "--package", "execwarden"]))?;
    }
    node::enter()?;

    let told = tell();
    let left = node::left_behind()?;
    told?;
    ensure!(left.is_empty(), "the demo has left behind: {left:?}");
    println!("\nEvery intruder was reported, nothing else was, and nothing is left behind.");
    Ok(())
}

fn tell() -> Result<()> {
    let (home, rsyslogd) = (Home::new()?, Rsyslogd::start()?);
    let agent = Agent::start(&home, ["--automatic", WINDOW, "--syslog", &rsyslogd.url()])?;
    chapter(
        "The agent is on the node",
        "A real rsyslogd listens; the programs are in the kernel.",
    );
    println!("{}", printed(&agent, &["status"])?);

    chapter(
        "Two containers of one workload start, and it learns",
        "runc, overlayfs root, a shell script that runs its worker in a loop.",
    );
    let stage = Stage::set()?;
    agent.wait_for("the workload to be enforced", PATIENCE, |status| {
        workload(status).is_some_and(|workload| workload["mode"] == "enforce")
    })?;
    let early = of_the_stage(&stage, rsyslogd.records()?);
    println!("$ execwarden allowlist show {WORKLOAD}");
    println!("{}", printed(&agent, &["allowlist", "show", WORKLOAD])?);

    chapter(
        "From now on it is enforced, and intruders come",
        "Each line is a record as rsyslogd received it.",
    );
    let mut expected = Vec::new();
    for intrusion in intrusions::all(&stage) {
        intrusion.commit()?;
        let records = rsyslogd.wait_for(
            &format!("the records of: {}", intrusion.story),
            PATIENCE,
            |records| intrusion.traces.iter().all(|trace| trace.is_in(records)),
        )?;
        show(&intrusion, &records);
        expected.push(intrusion);
    }
    println!("{}", printed(&agent, &["status"])?);

    let accounting = agent.status()?["accounting"].clone();
    ensure!(
        accounting["holds"] == true,
        "the accounting does not hold: {accounting}"
    );
    // Its end brings out what it still holds back: sums of repeats.
    let status = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    ensure!(
        early.is_empty(),
        "there were alerts while it learned: {early:#?}"
    );
    nothing_else(&expected, of_the_stage(&stage, rsyslogd.records()?))
}

/// Without the records of other containers on this node, which are not the
/// demo's concern.
fn of_the_stage(stage: &Stage, mut records: Vec<Record>) -> Vec<Record> {
    records.retain(|record| {
        record
            .parameter(ELEMENT, "container")
            .is_none_or(|id| stage.has(id))
    });
    records
}

/// One record for each trace, and no more.
fn nothing_else(expected: &[Intrusion], mut records: Vec<Record>) -> Result<()> {
    let traces: Vec<_> = expected
        .iter()
        .flat_map(|intrusion| &intrusion.traces)
        .collect();
    let (wanted, came) = (traces.len(), records.len());
    println!("{wanted} records were expected, {came} came.");
    for trace in traces {
        if let Some(place) = records.iter().position(|record| trace.fits(record)) {
            records.remove(place);
        }
    }
    let unexplained: Vec<_> = records.iter().map(|record| &record.raw).collect();
    ensure!(
        unexplained.is_empty(),
        "these records were not expected: {unexplained:#?}"
    );
    Ok(())
}

fn show(intrusion: &Intrusion, records: &[Record]) {
    println!("\n* {}", intrusion.story);
    for record in records {
        if intrusion.traces.iter().any(|trace| trace.fits(record)) {
            println!("  {} | {}", record.severity, record.message.trim());
        }
    }
}

fn workload(status: &Value) -> Option<&Value> {
    status["workloads"]
        .as_array()?
        .iter()
        .find(|workload| workload["workload"] == WORKLOAD)
}

fn printed(agent: &Agent<'_>, args: &[&str]) -> Result<String> {
    let output = agent.ask(args)?;
    ensure!(
        output.status.success(),
        "`execwarden {}` failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("execwarden printed something that is no text")
}

fn chapter(title: &str, text: &str) {
    println!("\n== {title}\n   {text}\n");
}
