//! A day's life of twenty containers, compressed: whoever starts, stops, probes,
//! looks in, upgrades, restarts the agent or sets the clock gives no alert, and
//! each intruder among them one.

mod clock;
mod fleet;

use super::injected::with_a_terminal;
use super::scene::{ELEMENT, PATIENCE, Scene, at, exec, shell, window, workload_in};
use anyhow::{Result, ensure};
use clock::Clock;
use fleet::{Fleet, Version};
use std::env;
use std::time::{Duration, Instant};
use testbed::{Agent, Record};

/// How long it takes, in minutes; `cargo xtask soak` sets it.
const MINUTES: &str = "EXECWARDEN_SOAK_MINUTES";
/// What CI does.
const SHORTEST: u64 = 2;
/// Where the choices begin: the same day each time.
const SEED: u64 = 20_261_126;

pub fn a_day_of_twenty_containers() -> Result<()> {
    let end = Instant::now() + length();
    let scene = Scene::new()?;
    let fleet = Fleet::new(&scene)?;
    let clock = Clock::new()?;
    let mut day = Day {
        scene: &scene,
        fleet,
        clock: &clock,
        choice: SEED,
        planted: Vec::new(),
        rounds: 0,
    };
    let mut agent = day.agent()?;
    day.learn(&agent)?;
    let mut minute = Instant::now();
    while Instant::now() < end {
        agent = day.round(agent)?;
        if minute.elapsed() >= MINUTE {
            minute = Instant::now();
            let left = end.saturating_duration_since(minute).as_secs().div_ceil(60);
            eprintln!("{} rounds, {left} min to go", day.rounds);
        }
    }
    day.upgrade(&agent)?;
    let (planted, rounds) = (day.planted, day.rounds);
    eprintln!(
        "{rounds} rounds, {} containers, {} intruders",
        day.fleet.started(),
        planted.len()
    );
    scene.finish_with(agent, |records| as_planted(records, &planted))
}

/// How often it says how far it is.
const MINUTE: Duration = Duration::from_secs(60);

/// How long it takes, beside what has to happen before and after.
pub fn length() -> Duration {
    let minutes = env::var(MINUTES).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(minutes.unwrap_or(SHORTEST) * 60)
}

struct Day<'s> {
    scene: &'s Scene,
    fleet: Fleet<'s>,
    clock: &'s Clock,
    choice: u64,
    /// The container and what an intruder ran in it.
    planted: Vec<(String, String)>,
    rounds: u64,
}

impl<'s> Day<'s> {
    fn agent(&self) -> Result<Agent<'s>> {
        let (time, quiet, probation) = (window(10), window(4), window(6));
        let cri = self.fleet.socket().display().to_string();
        let variables = self.clock.variables();
        let variables = { variables.iter() }
            .map(|(name, value)| (*name, value.as_str()))
            .collect::<Vec<_>>();
        self.scene.agent_where(
            &variables,
            &[
                "--automatic",
                &time,
                "--learn-quiet",
                &quiet,
                "--learn-starts",
                "2",
                "--probation",
                &probation,
                "--cri",
                &cri,
            ],
        )
    }

    /// The morning: everything ordinary happens once, and is learned.
    fn learn(&mut self, agent: &Agent<'_>) -> Result<()> {
        self.fleet.start_all(self.scene)?;
        for workload in 0..self.fleet.workloads() {
            self.probe(workload)?;
            self.replace(workload)?;
        }
        for workload in 0..self.fleet.workloads() {
            let name = self.fleet.name(workload);
            agent.wait_for("the workload to be enforced", PATIENCE * 3, |status| {
                workload_in(status, &name).is_some_and(|found| found["state"] == "enforcing")
            })?;
        }
        Ok(())
    }

    /// Some minutes of the day.
    fn round(&mut self, mut agent: Agent<'s>) -> Result<Agent<'s>> {
        self.rounds += 1;
        let workload = self.choose(self.fleet.workloads());
        self.probe(workload)?;
        self.replace(workload)?;
        with_a_terminal(self.fleet.one_of(workload), "/app/tool")?;
        match self.rounds % 6 {
            1 => self.plant("hello")?,
            2 => {
                self.scene.stop(agent)?;
                agent = self.agent()?;
            }
            3 => self.drop_and_run()?,
            4 => {
                agent.crash()?;
                agent = self.agent()?;
            }
            5 => {
                let hours = if self.rounds % 4 == 1 { -3 } else { 2 };
                self.clock.set_forward(hours * 3600)?;
                self.plant("memfd")?;
            }
            _ => {}
        }
        Ok(agent)
    }

    /// The evening: a new version is rolled out, with a program of its own.
    fn upgrade(&mut self, agent: &Agent<'_>) -> Result<()> {
        const WORKLOAD: usize = 0;
        self.fleet.upgrade(WORKLOAD, self.scene)?;
        let name = self.fleet.name(WORKLOAD);
        agent.wait_for("the probation to be over", PATIENCE, |status| {
            workload_in(status, &name).is_some_and(|found| found["state"] == "enforcing")
        })?;
        let told = |records: &[Record]| records.iter().any(is_notice);
        let what = "the notice about the new version";
        self.scene.rsyslogd.wait_for(what, PATIENCE, told)?;
        // What it brought along is a part of the list now.
        self.fleet
            .replace_with(WORKLOAD, self.scene, Version::New)?;
        self.probe(WORKLOAD)?;
        self.plant_in(WORKLOAD, "hello")
    }

    fn probe(&self, workload: usize) -> Result<()> {
        for container in self.fleet.containers(workload) {
            shell(container, "test -e /tmp/beat || exit 0")?;
            exec(container, &["/bin/cp", "/app/worker", "/tmp/copy"])?;
        }
        Ok(())
    }

    fn replace(&mut self, workload: usize) -> Result<()> {
        self.fleet.replace_with(workload, self.scene, Version::Old)
    }

    /// An intruder that came with the image.
    fn plant(&mut self, program: &str) -> Result<()> {
        let workload = self.choose(self.fleet.workloads());
        self.plant_in(workload, program)
    }

    fn plant_in(&mut self, workload: usize, program: &str) -> Result<()> {
        let container = self.fleet.one_of(workload);
        let path = at(program);
        match program {
            "memfd" => exec(container, &[&path, "x", "/app/worker", "x"])?,
            _ => exec(container, &[&path])?,
        };
        self.planted.push((container.id().to_owned(), path));
        Ok(())
    }

    /// One that was written later.
    fn drop_and_run(&mut self) -> Result<()> {
        let workload = self.choose(self.fleet.workloads());
        let container = self.fleet.one_of(workload);
        let path = format!("/tmp/dropped-{}", self.rounds);
        exec(container, &["/bin/cp", "/app/worker", &path])?;
        exec(container, &[&path])?;
        self.planted.push((container.id().to_owned(), path));
        Ok(())
    }

    /// A number below `below`, by Knuth's generator.
    fn choose(&mut self, below: usize) -> usize {
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        self.choice = self.choice.wrapping_mul(FACTOR).wrapping_add(1);
        (self.choice >> 33) as usize % below
    }
}

fn is_notice(record: &Record) -> bool {
    record.parameter(ELEMENT, "notice") == Some("probation")
}

/// Each intruder was told of, and nothing else but the new version, once.
fn as_planted(records: &[Record], planted: &[(String, String)]) -> Result<()> {
    let place = |record: &Record| {
        let field = |name| record.parameter(ELEMENT, name).map(str::to_owned);
        (
            field("container").unwrap_or_default(),
            field("path").unwrap_or_default(),
        )
    };
    let is_in_memory = |record: &Record| record.parameter(ELEMENT, "reason") == Some("fileless");
    let unexpected: Vec<&Record> = { records.iter() }
        .filter(|record| !is_notice(record) && !is_in_memory(record))
        .filter(|record| !planted.contains(&place(record)))
        .collect();
    ensure!(unexpected.is_empty(), "nobody planted: {unexpected:#?}");
    for one in planted {
        let told = records.iter().any(|record| place(record) == *one);
        ensure!(told, "{one:?} was not told of: {records:#?}");
    }
    let in_memory = planted.iter().filter(|(_, path)| *path == at("memfd"));
    let told = records.iter().filter(|record| is_in_memory(record)).count();
    ensure!(told >= in_memory.count(), "{records:#?}");
    let notices = records.iter().filter(|record| is_notice(record)).count();
    ensure!(notices == 1, "{notices} notices about one new version");
    Ok(())
}
