//! Documents that have to be signed, and are by a real minisign.

use super::alerts::ask;
use super::refusals;
use super::scene::{PATIENCE, Scene, at, exec};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;
use testbed::Agent;
use testbed::agent::binary;
use testbed::minisign::Signer;

const TWO: &str = "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n";
const THREE: &str = "  processes:\n    - path: /bin/busybox\n    - path: /app/worker\n    \
                     - path: /opt/intruders/hello\n";

pub fn an_unsigned_document_does_not_count_and_a_signed_one_does() -> Result<()> {
    let scene = Scene::new()?;
    let signer = Signer::new()?;
    let keys = signer.public().display().to_string();
    let file = scene.home.allowlists().join(scene.document_name());
    scene.write_document(TWO)?;
    let agent = scene.agent(&["--enforce", "--allowlist-keys", &keys])?;
    refused_as(&agent, "it is not signed: there is no ")?;
    let list = ask(&agent, &["allowlist", "list"], 0)?;
    ensure!(list == "There is no allowlist.\n", "{list}");

    signer.sign(&file)?;
    taken(&agent)?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 2)?;
    exec(&container, &["/app/worker"])?;

    // Changed and not signed again, then by somebody else.
    scene.write_document(THREE)?;
    refused_as(&agent, "does not hold: ")?;
    exec(&container, &[&at("hello")])?;
    let other = Signer::new()?;
    other.sign(&file)?;
    refused_as(&agent, "is none of those that count here")?;
    fs::remove_file(file.with_extension("yaml.minisig"))?;
    refused_as(&agent, "it is not signed: there is no ")?;
    let status = scene.wait_for_count(&agent, "processes", 2)?;
    let error = &status["allowlist_errors"][0];
    let named = error.as_str().unwrap_or_default();
    ensure!(
        named.contains(&format!("minisign -Sm {}", scene.document_name())),
        "{named} does not say what to do"
    );

    signer.sign(&file)?;
    scene.wait_for_count(&agent, "processes", 3)?;
    exec(&container, &[&at("hello")])?;
    let log = ask(&agent, &["log"], 0)?;
    ensure!(log.contains("signed with the key"), "{log}");
    scene.finish(agent, &[(&container, &["unlisted /opt/intruders/hello"])])
}

/// What the agent learned is its own, and told from what claims to be.
pub fn an_unsigned_document_is_not_taken_for_the_agents_own() -> Result<()> {
    let scene = Scene::new()?;
    let signer = Signer::new()?;
    let keys = signer.public().display().to_string();
    let agent = scene.agent(&[
        "--automatic",
        &super::scene::window(2),
        "--allowlist-keys",
        &keys,
    ])?;
    let container = scene.idle()?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_mode(&agent, "enforce")?;

    // As the agent wrote it, with one entry more.
    let forged = scene.learned()?.replace(
        "  processes:\n",
        "  processes:\n    - path: /opt/intruders/hello\n",
    );
    ensure!(
        forged.contains("execwarden.dev/written-by: execwarden"),
        "{forged}"
    );
    fs::write(scene.home.allowlists().join("forged.yaml"), forged)?;
    refused_as(&agent, "it is not signed: there is no ")?;
    exec(&container, &["/app/worker"])?;
    exec(&container, &[&at("hello")])?;

    scene.finish(agent, &[(&container, &["unlisted /opt/intruders/hello"])])
}

pub fn keys_are_read_again_and_kept_where_they_cannot_be() -> Result<()> {
    let scene = Scene::new()?;
    let (old, new) = (Signer::new()?, Signer::new()?);
    let keys = scene.home.state().join("keys.pub");
    let file = scene.home.allowlists().join(scene.document_name());
    let workload = scene.workload();
    fs::copy(old.public(), &keys)?;
    scene.write_document(TWO)?;
    new.sign(&file)?;
    let flag = keys.display().to_string();
    let agent = scene.agent(&["--enforce", "--allowlist-keys", &flag])?;
    refused_as(&agent, "is none of those that count here")?;

    let mut both = OpenOptions::new().append(true).open(&keys)?;
    both.write_all(&fs::read(new.public())?)?;
    agent.reload()?;
    taken(&agent)?;

    fs::write(&keys, "no key\n")?;
    agent.reload()?;
    refused_as(&agent, "keys.pub:1: this is no public key")?;
    scene.write_document(THREE)?;
    new.sign(&file)?;
    let container = scene.idle()?;
    scene.wait_for_count(&agent, "processes", 3)?;
    exec(&container, &[&at("hello")])?;

    // Nobody is let edit what then would not count.
    let edited = Command::new(binary()?)
        .args(["allowlist", "edit", "--yes", &workload, "--control"])
        .arg(scene.home.control())
        .env("EDITOR", "false")
        .output()?;
    let said = String::from_utf8_lossy(&edited.stderr);
    ensure!(
        edited.status.code() == Some(2) && said.contains("have to be signed here"),
        "{said}"
    );
    let (file, new) = (
        file.display().to_string(),
        new.public().display().to_string(),
    );
    for (keys, status, expected) in [
        (&new, 0, "valid, signed with "),
        (&flag, 2, "no public key"),
    ] {
        let output = Command::new(binary()?)
            .args(["allowlist", "validate", "--keys", keys, &file])
            .output()?;
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(
            output.status.code() == Some(status) && said.contains(expected),
            "{said}"
        );
    }
    scene.finish(agent, &[])
}

pub fn without_its_keys_the_agent_does_not_start() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = refusals::agent(&scene)?;
    command.args(["--allowlist-keys", "/nonexistent/ops.pub"]);

    refusals::check(
        command,
        "--allowlist-keys: cannot read the public keys in /nonexistent/ops.pub: ",
    )
}

/// Waits until one document is refused, for this.
fn refused_as(agent: &Agent<'_>, why: &str) -> Result<()> {
    let is_refused = |status: &Value| {
        let errors = status["allowlist_errors"].as_array();
        errors.is_some_and(|errors| {
            let text = errors.first().and_then(Value::as_str);
            errors.len() == 1 && text.is_some_and(|text| text.contains(why))
        })
    };
    agent
        .wait_for(&format!("the error: {why}"), PATIENCE, is_refused)
        .map(drop)
}

/// Waits until nothing is refused.
fn taken(agent: &Agent<'_>) -> Result<()> {
    let nothing = |status: &Value| {
        status["allowlist_errors"]
            .as_array()
            .is_some_and(Vec::is_empty)
    };
    agent.wait_for("no error", PATIENCE, nothing).map(drop)
}
