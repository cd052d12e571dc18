//! Cgroups of the tests' own.

use crate::node::CGROUP_ROOT;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

/// The first part of every name given here; the process id follows.
const PREFIX: &str = "execwarden-test-";

/// A cgroup v2 directory; gone, with everything below it, when dropped. Its
/// processes must have ended by then.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// A new one at the hierarchy's root.
    pub fn new() -> Result<Self> {
        Self::at(Path::new(CGROUP_ROOT).join(unique_name()))
    }

    /// A new one below this one.
    pub fn child(&self, name: &str) -> Result<Self> {
        Self::at(self.path.join(name))
    }

    /// A new one at a path of the hierarchy, such as `/kubepods/pod…/…`;
    /// folders above it that had to be made go with it.
    pub fn named(path: &str) -> Result<Self> {
        Self::at(in_hierarchy(path))
    }

    fn at(path: PathBuf) -> Result<Self> {
        note_missing_above(&path);
        fs::create_dir_all(&path)
            .with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        Ok(Self { path })
    }

    /// The kernel's id: the inode number.
    pub fn id(&self) -> Result<u64> {
        id_of(&self.path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs `program` in this cgroup. The shell that joins it
    /// is executed outside: the first exec inside is the program's own.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.path.join("cgroup.procs"))
            .arg(program);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Where kubelet, with systemd, and the runtime have the cgroup of a pod's
/// container; runtimes name it after themselves, such as `cri-containerd`.
pub fn of_pod(uid: &str, runtime: &str, id: &str) -> String {
    let uid = uid.replace('-', "_");
    format!("/kubepods.slice/kubepods-pod{uid}.slice/{runtime}-{id}.scope")
}

/// The directory of a path in the hierarchy.
pub(crate) fn in_hierarchy(path: &str) -> PathBuf {
    Path::new(CGROUP_ROOT).join(path.trim_start_matches('/'))
}

pub(crate) fn id_of(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)
        .with_context(|| format!("cannot look at the cgroup {}", path.display()))?
        .ino())
}

/// Folders above a test's cgroups that this process had to make. Several
/// cgroups may share one: the last to go takes it along.
static MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

pub(crate) fn note_missing_above(path: &Path) {
    let mut made = MADE.lock().expect("nothing panics while it holds this");
    for above in path.ancestors().skip(1).take_while(|above| !above.exists()) {
        made.insert(above.to_owned());
    }
}

/// Removes a cgroup, what is below it, and what was made above it.
pub(crate) fn remove(path: &Path) {
    remove_below(path);
    let made = MADE.lock().expect("nothing panics while it holds this");
    for above in path
        .ancestors()
        .skip(1)
        .filter(|above| made.contains(*above))
    {
        // Another test's cgroup may still be in there.
        let _ = fs::remove_dir(above);
    }
}

fn remove_below(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
        }
    }
    // A process that was just killed keeps its cgroup busy until it has gone.
    let begun = Instant::now();
    while path.exists() && fs::remove_dir(path).is_err() {
        if begun.elapsed() >= crate::container::PATIENCE {
            eprintln!("the cgroup {} is still in use and stays", path.display());
            return;
        }
        thread::yield_now();
    }
}

/// Kills every process of a cgroup: one by one where the kernel cannot do it at
/// once (before 5.14).
pub fn kill(path: &Path) {
    if fs::write(path.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let pids = processes.lines().filter_map(|line| line.parse().ok());
    for pid in pids.filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// A name that no other test has, and that tells whose it is.
pub fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}", process::id())
}

/// Whether a name was given by this process.
pub fn is_ours(name: &str) -> bool {
    name.starts_with(&format!("{PREFIX}{}-", process::id()))
}

/// Whether a name was given by a process that lives no more.
pub(crate) fn is_left_over(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next())
        .is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Removes what killed runs left.
pub(crate) fn sweep() {
    for entry in fs::read_dir(CGROUP_ROOT).into_iter().flatten().flatten() {
        if is_left_over(&entry.file_name().to_string_lossy()) {
            kill(&entry.path());
            remove_below(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_dead_processes_are_left_over() {
        let own = unique_name();

        assert!(!is_left_over(&own));
        assert!(is_left_over("execwarden-test-4294967295-1"));
        assert!(!is_left_over("system.slice"));
    }

    #[test]
    fn names_are_unique() {
        assert_ne!(unique_name(), unique_name());
    }
}
