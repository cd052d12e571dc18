//! The agent learns from a software's lives, and is then held to what it
//! learned through another one.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use testbed::container::Runtime;
use testbed::software::Stage;
use testbed::{Agent, Home, Image, Rsyslogd, Software, until};

/// How long the agent gets to end learning after the window.
const PATIENCE: Duration = Duration::from_secs(30);
/// How each life that is learned from ends: as an orchestrator ends it, and as
/// the kernel does that is out of memory.
const ENDS: [&str; 2] = ["TERM", "KILL"];

/// Gives the learned document, as the agent wrote it. Fails if
/// anything was missed, or if anything was reported, in the lives that it learned
/// from or in the one after that.
pub fn give(software: &'static Software, image: &Image) -> Result<String> {
    let workload = format!("runc/{}", software.name);
    let (home, rsyslogd) = (Home::new()?, Rsyslogd::start()?);
    let window = format!("{}s", software.window);
    let agent = Agent::start(&home, ["--learn", &window, "--syslog", &rsyslogd.url()])?;
    let stage = Stage::new(software, image, software.name)?;

    let begun = Instant::now();
    for end in ENDS {
        let container = stage.start(Runtime::Runc)?;
        stage.live(&container)?;
        stage.end(container, end)?;
        println!(
            "a life that ended by {end}, {:.0?} after the start",
            begun.elapsed()
        );
    }
    // Not by the agent's status, which knows workloads that have a container.
    let file = home
        .state()
        .join("learned")
        .join(format!("runc.{}.yaml", software.name));
    ensure!(
        !file.exists(),
        "it had learned for {window} before its second life was over"
    );
    let wait = Duration::from_secs(software.window.into()) + PATIENCE;
    until("learning to end", wait, || Ok(file.exists().then_some(())))
        .with_context(|| agent.log())?;
    let learned =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(
        learned.contains("\n  gaps: []\n"),
        "something was missed:\n{learned}"
    );

    let container = stage.start(Runtime::Runc)?;
    stage.live(&container)?;
    stage.end(container, "TERM")?;
    let status = agent.status()?;
    ensure!(
        status["accounting"]["holds"] == true,
        "the accounting does not hold: {status:#}"
    );
    ensure!(agent.stop()?.success(), "the agent did not end well");
    let alerts: Vec<Value> = home
        .alerts()?
        .into_iter()
        .filter(|alert| alert["execwarden"]["workload"] == workload)
        .collect();
    ensure!(
        alerts.is_empty(),
        "this was reported: {alerts:#?}\nof what was learned:\n{learned}"
    );
    Ok(learned)
}
