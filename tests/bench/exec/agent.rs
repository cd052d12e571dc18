//! What the agent itself takes while execs happen: the release build as it runs
//! on a node, with a real container, a real receiver, and its own folders.

mod process;

use crate::place::InContainer;
use anyhow::{Context, Result, ensure};
use process::{Memory, Work};
use serde_json::Value;
use std::fs;
use std::thread;
use std::time::Duration;
use testbed::{Agent, Home, Median, Rsyslogd};

/// Execs in each scenario.
const EXECS: u64 = SLICES * SLICE;
/// They come in slices with idle time between them, and the middle slice
/// counts: what others do on the node comes in bursts, and gives the agent work.
const SLICES: u64 = 10;
/// Execs in a slice.
const SLICE: u64 = 300;
/// Execs before: the agent has judged them when it is measured.
const WARM_UP: u64 = 50;
/// How long the agent is watched with nothing to do: about as long as a slice.
const IDLE: Duration = Duration::from_millis(200);
/// How long the agent gets to take note of what happened.
const PATIENCE: Duration = Duration::from_secs(30);
/// The workload, as the agent forms it from the container's annotation.
const WORKLOAD: &str = "runc/bench";

/// One row of the table.
pub struct Row {
    /// What the execs were.
    pub name: &'static str,
    /// With the execs.
    pub busy: Share,
    /// In as long a time without them.
    pub idle: Share,
    /// What it held at the end.
    pub memory: Memory,
}

/// What the agent did, of the middle slice.
pub struct Share {
    /// Seconds of CPU time for a million execs.
    pub cpu_per_million: f64,
    /// Times it was woken up, for a thousand execs.
    pub wake_ups_per_thousand: f64,
}

struct Scenario {
    name: &'static str,
    flags: &'static [&'static str],
    /// Whether its allowlist has the program.
    allowed: bool,
    /// As `execwarden status` calls it.
    mode: &'static str,
    deviations: u64,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "every exec known",
        flags: &["--enforce"],
        allowed: true,
        mode: "enforce",
        deviations: 0,
    },
    Scenario {
        name: "learning",
        flags: &["--learn", "1h"],
        allowed: false,
        mode: "learn",
        deviations: 0,
    },
    Scenario {
        name: "every exec deviating",
        flags: &["--enforce"],
        allowed: false,
        mode: "enforce",
        deviations: EXECS,
    },
];

/// All rows.
pub fn measure(place: &InContainer, cpu: usize) -> Result<Vec<Row>> {
    SCENARIOS
        .iter()
        .map(|scenario| {
            scenario
                .measure(place, cpu)
                .with_context(|| format!("the agent, {}", scenario.name))
        })
        .collect()
}

impl Scenario {
    fn measure(&self, place: &InContainer, cpu: usize) -> Result<Row> {
        let (home, rsyslogd) = (Home::new()?, Rsyslogd::start()?);
        fs::write(home.allowlists().join("bench.yaml"), self.allowlist())
            .context("cannot write the allowlist")?;
        let url = rsyslogd.url();
        let flags = self.flags.iter().copied().chain(["--syslog", &url]);
        let agent = Agent::start(&home, flags)?;
        agent.wait_for("the workload to have its mode", PATIENCE, |status| {
            workload(status).is_some_and(|workload| workload["mode"] == self.mode)
        })?;
        let mut pacer = place.pacer(cpu)?;
        pacer.run(WARM_UP, InContainer::NOTHING)?;
        let begun = agent.wait_for("the agent to come to rest", PATIENCE, |status| {
            let counted = workload(status).and_then(|workload| workload["deviations"].as_u64());
            self.deviations == 0 || counted.is_some_and(|counted| counted >= WARM_UP)
        })?;

        let (mut idle, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..SLICES {
            let rest = work_during(&agent, || {
                thread::sleep(IDLE);
                Ok(IDLE)
            })?;
            let work = work_during(&agent, || pacer.run(SLICE, InContainer::NOTHING))?;
            let as_long = work.took.as_secs_f64() / rest.took.as_secs_f64();
            idle.push((rest.work, as_long));
            busy.push((work.work, 1.0));
        }

        self.check(&agent, &begun)?;
        let memory = Memory::of(agent.pid())?;
        let status = agent.stop()?;
        ensure!(status.success(), "the agent ended with {status}");
        Ok(Row {
            name: self.name,
            busy: Share::of(&busy)?,
            idle: Share::of(&idle)?,
            memory,
        })
    }

    /// Fails unless the agent has counted exactly these execs, and as what they
    /// were.
    fn check(&self, agent: &Agent<'_>, begun: &Value) -> Result<()> {
        let before = counts(begun)?;
        let status = agent.wait_for("the agent to have counted", PATIENCE, |status| {
            counts(status).is_ok_and(|(_, deviations)| deviations >= before.1 + self.deviations)
        })?;
        let after = counts(&status)?;
        ensure!(
            after.0 - before.0 == EXECS && after.1 - before.1 == self.deviations,
            "the accounting is broken: of {EXECS} execs with {} deviations, the agent counted {} with {}",
            self.deviations,
            after.0 - before.0,
            after.1 - before.1
        );
        ensure!(
            status["accounting"]["holds"] == true,
            "the accounting is broken: {}",
            status["accounting"]
        );
        Ok(())
    }

    fn allowlist(&self) -> String {
        let own = if self.allowed {
            InContainer::NOTHING
        } else {
            "/bin/other"
        };
        format!(
            "apiVersion: execwarden.dev/v1alpha1\n\
             kind: ProcessAllowlist\n\
             metadata: {{ name: runc.bench }}\n\
             spec:\n\
             \x20 workload: {{ runtime: runc, name: bench }}\n\
             \x20 mode: {}\n\
             \x20 processes:\n\
             \x20   - path: /bin/pace\n\
             \x20   - path: {own}\n",
            self.mode
        )
    }
}

impl Share {
    /// Of slices of work, each with what it is to be multiplied by.
    fn of(slices: &[(Work, f64)]) -> Result<Self> {
        let middle = |number: fn(Work) -> f64| {
            let scaled: Vec<_> = slices
                .iter()
                .map(|&(work, scale)| number(work) * scale / SLICE as f64)
                .collect();
            Median::of(&scaled)
                .map(|median| median.middle)
                .context("there are no slices")
        };
        Ok(Self {
            cpu_per_million: 1e6 * middle(|work| work.cpu.as_secs_f64())?,
            wake_ups_per_thousand: 1e3 * middle(|work| work.wake_ups as f64)?,
        })
    }
}

struct Watched {
    work: Work,
    took: Duration,
}

fn work_during(agent: &Agent<'_>, what: impl FnOnce() -> Result<Duration>) -> Result<Watched> {
    let before = Work::of(agent.pid())?;
    let took = what()?;
    let after = Work::of(agent.pid())?;
    Ok(Watched {
        work: after.since(before),
        took,
    })
}

/// The workload's execs and deviations.
fn counts(status: &Value) -> Result<(u64, u64)> {
    let workload = workload(status).with_context(|| format!("{WORKLOAD} is gone"))?;
    let number = |name: &str| {
        workload[name]
            .as_u64()
            .with_context(|| format!("no {name}"))
    };
    Ok((number("execs")?, number("deviations")?))
}

fn workload(status: &Value) -> Option<&Value> {
    status["workloads"]
        .as_array()?
        .iter()
        .find(|workload| workload["workload"] == WORKLOAD)
}
