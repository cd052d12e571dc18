//! Roots of Debian's packages, as an image's build makes them: a minimal base
//! once, and for each software a copy of it with its packages and files.

use crate::command;
use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testbed::software::File;
use testbed::{Image, Software, find_busybox};

const RELEASE: &str = "bookworm";
const SOURCES: &str = "\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
";
/// Debian's own switch for packages that would start services: a program that
/// says no. Images have it too.
const NO_SERVICES: &str = "#!/bin/sh\nexit 101\n";
/// A container finds its own name; a runtime under an orchestrator mounts this.
const HOSTS: &str = "127.0.0.1 localhost container\n";

/// A software's image and what is in it.
pub struct Root {
    /// For its containers and clients.
    pub image: Image,
    /// Its own packages, each with its version.
    pub versions: String,
}

/// Where they are: `target/software`.
pub struct Roots {
    folder: PathBuf,
}

impl Roots {
    /// The folder with a base in it, made if it is missing and brought up to date
    /// if it is not.
    pub fn new() -> Result<Self> {
        let folder = testbed::target_folder()?.join("software");
        for name in ["debs/partial", "lists/partial"] {
            make_folder(&folder.join(name))?;
        }
        let roots = Self { folder };
        let base = roots.folder.join("base");
        if !base.exists() {
            roots.bootstrap(&base)?;
        }
        let _mounts = roots.mounts(&base)?;
        apt_get(&base, &["update"])?;
        apt_get(&base, &["upgrade"])?;
        Ok(roots)
    }

    /// A new root with the packages that Debian has today. Replaces the one of the
    /// last time.
    pub fn make(&self, software: &Software) -> Result<Root> {
        let root = self.folder.join(software.name);
        let unfinished = self.folder.join(format!("{}.unfinished", software.name));
        remove(&root)?;
        remove(&unfinished)?;
        let mut copy = Command::new("cp");
        command::run(
            copy.arg("-a")
                .arg(self.folder.join("base"))
                .arg(&unfinished),
        )?;
        {
            let _mounts = self.mounts(&unfinished)?;
            let packages = [software.packages, software.clients].concat();
            apt_get(
                &unfinished,
                &[&["install", "--no-install-recommends"], &packages[..]].concat(),
            )?;
            for file in software.files {
                write(&unfinished, file)?;
            }
            let script = format!("set -e\n{}", software.prepare);
            command::run(chroot(&unfinished, "sh").args(["-c", &script]))?;
        }
        fs::rename(&unfinished, &root)
            .with_context(|| format!("cannot rename {}", unfinished.display()))?;
        Ok(Root {
            versions: versions(&root, software.packages)?,
            image: Image::at(&root),
        })
    }

    /// Takes half a minute.
    fn bootstrap(&self, base: &Path) -> Result<()> {
        let unfinished = base.with_extension("unfinished");
        remove(&unfinished)?;
        let debootstrap = testbed::find_program("debootstrap")
            .or_else(|| testbed::find_unpacked("debootstrap"))
            .context("debootstrap is not there; run this command as root, or install it")?;
        let mut make = Command::new(&debootstrap);
        // Its parts are beside it, wherever it was unpacked.
        if let Some(usr) = debootstrap.ancestors().nth(2) {
            make.env("DEBOOTSTRAP_DIR", usr.join("share/debootstrap"));
        }
        command::run(
            make.args(["--variant=minbase", RELEASE])
                .arg(&unfinished)
                .arg("http://deb.debian.org/debian")
                .stdout(Stdio::null()),
        )?;
        for (path, text) in [
            ("/etc/apt/sources.list", SOURCES),
            ("/usr/sbin/policy-rc.d", NO_SERVICES),
            ("/etc/hosts", HOSTS),
        ] {
            write(&unfinished, &File { path, text })?;
        }
        fs::rename(&unfinished, base)
            .with_context(|| format!("cannot rename {}", unfinished.display()))
    }

    /// What packages want while they are installed, and apt's files that all
    /// roots share.
    fn mounts(&self, root: &Path) -> Result<Mounts> {
        let mut mounts = Mounts(Vec::new());
        let proc = root.join("proc");
        mount("proc", &proc, "proc", MountFlags::empty(), None).context("cannot mount /proc")?;
        mounts.0.push(proc);
        for (name, at) in [
            ("debs", "var/cache/apt/archives"),
            ("lists", "var/lib/apt/lists"),
        ] {
            let at = root.join(at);
            make_folder(&at)?;
            mount_bind(self.folder.join(name), &at)
                .with_context(|| format!("cannot mount {}", at.display()))?;
            mounts.0.push(at);
        }
        fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"))
            .context("cannot copy /etc/resolv.conf")?;
        Ok(mounts)
    }
}

/// Mounts in a root; gone when dropped.
struct Mounts(Vec<PathBuf>);

impl Drop for Mounts {
    fn drop(&mut self) {
        for at in self.0.iter().rev() {
            if let Err(error) = unmount(at, UnmountFlags::DETACH) {
                eprintln!("cannot unmount {}: {error}", at.display());
            }
        }
    }
}

/// An image of busybox alone, with the software's files.
pub fn of_busybox(software: &Software) -> Result<Root> {
    let image = Image::busybox()?;
    for file in software.files {
        write(image.path(), file)?;
    }
    let busybox = find_busybox().context("no static busybox; run cargo xtask setup")?;
    let output = Command::new(&busybox)
        .output()
        .with_context(|| format!("cannot start {}", busybox.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    // "BusyBox v1.35.0 (Debian 1:1.35.0-4+b4) multi-call binary."
    let version = printed.split(" multi-call").next().unwrap_or_default();
    Ok(Root {
        image,
        versions: version.to_owned(),
    })
}

fn versions(root: &Path, packages: &[&str]) -> Result<String> {
    let output = chroot(root, "dpkg-query")
        .args(["--show", "--showformat", "${Package} ${Version}\\n"])
        .args(packages)
        .output()
        .context("cannot start chroot")?;
    ensure!(
        output.status.success(),
        "dpkg-query failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(printed.lines().collect::<Vec<_>>().join(", "))
}

fn apt_get(root: &Path, args: &[&str]) -> Result<()> {
    let mut apt = chroot(root, "apt-get");
    apt.args(["-qq", "--yes"]).args(args).stdout(Stdio::null());
    command::run(&mut apt)
}

fn chroot(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    command
        .arg(root)
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn write(root: &Path, File { path, text }: &File) -> Result<()> {
    let into = root.join(path.trim_start_matches('/'));
    make_folder(into.parent().unwrap_or(root))?;
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    fs::write(&into, text)
        .and_then(|()| fs::set_permissions(&into, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot write {}", into.display()))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
