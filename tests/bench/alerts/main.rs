//! How long an alert takes: from the exec to the receiver's file, `cargo xtask bench
//! alerts`. The receiver is a real rsyslogd on a socket of this node.

mod arrivals;
mod place;

use anyhow::{Context, Result, bail, ensure};
use arrivals::Arrivals;
use clap::Parser;
use place::Place;
use serde_json::Value;
use std::fs;
use std::thread;
use std::time::Duration;
use testbed::{Agent, Home, Rsyslogd, node};

/// The aims: the slowest of a hundred, in milliseconds.
const AIM_IDLE: f64 = 20.0;
const AIM_STORM: f64 = 200.0;
/// Between two alerts of a node on which nothing else happens.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the last record may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The workload, as the agent forms it from the container's annotation.
const WORKLOAD: &str = "runc/bench";

#[derive(Parser)]
struct Args {
    /// Alerts on an idle node
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=2000))]
    idle: u64,
    /// Alerts as fast as they can be caused, each of another executable: fewer than
    /// the kernel keeps apart
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=1000))]
    storm: u64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(reason) = node::lacks() {
        bail!("alerts cannot be measured here: {reason}");
    }
    node::enter()?;
    let measured = measure(&args);
    let left = node::left_behind()?;
    measured?;
    ensure!(left.is_empty(), "the benchmark has left behind: {left:?}");
    Ok(())
}

fn measure(args: &Args) -> Result<()> {
    println!("From an exec to its record in rsyslogd's file, in milliseconds.\n");
    println!("| alerts | how many | half of them | 99 % | slowest | aim |");
    println!("|:-------|---------:|-------------:|-----:|--------:|:----|");
    let idle = scenario(args.idle, Some(PAUSE))?;
    row("one at a time, on an idle node", &idle, AIM_IDLE);
    let storm = scenario(args.storm, None)?;
    row("in a storm", &storm, AIM_STORM);
    println!("\nEvery exec was counted, and every record came, once.");
    Ok(())
}

/// The milliseconds that each of `count` alerts took, in order.
fn scenario(count: u64, pause: Option<Duration>) -> Result<Vec<f64>> {
    let home = Home::new()?;
    let rsyslogd = Rsyslogd::start()?;
    let place = Place::new(count)?;
    let document = "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
                    metadata: { name: bench }\nspec:\n  workload: { runtime: runc, name: bench }\n  \
                    processes:\n    - path: /bin/busybox\n";
    fs::write(home.allowlists().join("bench.yaml"), document)?;
    let url = rsyslogd.url();
    // Each is to be told by itself.
    let agent = Agent::start(
        &home,
        ["--enforce", "--alert-burst", "100000", "--syslog", &url],
    )?;

    let arrivals = Arrivals::watch(rsyslogd.file(), count as usize);
    let mut run = place.run(count, pause)?;
    let status = run.wait().context("the container's programs")?;
    ensure!(status.success(), "they ended with {status}");
    let took = arrivals.wait(PATIENCE)?;

    let status = agent.wait_for("every deviation to be counted", PATIENCE, |status| {
        deviations(status) == Some(count)
    })?;
    ensure!(status["accounting"]["holds"] == true, "{status}");
    // One that comes late would be one too many.
    thread::sleep(Duration::from_millis(200));
    let records = rsyslogd.records()?.len();
    ensure!(
        records as u64 == count,
        "{records} records of {count} alerts"
    );
    agent.stop().map(drop)?;
    Ok(took)
}

fn deviations(status: &Value) -> Option<u64> {
    let workloads = status["workloads"].as_array()?;
    let ours = workloads.iter().find(|one| one["workload"] == WORKLOAD)?;
    ours["deviations"].as_u64()
}

fn row(name: &str, took: &[f64], aim: f64) {
    let at = |share: f64| {
        let place = (took.len() as f64 * share).ceil() as usize;
        took[place.clamp(1, took.len()) - 1]
    };
    let (half, most, slowest) = (at(0.5), at(0.99), at(1.0));
    let word = if most <= aim { "met" } else { "not met" };
    println!(
        "| {name} | {} | {half:.1} | {most:.1} | {slowest:.1} | 99 % within {aim:.0}: **{word}** |",
        took.len()
    );
}
