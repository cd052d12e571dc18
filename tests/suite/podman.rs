//! podman's own containers under the agent: what it is asked over its socket is
//! what it answers, and what it does to its containers gives no false alert.

use crate::containers::scene::{ELEMENT, PATIENCE, Scene, workload_in};
use crate::harness::{Named, Test};
use anyhow::{Context, Result, ensure};
use std::fs;
use testbed::container::Runtime;
use testbed::{Agent, Podman, Record, unique_name};

/// Every test here.
pub const TESTS: &[Named] = &[
    (
        "podman_names_its_containers_made_by_runc",
        (|| named_by_podman(Runtime::Runc)) as Test,
    ),
    ("podman_names_its_containers_made_by_crun", || {
        named_by_podman(Runtime::Crun)
    }),
    ("podman_is_not_asked_unless_it_is_named", not_asked),
];

const IMAGE: &str = "localhost/shop/web:1.2";

/// One container ran before the agent, one is its service's other replica, one
/// lives a moment, one is in a pod.
fn named_by_podman(runtime: Runtime) -> Result<()> {
    let scene = Scene::new()?;
    let podman = Podman::start(runtime)?;
    podman.import(&scene.image, IMAGE)?;
    let service = Service::new();
    service.write_document(&scene, "podman")?;
    let first = service.start(&podman, 1)?;
    let socket = podman.socket().display().to_string();
    let agent = scene.agent(&["--enforce", "--podman", &socket])?;

    let second = service.start(&podman, 2)?;
    let both = |status: &serde_json::Value| {
        let found = workload_in(status, &service.workload());
        found.is_some_and(|found| found["containers"] == 2 && found["mode"] == "enforce")
    };
    let status = agent.wait_for("both replicas", PATIENCE, both)?;
    ensure!(status["engines"][0]["state"] == "answers", "{status:#}");
    let known = workload_in(&status, &service.workload()).context("the workload")?;
    ensure!(known["pre_existing"] == 1, "{known:#}");
    podman.run(&["exec", &service.name(1), "/bin/busybox", "true"])?;
    podman.run(&["exec", &service.name(2), "/app/worker"])?;
    podman.run_to_end(&service.arguments(3, &["/app/worker"]))?;
    podman.run(&["pod", "create", "--infra=false", "--name", &service.pod()])?;
    let in_pod = service.start_in_pod(&podman)?;
    podman.run(&["exec", &in_pod, "/app/worker"])?;

    wait_for(&scene, 2, &service.workload())?;
    wait_for(&scene, 1, &format!("podman/{}-api", service.project))?;
    podman.run(&["rm", "--force", "--time", "0", &first, &second, &in_pod])?;
    gone(&agent, &service)?;
    let records = about_podman(&scene, agent)?;
    let of = |brief: &str| {
        let mut records = records.iter();
        records
            .find(|record| describe(record) == brief)
            .with_context(|| {
                let came: Vec<_> = records.map(|record| record.raw.as_str()).collect();
                format!("no record {brief:?}: {came:#?}")
            })
    };
    let injected = of(&format!("unlisted /app/worker injected {}", &second))?;
    check(
        injected,
        &[
            ("workload", &service.workload()),
            ("runtime", "podman"),
            ("image", IMAGE),
            ("from_outside", "true"),
            ("attributed", "true"),
        ],
    )?;
    let digest = injected
        .parameter(ELEMENT, "image_digest")
        .unwrap_or_default();
    ensure!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{}",
        injected.raw
    );
    let podded = records
        .iter()
        .find(|record| describe(record).starts_with("no-allowlist"));
    check(
        podded.context("no record of the pod")?,
        &[
            ("workload", &format!("podman/{}-api", service.project)),
            ("pod", &service.pod()),
        ],
    )?;
    ensure!(records.len() == 3, "{records:#?}");
    Ok(())
}

/// Then its files name the container; and labels are not in them.
fn not_asked() -> Result<()> {
    let scene = Scene::new()?;
    let podman = Podman::start(Runtime::Runc)?;
    podman.import(&scene.image, IMAGE)?;
    let service = Service::new();
    let agent = scene.agent(&["--enforce"])?;

    service.start(&podman, 1)?;
    let name = format!("podman/{}", service.name(1));
    let status = agent.wait_for("the container", PATIENCE, |status| {
        workload_in(status, &name).is_some()
    })?;

    let podmans = |engine: &serde_json::Value| engine["engine"] == "podman";
    let mut engines = status["engines"].as_array().into_iter().flatten();
    ensure!(!engines.any(podmans), "{status:#}");
    drop(podman);
    scene.stop(agent)
}

/// A service of a compose project, as podman-compose starts it.
struct Service {
    project: String,
}

impl Service {
    fn new() -> Self {
        Self {
            project: unique_name(),
        }
    }

    fn name(&self, number: u32) -> String {
        format!("{}_web_{number}", self.project)
    }

    fn pod(&self) -> String {
        format!("{}-pod", self.project)
    }

    fn workload(&self) -> String {
        format!("podman/{}/web", self.project)
    }

    fn arguments(&self, number: u32, program: &[&str]) -> Vec<String> {
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

    fn start(&self, podman: &Podman, number: u32) -> Result<String> {
        podman.start_container(&self.arguments(number, &["/bin/busybox", "sleep", "1000"]))
    }

    fn start_in_pod(&self, podman: &Podman) -> Result<String> {
        let (pod, name) = (self.pod(), format!("{}-api", self.project));
        let args = [
            "--pod",
            &pod,
            "--name",
            &name,
            IMAGE,
            "/bin/busybox",
            "sleep",
            "1000",
        ];
        podman.start_container(&args.map(str::to_owned))
    }

    /// Lets the service run busybox.
    fn write_document(&self, scene: &Scene, runtime: &str) -> Result<()> {
        let project = &self.project;
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: {runtime}, \
             name: {project}/web }}\n  processes:\n    - path: /bin/busybox\n"
        );
        let file = scene.home.allowlists().join("web.yaml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn wait_for(scene: &Scene, count: usize, workload: &str) -> Result<()> {
    let of_it = |record: &&Record| record.parameter(ELEMENT, "workload") == Some(workload);
    let enough = |records: &[Record]| records.iter().filter(of_it).count() >= count;
    let what = format!("{count} records about {workload}");
    scene.rsyslogd.wait_for(&what, PATIENCE, enough).map(drop)
}

fn gone(agent: &Agent<'_>, service: &Service) -> Result<()> {
    let none = |status: &serde_json::Value| workload_in(status, &service.workload()).is_none();
    agent
        .wait_for("the workload to go", PATIENCE, none)
        .map(drop)
}

/// Ends the agent and gives the first records about podman's containers, and
/// about whatever podman itself may have run.
fn about_podman(scene: &Scene, agent: Agent<'_>) -> Result<Vec<Record>> {
    scene.stop(agent)?;
    let mut records = scene.rsyslogd.records()?;
    records.retain(|record| {
        let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
        field("kind") != "repeats" && field("runtime") == "podman"
            || ["conmon", "podman"]
                .iter()
                .any(|own| field("path").contains(own))
    });
    Ok(records)
}

fn describe(record: &Record) -> String {
    let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
    let fields = ["reason", "path", "origin", "container"].map(field);
    fields.join(" ")
}

fn check(record: &Record, fields: &[(&str, &str)]) -> Result<()> {
    for (field, expected) in fields {
        let found = record.parameter(ELEMENT, field);
        ensure!(found == Some(expected), "{field}: {}", record.raw);
    }
    Ok(())
}
