//! A real rsyslogd behind TLS (RFC 5425), which asks who the agent is.

use super::expect::count;
use super::scene::{ELEMENT, PATIENCE, Scene, accounting_holds};
use super::sinks::{LISTED, arrive_at, deviate, receiver};
use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;
use testbed::rsyslogd::Tls;
use testbed::{Agent, Container, Home, Record, Rsyslogd, until};

/// Who may send.
const PEER: &str = "agent.example";
/// So many deviations while rsyslogd is killed, and as many while the agent is.
const HALF: u64 = 300;

pub fn records_arrive_encrypted_at_who_asks_for_a_certificate() -> Result<()> {
    let authority = Authority::new()?;
    authority.sign("agent", PEER)?;
    let scene = Scene::with(authority.rsyslogd()?)?;
    scene.write_document(LISTED)?;
    let url = authority.url(&scene.rsyslogd)?;
    arrive_at(&scene, &url)
}

/// Has a container deviate four times while the receiver refuses the agent.
fn deviate_refused(scene: &Scene, agent: &Agent<'_>, container: &Container) -> Result<()> {
    deviate(container, 1..=4)?;
    scene.wait_for_count(agent, "deviations", 4)?;
    agent.wait_for("it to be refused", PATIENCE, |status| {
        receiver(status)["state"] != "connected"
    })?;
    Ok(())
}

/// In TLS 1.3 the agent may have written records before it hears that it is refused.
pub fn what_was_refused_is_sent_with_another_certificate() -> Result<()> {
    let authority = Authority::new()?;
    authority.sign("agent", "stranger.example")?;
    let scene = Scene::with(authority.rsyslogd()?)?;
    scene.write_document(LISTED)?;
    let url = authority.url(&scene.rsyslogd)?;
    let agent = Agent::start(&scene.home, ["--enforce", "--syslog", &url])?;
    let container = scene.idle()?;

    deviate_refused(&scene, &agent, &container)?;
    ensure!(scene.rsyslogd.records()?.is_empty(), "it took a stranger's");
    authority.sign("agent", PEER)?;
    // It is tried again within ten seconds.
    scene.wait_for_records(&container, 4)?;

    every_number_came(&scene, agent)
}

/// The same where the agent is killed while it is refused, and something deviates
/// while there is none.
pub fn what_was_refused_outlives_an_agent_that_is_killed() -> Result<()> {
    let authority = Authority::new()?;
    authority.sign("agent", "stranger.example")?;
    let mut scene = Scene::with(authority.rsyslogd()?)?;
    scene.home = Home::pinning()?;
    scene.write_document(LISTED)?;
    let url = authority.url(&scene.rsyslogd)?;
    let start = || Agent::start(&scene.home, ["--enforce", "--syslog", &url]);
    let agent = start()?;
    let container = scene.idle()?;

    deviate_refused(&scene, &agent, &container)?;
    agent.crash()?;
    deviate(&container, 5..=6)?;
    ensure!(scene.rsyslogd.records()?.is_empty(), "it took a stranger's");
    authority.sign("agent", PEER)?;
    let agent = start()?;
    scene.wait_for_records(&container, 6)?;

    every_number_came(&scene, agent)?;
    let records = scene.records()?;
    let sum: u64 = records.iter().map(count).sum();
    ensure!((records.len(), sum) == (6, 6), "{records:#?}");
    Ok(())
}

/// Each of them is killed while records are underway.
pub fn encrypted_records_outlive_both_ends() -> Result<()> {
    let authority = Authority::new()?;
    authority.sign("agent", PEER)?;
    let scene = Scene::with(authority.rsyslogd()?)?;
    scene.write_document(LISTED)?;
    let url = authority.url(&scene.rsyslogd)?;
    let options = ["--enforce", "--alert-burst", "10000", "--syslog", &url];
    let agent = Agent::start(&scene.home, options)?;
    let container = scene.idle()?;

    let deviating = deviate_without_a_pause(&container, 1, HALF)?;
    wait_for(&scene.rsyslogd, HALF / 4)?;
    scene.rsyslogd.go_away()?;
    agent.wait_for("records to wait", PATIENCE, |status| {
        receiver(status)["queued"].as_u64() > Some(0)
    })?;
    scene.rsyslogd.come_back()?;
    finish(deviating)?;
    wait_for(&scene.rsyslogd, HALF)?;

    let deviating = deviate_without_a_pause(&container, HALF + 1, 2 * HALF)?;
    wait_for(&scene.rsyslogd, HALF + HALF / 4)?;
    agent.crash()?;
    let agent = Agent::start(&scene.home, options)?;
    finish(deviating)?;
    deviate(&container, 2 * HALF + 1..=2 * HALF + 4)?;

    every_number_came(&scene, agent)
}

/// Has programs run that were never there before, each a deviation of its own, one
/// right after the other.
fn deviate_without_a_pause(container: &Container, first: u64, last: u64) -> Result<Child> {
    let line = format!(
        "for n in $(seq {first} {last}); do \
         cp /app/worker /tmp/intruder-$n && /tmp/intruder-$n || exit 1; done"
    );
    let mut command = container.exec_command(["sh", "-c", &line]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot start the runtime's exec")
}

fn finish(mut deviating: Child) -> Result<()> {
    let status = until(
        "the programs to end",
        PATIENCE,
        || Ok(deviating.try_wait()?),
    )?;
    ensure!(status.success(), "they ended with {status}");
    Ok(())
}

/// Waits until it has so many numbers.
fn wait_for(rsyslogd: &Rsyslogd, count: u64) -> Result<()> {
    let what = format!("{count} records");
    let enough = |records: &[Record]| numbers(records).len() as u64 >= count;
    rsyslogd.wait_for(&what, PATIENCE, enough).map(drop)
}

/// Ends the agent; fails unless the receiver has every number up to the last that it
/// told, and what it has twice is the same both times. What ran while there was no
/// agent has no number; other containers of the machine may have some.
fn every_number_came(scene: &Scene, agent: Agent<'_>) -> Result<()> {
    accounting_holds(&agent)?;
    let status = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    let alerts = scene.home.alerts()?;
    let told = alerts
        .iter()
        .filter_map(|alert| alert["execwarden"]["number"].as_u64());
    let last = told.max().context("it told nothing")?;
    let came = |records: &[Record]| numbers(records).contains(&last);
    let records = scene.rsyslogd.wait_for("the last record", PATIENCE, came)?;

    let all: BTreeSet<u64> = (1..=last).collect();
    let numbers = numbers(&records);
    ensure!(numbers == all, "of 1 to {last} there came {numbers:?}");
    let contents: HashSet<&str> = records.iter().map(|record| record.raw.as_str()).collect();
    ensure!(
        contents.len() == all.len(),
        "{} numbers are {} records",
        all.len(),
        contents.len()
    );
    Ok(())
}

fn numbers(records: &[Record]) -> BTreeSet<u64> {
    let numbers = records.iter();
    numbers
        .filter_map(|record| record.parameter(ELEMENT, "number")?.parse().ok())
        .collect()
}

/// Who signed everybody's certificate, and the folder of what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = named("authority", CertificateParams::new([])?);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("ca.pem"), issuer.pem())?;
        Ok(Self { issuer, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate for a host, into `NAME.pem` and `NAME.key`.
    fn sign(&self, name: &str, host: &str) -> Result<()> {
        let params = named(host, CertificateParams::new([host.to_owned()])?);
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        write_whole(&self.path(&format!("{name}.key")), &key.serialize_pem())?;
        write_whole(&self.path(&format!("{name}.pem")), &signed.pem())
    }

    /// A receiver that takes records from [`PEER`] alone.
    fn rsyslogd(&self) -> Result<Rsyslogd> {
        self.sign("receiver", "127.0.0.1")?;
        Rsyslogd::start_with_tls(Tls {
            ca: self.path("ca.pem"),
            cert: self.path("receiver.pem"),
            key: self.path("receiver.key"),
            peer: PEER.to_owned(),
        })
    }

    /// It, as the agent's flag has it.
    fn url(&self, rsyslogd: &Rsyslogd) -> Result<String> {
        Ok(format!(
            "{}#ca={}&cert={}&key={}",
            rsyslogd.network_url("tls")?,
            self.path("ca.pem").display(),
            self.path("agent.pem").display(),
            self.path("agent.key").display()
        ))
    }
}

/// With a name of its own: who has the issuer's counts as self-signed.
fn named(name: &str, mut params: CertificateParams) -> CertificateParams {
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// The agent may read it at any time.
fn write_whole(file: &Path, text: &str) -> Result<()> {
    let unfinished = file.with_extension("tmp");
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, file).with_context(|| format!("cannot write {}", file.display()))
}
