//! What `deploy/` renders to, by real programs: kubectl's kustomize, of every
//! version that is here, and Helm.

use crate::places;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `deploy/` of this workspace.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("deploy")
}

/// Every kubectl: the system's, Debian's and a current one that
/// `cargo xtask setup` unpacked. Their kustomizes differ by years.
pub fn kubectls() -> Vec<PathBuf> {
    let unpacked = [places::find_unpacked("kubectl"), beside_helm("kubectl")];
    places::find_program("kubectl")
        .into_iter()
        .chain(unpacked.into_iter().flatten())
        .collect()
}

/// The objects in a text of YAML.
pub fn objects(yaml: &str) -> Result<Vec<Value>> {
    serde_saphyr::from_multiple(yaml).context("what was rendered is no YAML")
}

/// The one object of this kind.
pub fn object<'o>(objects: &'o [Value], kind: &str, name: &str) -> Result<&'o Value> {
    objects
        .iter()
        .find(|one| one["kind"] == kind && one["metadata"]["name"] == name)
        .with_context(|| format!("there is no {kind} {name}"))
}

/// Helm: the system's, or the one that `cargo xtask setup` unpacked.
pub fn helm() -> Option<PathBuf> {
    places::find_program("helm").or_else(|| beside_helm("helm"))
}

/// What a kustomization renders to, as YAML. Every kubectl has to say the same.
pub fn kustomize(folder: &Path) -> Result<String> {
    let mut first = None;
    for kubectl in kubectls() {
        let rendered = run(Command::new(&kubectl).arg("kustomize").arg(folder))?;
        let same = first.get_or_insert_with(|| rendered.clone());
        ensure!(
            *same == rendered,
            "{} renders {} otherwise:\n{rendered}",
            kubectl.display(),
            folder.display()
        );
    }
    first.context("there is no kubectl; run cargo xtask setup")
}

/// What the chart renders to, as YAML, in the namespace `execwarden`.
pub fn chart(arguments: &[&str]) -> Result<String> {
    let helm = helm().context("there is no helm; run cargo xtask setup")?;
    run(Command::new(helm)
        .args(["template", "execwarden"])
        .arg(folder().join("helm/execwarden"))
        .args(["--namespace", "execwarden"])
        .args(arguments))
}

fn beside_helm(name: &str) -> Option<PathBuf> {
    let program = places::target_folder().ok()?.join("setup/helm").join(name);
    program.is_file().then_some(program)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, errors.trim());
    }
    String::from_utf8(output.stdout).context("what was rendered is no text")
}
