//! What a test with containers stands on.

use super::expect::{self, Expected};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use testbed::container::Builder;
use testbed::{
    Agent, Container, Home, Image, Record, Rsyslogd, intruders, is_ours, patience, unique_name,
};

/// How long the agent gets for what takes it a second.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The element of structured data that has the facts of an alert.
pub const ELEMENT: &str = "execwarden@32473";

/// An agent's folders, a receiver, and an image with busybox and the intruders.
pub struct Scene {
    pub home: Home,
    pub rsyslogd: Rsyslogd,
    pub image: Image,
    name: String,
}

impl Scene {
    /// Everything but the agent and its containers.
    pub fn new() -> Result<Self> {
        Self::with(Rsyslogd::start()?)
    }

    /// The same where the programs stay in the kernel when an agent ends.
    pub fn pinning() -> Result<Self> {
        let mut scene = Self::new()?;
        scene.home = Home::pinning()?;
        Ok(scene)
    }

    /// The same with a receiver of the test's own.
    pub fn with(rsyslogd: Rsyslogd) -> Result<Self> {
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
            image.program(&intruders::build(name)?, &at(name))?;
        }
        image.program(&intruders::build("hello")?, "/app/worker")?;
        image.script("/app/job.sh", "#!/bin/sh\n/app/worker\n")?;
        Ok(Self {
            home: Home::new()?,
            rsyslogd,
            image,
            name: unique_name(),
        })
    }

    /// Adds another intruder to the image.
    pub fn intruder(&self, name: &str) -> Result<()> {
        self.image.program(&intruders::build(name)?, &at(name))
    }

    /// Starts the agent, which reports to the scene's receiver.
    pub fn agent(&self, args: &[&str]) -> Result<Agent<'_>> {
        self.agent_where(&[], args)
    }

    /// The same in an environment with these variables.
    pub fn agent_where(&self, variables: &[(&str, &str)], args: &[&str]) -> Result<Agent<'_>> {
        let url = self.rsyslogd.url();
        let own = ["--syslog", url.as_str()];
        let args = own.iter().chain(args).copied();
        Agent::start_where(&self.home, variables, args)
    }

    /// A container of the scene's workload.
    pub fn container(&self, args: &[&str]) -> Builder<'_> {
        self.container_of(&self.name, args)
    }

    /// A container of another workload, whose name has to come from
    /// [`unique_name`].
    pub fn container_of(&self, name: &str, args: &[&str]) -> Builder<'_> {
        Container::builder(&self.image, args).annotation("org.opencontainers.image.title", name)
    }

    /// A container of the scene's workload that does nothing but stay. Its only
    /// exec is busybox.
    pub fn idle(&self) -> Result<Container> {
        self.container(&["sleep", "100000"]).run()
    }

    /// The scene's workload, as commands and records have it.
    pub fn workload(&self) -> String {
        format!("runc/{}", self.name)
    }

    /// The workload in the agent's status, if it has a container.
    pub fn of_status<'v>(&self, status: &'v Value) -> Option<&'v Value> {
        workload_in(status, &self.workload())
    }

    /// Waits until the workload's `processes`, or `deviations`, are that many.
    pub fn wait_for_count(&self, agent: &Agent<'_>, of: &str, count: u64) -> Result<Value> {
        agent.wait_for(&format!("{count} {of}"), PATIENCE, |status| {
            self.of_status(status)
                .is_some_and(|workload| workload[of] == count)
        })
    }

    /// Waits until the workload is in this mode.
    pub fn wait_for_mode(&self, agent: &Agent<'_>, mode: &str) -> Result<Value> {
        agent.wait_for(
            &format!("the workload's mode to be {mode}"),
            PATIENCE,
            |status| {
                self.of_status(status)
                    .is_some_and(|workload| workload["mode"] == mode)
            },
        )
    }

    /// Writes a person's document for the workload; `rest` is what comes below
    /// `spec`, such as `processes`.
    pub fn write_document(&self, rest: &str) -> Result<()> {
        self.write_document_of(&self.name, rest)
    }

    /// The same for another workload.
    pub fn write_document_of(&self, name: &str, rest: &str) -> Result<()> {
        let file = self.home.allowlists().join(format!("{name}.yaml"));
        // Whole or not at all, as an editor or a deployment writes it.
        let unfinished = file.with_extension("tmp");
        fs::write(&unfinished, document(name, rest))
            .and_then(|()| fs::rename(&unfinished, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// The text of such a document.
    pub fn document(&self, rest: &str) -> String {
        document(&self.name, rest)
    }

    /// The name of its file.
    pub fn document_name(&self) -> String {
        format!("{}.yaml", self.name)
    }

    /// The learned document of the workload, as it is on disk.
    pub fn learned(&self) -> Result<String> {
        let folder = self.home.state().join("learned");
        let file = folder.join(format!("runc.{}.yaml", self.name));
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// The records about the scene's containers. A machine has others, which
    /// are not the test's concern. One that was sent twice, as after the end of an
    /// agent that was killed, is there once.
    pub fn records(&self) -> Result<Vec<Record>> {
        let mut records = self.rsyslogd.records()?;
        let mut seen = HashSet::new();
        records.retain(|record| is_of_this_test(record) && seen.insert(record.raw.clone()));
        Ok(records)
    }

    /// Waits until this many records about the container came. What waits for
    /// its content to be read when the agent ends is judged without.
    pub fn wait_for_records(&self, container: &Container, count: usize) -> Result<()> {
        let what = format!("{count} records about {}", container.id());
        let enough = |records: &[Record]| {
            let of_it = records
                .iter()
                .filter(|record| expect::is_of(record, container));
            of_it.count() >= count
        };
        self.rsyslogd.wait_for(&what, PATIENCE, enough).map(drop)
    }

    /// Ends the agent; fails unless its counts add up, it ends well, and the
    /// expected records and no other of the scene's containers came.
    pub fn finish(&self, agent: Agent<'_>, expected: &Expected<'_>) -> Result<()> {
        self.finish_with(agent, |records| expect::exactly(expected, records))
    }

    /// The same with another look at the records.
    pub fn finish_with(
        &self,
        agent: Agent<'_>,
        check: impl FnOnce(&[Record]) -> Result<()>,
    ) -> Result<()> {
        self.stop(agent)?;
        let log = || format!("the agent's log:\n{}", self.home.log());
        check(&self.records()?).with_context(log)
    }

    /// Ends the agent and waits until its last record was received.
    pub fn stop(&self, agent: Agent<'_>) -> Result<()> {
        accounting_holds(&agent)?;
        let status = agent.stop()?;
        ensure!(status.success(), "the agent ended with {status}");
        let alerts = self.home.alerts()?;
        let sent = alerts
            .iter()
            .map(|alert| alert["execwarden"]["number"].as_u64());
        let sent: BTreeSet<u64> = sent.flatten().collect();
        let Some(first) = sent.first() else {
            return Ok(());
        };
        self.rsyslogd
            .wait_for("every record that was sent", PATIENCE, |records| {
                sent.is_subset(&numbers(records, *first))
            })?;
        let received = numbers(&self.rsyslogd.records()?, *first);
        ensure!(received == sent, "sent: {sent:?}, received: {received:?}");
        Ok(())
    }
}

/// How long the agent is to learn, as its flags have it; longer where the
/// machine is slow.
pub fn window(seconds: u32) -> String {
    format!("{}s", seconds * patience())
}

fn document(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
         metadata: {{ name: {name} }}\nspec:\n  workload: {{ runtime: runc, name: {name} }}\n\
         {rest}"
    )
}

/// Where an intruder is in the image.
pub fn at(intruder: &str) -> String {
    format!("/opt/intruders/{intruder}")
}

/// The SHA-256 of a file of this machine, as a person would find it out.
pub fn sha256(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum")
        .arg(file)
        .output()
        .context("cannot start sha256sum")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let digest = printed.split(' ').next().filter(|word| word.len() == 64);
    digest
        .map(str::to_owned)
        .with_context(|| format!("sha256sum {} printed {output:?}", file.display()))
}

/// A workload in a status, by its whole name.
pub fn workload_in<'v>(status: &'v Value, name: &str) -> Option<&'v Value> {
    status["workloads"]
        .as_array()?
        .iter()
        .find(|workload| workload["workload"] == name)
}

/// Fails unless every exec of the node is in exactly one count. The counts of
/// an exec under way are read one before the other: a look may be too early.
pub fn accounting_holds(agent: &Agent<'_>) -> Result<()> {
    agent
        .wait_for("the accounting to hold", PATIENCE, |status| {
            status["accounting"]["holds"] == true
        })
        .map(drop)
}

/// Runs something in containers until the kernel knows all of it: then no event
/// came of it, and the agent has looked at whatever it had to.
pub fn until_known(agent: &Agent<'_>, mut run: impl FnMut() -> Result<()>) -> Result<()> {
    let unknown = || -> Result<Value> {
        let counts = &agent.status()?["accounting"];
        let of = |name: &str| counts[name].clone();
        Ok([of("learning"), of("deviating"), of("errors")].into())
    };
    testbed::until("the kernel to know it", PATIENCE, || {
        let before = unknown()?;
        run()?;
        Ok((unknown()? == before).then_some(()))
    })
}

/// Runs a command in the container; fails unless it ends well.
pub fn exec(container: &Container, args: &[&str]) -> Result<Output> {
    let output = container.exec(args)?;
    ensure!(
        output.status.success(),
        "{args:?} failed in the container ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output)
}

/// Runs a line of shell in the container.
pub fn shell(container: &Container, line: &str) -> Result<Output> {
    exec(container, &["sh", "-c", line])
}

/// The numbers of records from `first` on: those of agents before it are less.
fn numbers(records: &[Record], first: u64) -> BTreeSet<u64> {
    let numbers = records.iter();
    numbers
        .filter_map(|record| record.parameter(ELEMENT, "number")?.parse().ok())
        .filter(|number| *number >= first)
        .collect()
}

fn is_of_this_test(record: &Record) -> bool {
    let Some(workload) = record.parameter(ELEMENT, "workload") else {
        // About the agent itself: whatever it is, it should not be.
        return true;
    };
    let of_name = workload.split('/').any(is_ours);
    of_name || record.parameter(ELEMENT, "container").is_some_and(is_ours)
}
