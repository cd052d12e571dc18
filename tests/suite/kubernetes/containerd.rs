//! Debian's containerd, at its usual place.

use super::driver::Driver;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use testbed::{Image, find_program, patience, until};

/// Where runtimes are asked by default.
pub const SOCKET: &str = "/run/containerd/containerd.sock";
/// The image of a pod's own container.
pub const PAUSE: &str = "localhost/pause:1";
const CONFIG: &str = "config.toml";

/// A running containerd; killed when dropped, its containers not.
pub struct Containerd {
    process: Child,
    folder: TempDir,
}

impl Containerd {
    /// Starts it and waits until it answers.
    pub fn start(driver: Driver) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join(CONFIG), config(driver))
            .context("cannot write containerd's configuration")?;
        let process = launch(folder.path())?;
        let containerd = Self { process, folder };
        containerd.wait_until_it_answers()?;
        Ok(containerd)
    }

    /// Kills it. The containers live on, as they do under a node's.
    pub fn go_away(&mut self) -> Result<()> {
        self.process.kill().context("cannot end containerd")?;
        self.process.wait().context("cannot wait for containerd")?;
        Ok(())
    }

    /// Starts it again after [`Containerd::go_away`].
    pub fn come_back(&mut self) -> Result<()> {
        self.process = launch(self.folder.path())?;
        self.wait_until_it_answers()
    }

    /// Takes in an image under this name, unless it has one. What a test before
    /// has brought in is the same.
    pub fn import(&self, image: &Image, name: &str) -> Result<()> {
        let known = ctr(&["images", "list", "--quiet"])?;
        let known = String::from_utf8_lossy(&known.stdout).into_owned();
        if known.lines().any(|known| known == name) {
            return Ok(());
        }
        let archive = self.folder.path().join("image.tar");
        pack(image, name, &archive)?;
        let output = ctr(&["images", "import", &archive.display().to_string()])?;
        ensure!(
            output.status.success(),
            "ctr cannot import {name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn wait_until_it_answers(&self) -> Result<()> {
        let deadline = Duration::from_secs(60) * patience();
        until("containerd to answer", deadline, || {
            Ok(ctr(&["version"])?.status.success().then_some(()))
        })
        .with_context(|| format!("its last words:\n{}", self.last_words()))
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        const LINES: usize = 60;
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.go_away();
    }
}

fn config(driver: Driver) -> String {
    let systemd = driver == Driver::Systemd;
    format!(
        r#"
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = {systemd}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
      BinaryName = "crun"
      SystemdCgroup = {systemd}
"#
    )
}

fn launch(folder: &Path) -> Result<Child> {
    let program = find_program("containerd").context("containerd is not installed")?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    Command::new(program)
        .arg("--config")
        .arg(folder.join(CONFIG))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start containerd")
}

fn ctr(args: &[&str]) -> Result<std::process::Output> {
    let program = find_program("ctr").context("ctr is not installed")?;
    Command::new(program)
        .args(["--namespace", "k8s.io"])
        .args(args)
        .output()
        .context("cannot start ctr")
}

/// An archive as `docker save` makes it, of one layer.
fn pack(image: &Image, name: &str, archive: &Path) -> Result<()> {
    const LAYER: &str = "layer.tar";
    let saved = Image::of_folders(&[])?;
    let layer = saved.inside(LAYER);
    image.archive(&layer)?;
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            // What a pod's own container does.
            "Cmd": ["sleep", "2147483"],
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", super::sha256(&layer)?)] },
    });
    let manifest = serde_json::json!([{
        "Config": "config.json", "RepoTags": [name], "Layers": [LAYER],
    }]);
    saved.text("config.json", &config.to_string())?;
    saved.text("manifest.json", &manifest.to_string())?;
    saved.archive(archive)
}
