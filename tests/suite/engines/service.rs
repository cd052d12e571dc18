//! A service of a compose project, and the records about its containers.

use crate::containers::scene::{ELEMENT, PATIENCE, Scene, workload_in};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use testbed::{Agent, Record, unique_name};

/// What its containers are made from.
pub(super) const IMAGE: &str = "localhost/shop/web:1.2";

/// A service, as compose starts it.
pub(super) struct Service {
    engine: &'static str,
    /// compose has `-`, podman-compose `_`.
    separator: char,
    pub(super) project: String,
}

impl Service {
    pub(super) fn of(engine: &'static str, separator: char) -> Self {
        Self {
            engine,
            separator,
            project: unique_name(),
        }
    }

    pub(super) fn name(&self, number: u32) -> String {
        let separator = self.separator;
        format!("{}{separator}web{separator}{number}", self.project)
    }

    pub(super) fn workload(&self) -> String {
        format!("{}/{}/web", self.engine, self.project)
    }

    /// The words behind `run` for a replica that runs this.
    pub(super) fn arguments(&self, number: u32, program: &[&str]) -> Vec<String> {
        let project = &self.project;
        let mut args = vec!["--name".to_owned(), self.name(number)];
        for label in [
            format!("PODMAN_SYSTEMD_UNIT=podman-compose@{project}.service"),
            format!("com.docker.compose.project={project}"),
            "com.docker.compose.service=web".to_owned(),
            format!("com.docker.compose.container-number={number}"),
        ] {
            args.extend(["--label".to_owned(), label]);
        }
        args.push(IMAGE.to_owned());
        args.extend(program.iter().map(|&word| word.to_owned()));
        args
    }

    /// The same for one that does nothing but stay.
    pub(super) fn stays(&self, number: u32) -> Vec<String> {
        self.arguments(number, &["/bin/busybox", "sleep", "1000"])
    }

    /// Lets the service run busybox.
    pub(super) fn write_document(&self, scene: &Scene) -> Result<()> {
        let (engine, project) = (self.engine, &self.project);
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: {engine}, \
             name: {project}/web }}\n  processes:\n    - path: /bin/busybox\n"
        );
        let file = scene.home.allowlists().join("web.yaml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Waits for two replicas, one of which ran before the agent, and fails
    /// unless the engine answered.
    pub(super) fn wait_for_both(&self, agent: &Agent<'_>) -> Result<()> {
        let both = |status: &Value| {
            let found = workload_in(status, &self.workload());
            found.is_some_and(|found| found["containers"] == 2 && found["mode"] == "enforce")
        };
        let status = agent.wait_for("both replicas", PATIENCE, both)?;
        let mut engines = status["engines"].as_array().into_iter().flatten();
        let engine = engines.find(|one| one["engine"] == self.engine);
        let engine = engine.context("the engine is not there")?;
        ensure!(engine["state"] == "answers", "{status:#}");
        let known = workload_in(&status, &self.workload()).context("the workload")?;
        ensure!(known["pre_existing"] == 1, "{known:#}");
        Ok(())
    }

    pub(super) fn wait_until_gone(&self, agent: &Agent<'_>) -> Result<()> {
        let none = |status: &Value| {
            let found = workload_in(status, &self.workload());
            found.is_none_or(|found| found["containers"] == 0)
        };
        agent
            .wait_for("the workload to go", PATIENCE, none)
            .map(drop)
    }
}

pub(super) fn wait_for(scene: &Scene, count: usize, workload: &str) -> Result<()> {
    let of_it = |record: &&Record| record.parameter(ELEMENT, "workload") == Some(workload);
    let enough = |records: &[Record]| records.iter().filter(of_it).count() >= count;
    let what = format!("{count} records about {workload}");
    scene.rsyslogd.wait_for(&what, PATIENCE, enough).map(drop)
}

/// Ends the agent and gives the first records about the engine's containers, and
/// about whatever an engine itself may have run.
pub(super) fn records_about(engine: &str, scene: &Scene, agent: Agent<'_>) -> Result<Vec<Record>> {
    const OWN: [&str; 4] = ["conmon", "podman", "docker", "containerd"];

    scene.stop(agent)?;
    let mut records = scene.rsyslogd.records()?;
    records.retain(|record| {
        let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
        field("kind") != "repeats"
            && (field("runtime") == engine || OWN.iter().any(|own| field("path").contains(own)))
    });
    Ok(records)
}

/// The record in a test's words: reason, file, origin, container.
pub(super) fn describe(record: &Record) -> String {
    let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
    ["reason", "path", "origin", "container"]
        .map(field)
        .join(" ")
}

pub(super) fn check(record: &Record, fields: &[(&str, &str)]) -> Result<()> {
    for (field, expected) in fields {
        let found = record.parameter(ELEMENT, field);
        ensure!(found == Some(expected), "{field}: {}", record.raw);
    }
    Ok(())
}

/// The record about what was put into the second replica, whole.
pub(super) fn check_injected(record: &Record, service: &Service) -> Result<()> {
    check(
        record,
        &[
            ("workload", &service.workload()),
            ("runtime", service.engine),
            ("image", IMAGE),
            ("from_outside", "true"),
            ("attributed", "true"),
        ],
    )?;
    let digest = record
        .parameter(ELEMENT, "image_digest")
        .unwrap_or_default();
    ensure!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{}",
        record.raw
    );
    Ok(())
}
