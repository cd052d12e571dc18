//! The Debian package, by `dpkg-deb`. `deploy/debian` has its scripts; the unit is
//! `deploy/systemd`'s.

use crate::archive::{Archive, TIME, gzip};
use crate::command;
use crate::image::LICENSES;
use crate::toolchain::find_program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of the configuration: a person's changes to them survive an upgrade.
const CONFFILES: &str = "/etc/execwarden/config.toml\n";
const MAINTAINER: &str = "The execwarden authors <maintainers@execwarden.dev>";
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
            .env("SOURCE_DATE_EPOCH", TIME.to_string()),
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
    for entry in fs::read_dir(workspace.join("docs")).context("cannot list docs/")? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|end| end == "md") {
            document(&entry.path(), &entry.file_name().to_string_lossy())?;
        }
    }
    document(&workspace.join("CHANGELOG.md"), "CHANGELOG.md")?;
    tree.copy_folder(
        &workspace.join("allowlists"),
        &format!("{DOCUMENTATION}/allowlists"),
    )?;
    let changes = gzip(changelog().as_bytes())?;
    tree.file(&format!("{DOCUMENTATION}/changelog.gz"), 0o644, changes);
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

/// In Debian's form, which has an entry for each version.
fn changelog() -> String {
    format!(
        "execwarden ({}) unstable; urgency=medium\n\n  \
         * CHANGELOG.md has what changed.\n\n \
         -- {MAINTAINER}  Sat, 01 Jan 2000 00:00:00 +0000\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The program is static: the package depends on no library.
fn control(version: &str, architecture: &str, program: &Path) -> Result<String> {
    let bytes = program.metadata().context("cannot find the program")?.len();
    Ok(format!(
        "Package: execwarden\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: {MAINTAINER}\n\
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The package of a program that is none, unpacked.
    fn unpacked() -> (PathBuf, impl Drop) {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("program");
        fs::write(&program, "a program").expect("written");
        let control = control("1.2.3", "amd64", &program).expect("a control file");
        let tree = tree(&program, &control).expect("a tree");
        let staged = folder.path().join("staged");
        fs::create_dir(&staged).expect("a folder");
        tree.unpack(&staged).expect("unpacked");
        (staged, folder)
    }

    #[test]
    fn what_is_named_elsewhere_is_there() {
        let (tree, _folder) = unpacked();

        for file in CONFFILES.lines() {
            assert!(tree.join(file.trim_start_matches('/')).exists(), "{file}");
        }
        let unit = tree.join("lib/systemd/system/execwarden.service");
        let unit = fs::read_to_string(unit).expect("the unit");
        assert!(unit.contains("\nExecStart=execwarden run\n"), "{unit}");
        assert!(tree.join("usr/sbin/execwarden").exists());
    }

    #[test]
    fn the_scripts_are_shell() {
        let (tree, _folder) = unpacked();

        for script in ["postinst", "prerm", "postrm"] {
            let script = tree.join("DEBIAN").join(script);
            let checked = Command::new("sh").arg("-n").arg(&script).status();
            assert!(checked.expect("a shell").success(), "{}", script.display());
        }
    }
}
