//! A dockerd with folders and a network of its own, where docker is installed.

use crate::cgroup;
use crate::places;
use crate::rootfs::Image;
use crate::until;
use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long it gets to come up, with a containerd of its own, and to go.
const DEADLINE: Duration = Duration::from_secs(60);
/// Folders that cannot be others: it sees empty ones there.
const FIXED: [&str; 3] = ["/etc/docker", "/run/containerd", "/run/docker"];
/// What it names its containers' cgroups after.
const CGROUP: &str = "/docker/none";

/// Why there is no docker to test with, or `None`.
pub fn lacks() -> Option<String> {
    ["dockerd", "docker", "containerd"]
        .into_iter()
        .find(|program| find(program).is_none())
        .map(|program| format!("{program} is not installed"))
}

/// The machine's own, or one that somebody unpacked below `target/setup/docker`:
/// with its sixty megabytes it is not a part of the set-up.
fn find(program: &str) -> Option<PathBuf> {
    crate::find_program(program).or_else(|| {
        let unpacked = places::target_folder().ok()?.join("setup/docker/usr");
        let files = ["bin", "sbin"].map(|folder| unpacked.join(folder).join(program));
        files.into_iter().find(|file| file.is_file())
    })
}

/// A docker; its containers, its daemon and its mounts end when it is dropped.
#[derive(Debug)]
pub struct Docker {
    folder: TempDir,
    daemon: Child,
    fixed: Vec<Fixed>,
}

impl Docker {
    /// One without networks.
    pub fn start() -> Result<Self> {
        let folder = places::folder("docker")?;
        let fixed = FIXED.map(Fixed::cover).into_iter().collect::<Result<_>>()?;
        cgroup::note_missing_above(&cgroup::in_hierarchy(CGROUP));
        let at = |name: &str| folder.path().join(name);
        let mut command = places::dying_with_us(Path::new("unshare"));
        command
            .arg("--net")
            .arg(find("dockerd").context("dockerd is not installed")?);
        for (flag, value) in [
            ("--bridge", "none".into()),
            ("--iptables", "false".into()),
            ("--ip6tables", "false".into()),
            ("--ip-forward", "false".into()),
            ("--storage-driver", "overlay2".into()),
            ("--exec-opt", "native.cgroupdriver=cgroupfs".into()),
            ("--data-root", at("data")),
            ("--exec-root", at("exec")),
            ("--pidfile", at("pid")),
            (
                "--host",
                format!("unix://{}", at("docker.sock").display()).into(),
            ),
        ] {
            let value: PathBuf = value;
            command.arg(format!("{flag}={}", value.display()));
        }
        let log = fs::File::create(at("log")).context("cannot make dockerd's log")?;
        let daemon = command
            .env("PATH", path()?)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share dockerd's log")?)
            .stderr(log)
            .spawn()
            .context("cannot start dockerd")?;
        let mut docker = Self {
            folder,
            daemon,
            fixed,
        };
        until("dockerd to answer", DEADLINE, || {
            if let Some(status) = docker.daemon.try_wait()? {
                bail!("dockerd ended ({status})");
            }
            Ok(docker.run(&["version"]).ok())
        })
        .with_context(|| {
            fs::read_to_string(docker.folder.path().join("log")).unwrap_or_default()
        })?;
        Ok(docker)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Makes an image of this name.
    pub fn import(&self, image: &Image, name: &str) -> Result<()> {
        let archive = self.folder.path().join("image.tar");
        image.archive(&archive)?;
        self.run(&["import", &archive.display().to_string(), name])?;
        fs::remove_file(&archive).context("cannot remove the image's archive")
    }

    /// Runs docker to its end and gives what it printed.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let program = find("docker").context("docker is not installed")?;
        let mut command = Command::new(program);
        command
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", self.folder.path().join("client"))
            .args(args)
            .stdin(Stdio::null());
        places::succeed(&mut command)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Ok(containers) = self.run(&["ps", "--all", "--quiet"]) {
            let all = ["rm", "--force"].into_iter().chain(containers.lines());
            let _ = self.run(&all.collect::<Vec<_>>());
        }
        // So that it ends its containerd.
        let _ = kill_process(Pid::from_child(&self.daemon), Signal::TERM);
        if until("dockerd to end", DEADLINE, || Ok(self.daemon.try_wait()?)).is_err() {
            let _ = self.daemon.kill();
            let _ = self.daemon.wait();
        }
        cgroup::remove(&cgroup::in_hierarchy(CGROUP));
        self.fixed.clear();
        places::unmount_below(self.folder.path());
    }
}

/// A folder of the machine's with an empty one over it.
#[derive(Debug)]
struct Fixed {
    folder: &'static str,
    was_there: bool,
}

impl Fixed {
    fn cover(folder: &'static str) -> Result<Self> {
        let was_there = Path::new(folder).exists();
        fs::create_dir_all(folder).with_context(|| format!("cannot make {folder}"))?;
        let fixed = Self { folder, was_there };
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), None)
            .with_context(|| format!("cannot cover {folder}"))?;
        Ok(fixed)
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        let _ = unmount(self.folder, UnmountFlags::DETACH);
        if !self.was_there {
            let _ = fs::remove_dir(self.folder);
        }
    }
}

/// dockerd looks for its containerd and runc there.
fn path() -> Result<OsString> {
    let programs = ["containerd", "containerd-shim-runc-v2", "runc"];
    let folders = programs
        .iter()
        .filter_map(|program| Some(find(program)?.parent()?.to_owned()));
    let own = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folders.chain(env::split_paths(&own))).context("PATH cannot be joined")
}
