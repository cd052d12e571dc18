//! The Debian package, by `dpkg-deb`. `deploy/debian` has its scripts; the unit is
//! `deploy/systemd`'s.

use crate::archive::{Archive, gzip};
use crate::command;
use crate::image::LICENSES;
use crate::toolchain::find_program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of the configuration: a person's changes to them survive an upgrade.
const CONFFILES: &str = "/etc/execwarden/config.toml\n";
const DOCUMENTATION: &str = "usr/share/doc/execwarden";

/// Writes the package into a folder and gives its path.
pub fn build(program: &Path, into: &Path) -> Result<PathBuf> {
    if find_program("dpkg-deb").is_none() {
        bail!("dpkg-deb, which makes a Debian package, is not here");
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("there is no Debian package for {other}"),
    };
    let version = env!("CARGO_PKG_VERSION");
    let staged = into.join("debian");
    fs::create_dir(&staged).with_context(|| format!("cannot make {}", staged.display()))?;
    tree(program, &control(version, architecture, program)?)?.unpack(&staged)?;

    let package = into.join(format!("execwarden_{version}_{architecture}.deb"));
    command::run(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args([&staged, &package])
            // What it writes as the time of its making, and of every file.
            .env("SOURCE_DATE_EPOCH", "0"),
    )?;
    fs::remove_dir_all(&staged).with_context(|| format!("cannot remove {}", staged.display()))?;
    Ok(package)
}

fn tree(program: &Path, control: &str) -> Result<Archive> {
    let workspace = command::workspace();
    let debian = workspace.join("deploy/debian");
    let mut tree = Archive::default();
    tree.copy(program, "usr/sbin/execwarden", 0o755)?;
    tree.copy(
        &workspace.join("deploy/systemd/execwarden.service"),
        "lib/systemd/system/execwarden.service",
        0o644,
    )?;
    tree.copy(
        &debian.join("config.toml"),
        "etc/execwarden/config.toml",
        0o644,
    )?;
    tree.folder("etc/execwarden/allowlists");

    let mut document =
        |file: &Path, name: &str| tree.copy(file, &format!("{DOCUMENTATION}/{name}"), 0o644);
    document(&debian.join("copyright"), "copyright")?;
    for (file, name) in LICENSES {
        document(&workspace.join(file), name)?;
    }
    document(&workspace.join("README.md"), "README.md")?;
    document(&workspace.join("allowlists/README.md"), "ALLOWLISTS.md")?;
    for entry in fs::read_dir(workspace.join("docs")).context("cannot list docs/")? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|end| end == "md") {
            document(&entry.path(), &entry.file_name().to_string_lossy())?;
        }
    }
    let changes = fs::read(workspace.join("CHANGELOG.md")).context("cannot read CHANGELOG.md")?;
    tree.file(
        &format!("{DOCUMENTATION}/changelog.gz"),
        0o644,
        gzip(&changes)?,
    );
    tree.copy(
        &debian.join("lintian-overrides"),
        "usr/share/lintian/overrides/execwarden",
        0o644,
    )?;

    for script in ["postinst", "prerm", "postrm"] {
        tree.copy(&debian.join(script), &format!("DEBIAN/{script}"), 0o755)?;
    }
    tree.file("DEBIAN/control", 0o644, control.into());
    tree.file("DEBIAN/conffiles", 0o644, CONFFILES.into());
    Ok(tree)
}

/// The program is static: the package depends on no library.
fn control(version: &str, architecture: &str, program: &Path) -> Result<String> {
    let bytes = program.metadata().context("cannot find the program")?.len();
    Ok(format!(
        "Package: execwarden\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: The execwarden authors <execwarden@localhost>\n\
         Installed-Size: {}\n\
         Section: admin\n\
         Priority: optional\n\
         Description: reports which processes containers should not run\n \
         It learns which executables every container on this node runs, writes them\n \
         down as documents that people can review, and from then on writes a syslog\n \
         record the moment something else is executed. The decision is made in the\n \
         kernel, so an exec that is on the list wakes nobody.\n",
        bytes.div_ceil(1024)
    ))
}
