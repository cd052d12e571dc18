//! A real journald of one's own: with a /run of its own, in a mount namespace that
//! ends with it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = "/lib/systemd/systemd-journald";
/// What every wait ends after.
const DEADLINE: Duration = Duration::from_secs(20);

/// It has nothing of this machine's: no kernel log, no audit, no disk.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToWall=no\nRateLimitBurst=0\n' \
    > /run/systemd/journald.conf.d/own.conf
mount --bind /dev/null /dev/kmsg
echo 0123456789abcdef0123456789abcdef > /run/machine-id
mount --bind /run/machine-id /etc/machine-id
exec "$1"
"#;

/// A running journald; it ends when this is dropped.
pub struct Journald {
    child: Child,
    folder: TempDir,
}

impl Journald {
    /// Starts it and waits until it listens; `None` where that cannot be.
    pub fn start() -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root || !Path::new(PROGRAM).exists() || !Path::new("/etc/machine-id").exists() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let errors = fs::File::create(folder.path().join("stderr")).expect("a file");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount"])
            .args(["sh", "-c", SCRIPT, "sh", PROGRAM])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("util-linux has setpriv and unshare");
        let mut server = Self { child, folder };
        server.wait_until_it_listens();
        Some(server)
    }

    /// Where it takes entries.
    pub fn socket(&self) -> PathBuf {
        self.path("run/systemd/journal/socket")
    }

    /// A file as it sees it.
    fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join("root")
            .join(path)
    }

    fn wait_until_it_listens(&mut self) {
        let end = Instant::now() + DEADLINE;
        // This machine's own may have one too, until it has its own /run.
        while !(self.path("run/machine-id").exists() && self.socket().exists()) {
            let ended = self.child.try_wait().expect("journald is our child");
            assert!(ended.is_none(), "journald ended: {}", self.errors());
            assert!(
                Instant::now() < end,
                "it does not listen: {}",
                self.errors()
            );
            sleep(Duration::from_millis(10));
        }
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// What it has of that, oldest first, when there are so many.
    pub fn entries(&self, of: &str, count: usize) -> Vec<Value> {
        let end = Instant::now() + DEADLINE;
        loop {
            let output = Command::new("journalctl")
                .args(["--output=json", "--all", "--quiet", of, "--directory"])
                .arg(self.path("run/log/journal"))
                .output()
                .expect("journalctl comes with journald");
            let text = String::from_utf8(output.stdout).expect("is UTF-8");
            let entries = text.lines().map(serde_json::from_str);
            let entries: Vec<Value> = entries.map(|entry| entry.expect("is JSON")).collect();
            if entries.len() >= count {
                assert_eq!(entries.len(), count, "each record is one entry");
                return entries;
            }
            assert!(
                Instant::now() < end,
                "{} of {count} entries: {}",
                entries.len(),
                self.errors()
            );
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to end then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
