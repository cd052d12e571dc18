//! A node for containers to run on.
//!
//! runc wants a cgroup v2 hierarchy at /sys/fs/cgroup; on a hybrid node it is
//! elsewhere. And what a test mounts must be gone when the test is, however it
//! ended. Both come from a mount namespace of the process's own.

use crate::container::Runtime;
use anyhow::{Context, Result, bail};
use procfs::KernelVersion;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Where the cgroup v2 hierarchy is once [`enter`] has returned.
pub const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Set for the second life of this program, in its own mount namespace.
const MARK: &str = "EXECWARDEN_TEST_NODE";

/// Runs this program anew in a mount namespace of its own, where the cgroup v2
/// hierarchy is at [`CGROUP_ROOT`], and tracefs and a BPF file system are at their own
/// places; in there, it sweeps away what a killed run left and returns. Call it first thing in `main`: the program starts over,
/// and this call ends the first life with the status of the second.
///
/// Needs root and util-linux's `unshare`. Mounts made in there end with the
/// program; the hierarchy of cgroups and the processes are the machine's.
///
/// A terminal's Ctrl-C ends the first life only. The second then finds that it
/// is [`ending`], and has the time to take down what it has put up.
pub fn enter() -> Result<()> {
    if !is_inside() {
        process::exit(start_over()?);
    }
    thread::spawn(|| {
        // The first life holds the other end and writes nothing.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        ENDING.store(true, Ordering::Relaxed);
    });
    provide_cgroup_v2()?;
    provide_tracefs()?;
    provide_bpffs()?;
    crate::container::sweep();
    crate::cgroup::sweep();
    crate::places::sweep();
    Ok(())
}

/// Whether this kernel asks the agent before an exec: BPF LSM is active, and the kernel
/// new enough.
pub fn asks_before_execs() -> bool {
    let active = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let is_active = active.trim().split(',').any(|module| module == "bpf");
    let is_old = |version| version < KernelVersion::new(5, 15, 0);
    is_active && !KernelVersion::current().is_ok_and(is_old)
}

/// Whether this is the second life that [`enter`] gave.
pub fn is_inside() -> bool {
    env::var_os(MARK).is_some()
}

/// What this process has put up and not taken down: containers, cgroups,
/// mounts and folders by its names. Empty once everything was dropped.
pub fn left_behind() -> Result<Vec<String>> {
    let mut left = Vec::new();
    let temporary = env::temp_dir();
    let folders = Runtime::ALL
        .map(Runtime::state_folder)
        .into_iter()
        .chain([Path::new(CGROUP_ROOT), &temporary]);
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if crate::cgroup::is_ours(&entry.file_name().to_string_lossy()) {
                left.push(entry.path().display().to_string());
            }
        }
    }
    let mounts = mounts_below("/")?.into_iter();
    left.extend(
        mounts
            .filter(|point| {
                point
                    .iter()
                    .any(|name| crate::cgroup::is_ours(&name.to_string_lossy()))
            })
            .map(|point| format!("a mount at {}", point.display())),
    );
    Ok(left)
}

/// Whether nobody waits for this program any more. [`crate::until`] and
/// everything that starts something fail from then on.
pub fn ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

static ENDING: AtomicBool = AtomicBool::new(false);

/// Why real containers cannot run here, or `None`. The reason reads after
/// "skipped: ".
pub fn lacks() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    // overlayfs may be a module that the first mount loads; cgroup v2 never is.
    let supported = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !supported.contains("cgroup2") {
        return Some("this kernel has no cgroup v2".to_owned());
    }
    ["runc", "crun", "unshare"]
        .into_iter()
        .find(|program| crate::find_program(program).is_none())
        .map(|program| format!("{program} is not installed; run cargo xtask setup"))
        .or_else(|| {
            crate::find_busybox()
                .is_none()
                .then(|| "no static busybox is installed; run cargo xtask setup".to_owned())
        })
}

fn start_over() -> Result<i32> {
    let me = env::current_exe().context("cannot find this program's own file")?;
    let mut second_life = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(me)
        .args(env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start `unshare`, of util-linux")?;
    // `wait` would close it.
    let _held_open = second_life.stdin.take();
    let status = second_life.wait().context("cannot wait for `unshare`")?;
    Ok(status.code().unwrap_or(1))
}

fn provide_cgroup_v2() -> Result<()> {
    if is_cgroup_v2(CGROUP_ROOT)? {
        return Ok(());
    }
    for mounted in mounts_below(CGROUP_ROOT)?.into_iter().rev() {
        unmount(&mounted, UnmountFlags::DETACH)
            .with_context(|| format!("cannot unmount {}", mounted.display()))?;
    }
    mount("cgroup2", CGROUP_ROOT, "cgroup2", MountFlags::empty(), None)
        .with_context(|| format!("cannot mount the cgroup v2 hierarchy at {CGROUP_ROOT}"))?;
    if !is_cgroup_v2(CGROUP_ROOT)? {
        bail!("{CGROUP_ROOT} is still not a cgroup v2 hierarchy");
    }
    Ok(())
}

/// Where programs find the numbers of perf's tracepoints; as systemd mounts it.
fn provide_tracefs() -> Result<()> {
    const TRACEFS: &str = "/sys/kernel/tracing";

    if fs::read_dir(TRACEFS).is_ok_and(|mut entries| entries.next().is_some()) {
        return Ok(());
    }
    mount("tracefs", TRACEFS, "tracefs", MountFlags::empty(), None)
        .with_context(|| format!("cannot mount tracefs at {TRACEFS}"))
}

/// As systemd mounts it. No agent of a test's pins anything there.
fn provide_bpffs() -> Result<()> {
    const BPFFS: &str = "/sys/fs/bpf";

    mount("bpf", BPFFS, "bpf", MountFlags::empty(), None)
        .with_context(|| format!("cannot mount a BPF file system at {BPFFS}"))
}

fn is_cgroup_v2(path: &str) -> Result<bool> {
    /// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
    const MAGIC: i64 = 0x6367_7270;
    let stat = rustix::fs::statfs(path).with_context(|| format!("cannot look at {path}"))?;
    Ok(stat.f_type == MAGIC)
}

/// In the order they were mounted.
pub(crate) fn mounts_below(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(path.as_ref()))
        .collect())
}
