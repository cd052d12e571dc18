//! A podman with folders of its own, and its service at a socket.

use crate::cgroup::{self, Cgroup};
use crate::container::Runtime;
use crate::node;
use crate::places;
use crate::rootfs::Image;
use crate::until;
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The folder below `target/setup` in which `cargo xtask setup` unpacks it.
pub const UNPACKED: &str = "podman";

/// The one folder that cannot be another: what podman knows of images' layers.
const CACHE: &str = "/var/lib/containers/cache";

/// How long its service gets to listen, which takes it a tenth of a second.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// Where podman is: the machine's own, or the one that was unpacked.
#[derive(Clone, Debug)]
struct Installed {
    program: PathBuf,
    conmon: PathBuf,
    /// Of the unpacked one: its libraries are nowhere else.
    libraries: Option<PathBuf>,
}

/// Why there is no podman to test with, or `None`.
pub fn lacks() -> Option<String> {
    match installed() {
        Some(_) => None,
        None => Some("podman is not installed; run cargo xtask setup".to_owned()),
    }
}

fn installed() -> Option<Installed> {
    if let (Some(program), Some(conmon)) =
        (crate::find_program("podman"), crate::find_program("conmon"))
    {
        return Some(Installed {
            program,
            conmon,
            libraries: None,
        });
    }
    let folder = places::target_folder().ok()?.join("setup").join(UNPACKED);
    let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
    let installed = Installed {
        program: folder.join("usr/bin/podman"),
        conmon: folder.join("usr/bin/conmon"),
        libraries: Some(folder.join("usr/lib").join(architecture)),
    };
    (installed.program.is_file() && installed.conmon.is_file()).then_some(installed)
}

/// A podman; its containers, its service and its mounts end when it is dropped.
#[derive(Debug)]
pub struct Podman {
    folder: TempDir,
    installed: Installed,
    runtime: Runtime,
    /// Above the cgroups of its containers.
    cgroup: String,
    /// Of its service, as a unit's is called. From the hierarchy's root the
    /// service would move every process there is to a cgroup `/init`.
    own: Cgroup,
    /// Whether [`CACHE`] was there before.
    had_cache: bool,
    service: Option<Child>,
}

impl Podman {
    /// One that makes containers by this runtime, and serves its API.
    pub fn start(runtime: Runtime) -> Result<Self> {
        let folder = places::folder("podman")?;
        let home = folder.path().join(".config/containers");
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let mut installed = installed().context("podman is not installed")?;
        if let Some(libraries) = &installed.libraries {
            // podman hands no LD_LIBRARY_PATH on, and at a container's end
            // conmon starts podman.
            let script = folder.path().join("conmon");
            let text = format!(
                "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n",
                libraries.display(),
                installed.conmon.display()
            );
            fs::write(&script, text)
                .and_then(|()| fs::set_permissions(&script, Permissions::from_mode(0o755)))
                .with_context(|| format!("cannot write {}", script.display()))?;
            installed.conmon = script;
        }
        let mut podman = Self {
            folder,
            installed,
            runtime,
            cgroup: format!("/{}", cgroup::unique_name()),
            own: Cgroup::named(&format!("/{}.service", cgroup::unique_name()))?,
            had_cache: Path::new(CACHE).exists(),
            service: None,
        };
        for (name, text) in [
            ("containers.conf", podman.configuration()),
            ("storage.conf", podman.storage()),
            (
                ".config/containers/policy.json",
                r#"{"default":[{"type":"insecureAcceptAnything"}]}"#.to_owned(),
            ),
        ] {
            let file = podman.folder.path().join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        podman.serve()?;
        Ok(podman)
    }

    /// The socket of its service.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("podman.sock")
    }

    /// Ends its service.
    pub fn stop_serving(&mut self) -> Result<()> {
        if let Some(mut service) = self.service.take() {
            service.kill().context("cannot end podman's service")?;
            service.wait().context("cannot wait for podman's service")?;
        }
        Ok(())
    }

    /// Starts its service again.
    pub fn serve(&mut self) -> Result<()> {
        let _ = fs::remove_file(self.socket());
        let dying = places::dying_with_us(&self.installed.program);
        let mut command = self.own.command(dying.get_program());
        command.args(dying.get_args());
        self.set_up(&mut command);
        let url = format!("unix://{}", self.socket().display());
        command.args(["system", "service", "--time", "0", &url]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        self.service = Some(command.spawn().context("cannot start podman's service")?);
        until("podman's service to listen", START_DEADLINE, || {
            Ok(UnixStream::connect(self.socket()).ok().map(drop))
        })
    }

    /// Makes an image of this name.
    pub fn import(&self, image: &Image, name: &str) -> Result<()> {
        let archive = self.folder.path().join("image.tar");
        image.archive(&archive)?;
        self.run(&["import", &archive.display().to_string(), name])?;
        fs::remove_file(&archive).context("cannot remove the image's archive")
    }

    /// Starts a container in the background and gives its id. The arguments are
    /// those of `podman run`.
    pub fn start_container(&self, args: &[String]) -> Result<String> {
        let mut all = self.run_arguments();
        all.push("--detach");
        all.extend(args.iter().map(String::as_str));
        self.run(&all)
    }

    /// Runs a container to its end and removes it.
    pub fn run_to_end(&self, args: &[String]) -> Result<String> {
        let mut all = self.run_arguments();
        all.push("--rm");
        all.extend(args.iter().map(String::as_str));
        self.run(&all)
    }

    fn run_arguments(&self) -> Vec<&str> {
        let mut args = vec!["run", "--network", "none", "--cgroup-parent", &self.cgroup];
        if self.runtime == Runtime::Crun {
            // Without it crun locks memory for a program of the cgroup's
            // devices, which not every root may.
            args.push("--privileged");
        }
        args
    }

    /// Runs podman to its end and gives what it printed.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.installed.program);
        self.set_up(&mut command);
        places::succeed(command.args(args).stdin(Stdio::null()))
    }

    fn set_up(&self, command: &mut Command) {
        let folder = self.folder.path();
        command
            .env("CONTAINERS_CONF", folder.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", folder.join("storage.conf"))
            .env("HOME", folder);
        if let Some(libraries) = &self.installed.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
            .args(["--cgroup-manager", "cgroupfs", "--runtime"])
            .arg(self.runtime.program())
            .arg("--tmpdir")
            .arg(folder.join("tmp"))
            .arg("--network-config-dir")
            .arg(folder.join("networks"));
    }

    /// No limits: on a hybrid node the v2 hierarchy has no controllers, and not
    /// every root may raise its own.
    fn configuration(&self) -> String {
        let programs = Runtime::ALL.map(|runtime| {
            let name = runtime.program();
            let path = crate::find_program(name).unwrap_or_else(|| name.into());
            format!("{name} = [{:?}]\n", path.display().to_string())
        });
        format!(
            "[engine]\nevents_logger = \"none\"\nconmon_path = [{:?}]\nlock_type = \"file\"\n\
             [engine.runtimes]\n{}\
             [containers]\ndefault_sysctls = []\npids_limit = 0\nlog_driver = \"none\"\n\
             default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n",
            self.installed.conmon.display().to_string(),
            programs.concat(),
        )
    }

    fn storage(&self) -> String {
        let folder = |name| self.folder.path().join(name).display().to_string();
        format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = {:?}\n",
            folder("storage"),
            folder("run"),
        )
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for args in [
            &["rm", "--all", "--force", "--time", "0"][..],
            &["pod", "rm", "--all", "--force"],
        ] {
            if let Err(error) = self.run(args) {
                eprintln!("cannot remove what podman made: {error:#}");
            }
        }
        let _ = self.stop_serving();
        cgroup::remove(Path::new(&format!("{}{}", node::CGROUP_ROOT, self.cgroup)));
        places::unmount_below(self.folder.path());
        if !self.had_cache {
            let _ = fs::remove_dir_all(CACHE);
            // Only if there is nothing else in it.
            let _ = fs::remove_dir(Path::new(CACHE).parent().unwrap_or(Path::new("")));
        }
    }
}
