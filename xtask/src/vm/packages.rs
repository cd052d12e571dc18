//! Debian packages that are unpacked into folders of ours: apt as the machine
//! has it, with sources, lists and a cache of its own. Nothing is installed,
//! and it takes no root.

use crate::command;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose programs are used in and around the machines.
pub const RELEASE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A Debian release, and apt's folders for it.
pub struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Asks the mirror what there is now; apt checks its signature.
    pub fn update(name: &str, below: &Path) -> Result<Self> {
        ensure!(
            Path::new(KEYRING).exists(),
            "{KEYRING} is missing; install debian-archive-keyring to check Debian's packages by"
        );
        let suite = Self {
            folder: below.join("apt").join(name),
        };
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = suite.folder.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let source = format!("deb [signed-by={KEYRING}] {MIRROR} {name} main\n");
        suite.write("sources.list", &source)?;
        // What the machine has installed is no help: everything is unpacked.
        suite.write("status", "")?;
        command::run(suite.apt_get().arg("update"))?;
        Ok(suite)
    }

    /// The packages that one depends on, first choices only.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let output = self.apt("apt-cache").args(["depends", package]).output();
        let output = output.context("cannot start apt-cache")?;
        ensure!(
            output.status.success(),
            "there is no package {package} in {MIRROR}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .collect())
    }

    /// The SHA-256 of a package's file, as Debian's signed list has it.
    pub fn checksum(&self, package: &str) -> Result<String> {
        let output = self.apt("apt-cache").args(["show", package]).output();
        let output = output.context("cannot start apt-cache")?;
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .find_map(|line| line.strip_prefix("SHA256: ").map(str::to_owned))
            .with_context(|| format!("apt knows no checksum of {package}"))
    }

    /// Unpacks these packages into a folder, which is there as a whole or not
    /// at all.
    pub fn unpack(&self, packages: &[String], into: &Path) -> Result<()> {
        self.fetch(self.apt_get().arg("download").args(packages), into)
    }

    /// The same with everything that they depend on.
    pub fn unpack_with_dependencies(&self, packages: &[&str], into: &Path) -> Result<()> {
        let mut archives = std::ffi::OsString::from("Dir::Cache::archives=");
        archives.push(downloads(into));
        let mut install = self.apt_get();
        install
            .args(["install", "--download-only", "--no-install-recommends"])
            .arg("--option")
            .arg(archives)
            .args(packages);
        self.fetch(&mut install, into)
    }

    fn fetch(&self, apt: &mut Command, into: &Path) -> Result<()> {
        let downloads = downloads(into);
        let unfinished = into.with_extension("unfinished");
        for folder in [&downloads, &unfinished] {
            remove(folder)?;
        }
        fs::create_dir_all(downloads.join("partial"))
            .with_context(|| format!("cannot make {}", downloads.display()))?;
        command::run(apt.current_dir(&downloads))?;
        for entry in fs::read_dir(&downloads)?.filter_map(Result::ok) {
            if entry.path().extension().is_some_and(|end| end == "deb") {
                unpack(&entry.path(), &unfinished)?;
            }
        }
        remove(&downloads)?;
        remove(into)?;
        fs::rename(&unfinished, into)
            .with_context(|| format!("cannot rename {}", unfinished.display()))
    }

    fn apt_get(&self) -> Command {
        let mut command = self.apt("apt-get");
        command.args(["--quiet=2", "--yes"]);
        command
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (option, place) in [
            ("Dir::Etc::sourcelist", self.folder.join("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::State::lists", self.folder.join("lists")),
            ("Dir::State::status", self.folder.join("status")),
            ("Dir::Cache", self.folder.join("cache")),
        ] {
            let mut value = std::ffi::OsString::from(format!("{option}="));
            value.push(place);
            command.arg("--option").arg(value);
        }
        // Root's apt would change to a user that may not write here.
        command.args(["--option", "APT::Sandbox::User=root"]);
        command
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn unpack(package: &Path, into: &Path) -> Result<()> {
    let status = Command::new("dpkg")
        .arg("-x")
        .arg(package)
        .arg(into)
        .status()
        .context("cannot start dpkg")?;
    ensure!(
        status.success(),
        "dpkg cannot unpack {} ({status})",
        package.display()
    );
    Ok(())
}

fn downloads(into: &Path) -> PathBuf {
    into.with_extension("debs")
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
