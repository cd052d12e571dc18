//! The kernels: Debian's, for cloud machines, from four of its releases.

use super::packages::Suite;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A kernel by the name that a person asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// Debian 11's: the oldest that execwarden runs on.
    V5_10,
    /// Debian 12's.
    V6_1,
    /// Debian 13's.
    V6_12,
    /// Debian unstable's: the newest there is.
    V7,
}

impl Version {
    /// Oldest first.
    pub const ALL: [Self; 4] = [Self::V5_10, Self::V6_1, Self::V6_12, Self::V7];

    /// As a person asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V5_10 => "5.10",
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::V7 => "7.x",
        }
    }

    fn suite(self) -> &'static str {
        match self {
            Self::V5_10 => "bullseye",
            Self::V6_1 => "bookworm",
            Self::V6_12 => "trixie",
            Self::V7 => "sid",
        }
    }
}

/// An unpacked kernel.
pub struct Kernel {
    /// What it calls itself, such as `6.1.0-50-cloud-amd64`.
    pub release: String,
    /// Its image.
    pub image: PathBuf,
    /// Its modules' folder.
    pub modules: PathBuf,
}

/// The package that depends on the newest kernel of its release.
const LATEST: &str = "linux-image-cloud-amd64";

impl Kernel {
    /// The kernel that was fetched before, or the newest one of its release.
    /// With `update` the mirror is asked anew.
    pub fn get(version: Version, below: &Path, update: bool) -> Result<Self> {
        let kernels = below.join("kernels");
        let current = kernels.join(version.name());
        if update || !current.exists() {
            let unpacked = fetch(version, below, &kernels)?;
            let _ = fs::remove_file(&current);
            symlink(&unpacked, &current)
                .with_context(|| format!("cannot link {}", current.display()))?;
        }
        Self::in_folder(&current)
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        // Since Debian 13 everything is below /usr.
        let modules = ["lib/modules", "usr/lib/modules"]
            .into_iter()
            .filter_map(|name| fs::read_dir(folder.join(name)).ok())
            .flatten()
            .filter_map(Result::ok)
            .next()
            .with_context(|| format!("there are no kernel modules in {}", folder.display()))?
            .path();
        let release = modules
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let image = [
            folder.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ]
        .into_iter()
        .find(|image| image.exists())
        .with_context(|| format!("there is no kernel image in {}", folder.display()))?;
        Ok(Self {
            release,
            image,
            modules,
        })
    }
}

/// Unpacks the newest kernel of a release into a folder that is named by the
/// checksum of its first package.
fn fetch(version: Version, below: &Path, kernels: &Path) -> Result<PathBuf> {
    let suite = Suite::update(version.suite(), below)?;
    let Some(image) = kernel_packages(&suite.dependencies(LATEST)?, &["linux-image-"]).pop() else {
        bail!(
            "{LATEST} of Debian {} names no kernel any more",
            version.suite()
        );
    };
    // Newer ones are an empty package and what it depends on.
    let mut packages = kernel_packages(
        &suite.dependencies(&image)?,
        &["linux-binary-", "linux-modules-"],
    );
    if packages.is_empty() {
        packages.push(image);
    }
    let name = suite.checksum(&packages[0])?;
    let folder = kernels.join(&name);
    if !folder.exists() {
        suite.unpack(&packages, &folder)?;
    }
    Ok(name.into())
}

fn kernel_packages(dependencies: &[String], prefixes: &[&str]) -> Vec<String> {
    let mut packages = dependencies.to_vec();
    packages.retain(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_one_package_or_two() {
        let check = |dependencies: &[&str], expected: &[&str]| {
            let dependencies: Vec<_> = dependencies.iter().map(|name| (*name).into()).collect();
            let found = kernel_packages(&dependencies, &["linux-binary-", "linux-modules-"]);
            assert_eq!(found, expected);
        };

        check(&["kmod", "linux-base", "initramfs-tools"], &[]);
        check(
            &["linux-base-7.2", "linux-binary-7.2", "linux-modules-7.2"],
            &["linux-binary-7.2", "linux-modules-7.2"],
        );
    }
}
