//! What ran before the agent started: the live processes of the node.

use super::namespace::CgroupNamespace;
use crate::model::{Args, CgroupId, Untrusted};
use crate::process;
use procfs::process::Process;
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// How much of a file of `/proc/<pid>` is read, in bytes: more than a cgroup
/// path of the kernel's bound (4096) with the v1 hierarchies before it.
const PROC_FILE_MAX: u64 = 256 * 1024;

/// A process as `/proc` shows it. What layer its executable came from is not
/// known: it began before anybody looked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveProcess {
    /// Its id in the agent's pid namespace: the host's.
    pub pid: u32,
    /// Its cgroup, which may be below a container's.
    pub cgroup: CgroupId,
    /// Its executable's path from the root of its own mount namespace.
    pub exe: Untrusted,
    /// Whether that file has no name any more: deleted, replaced, or a memfd.
    pub exe_deleted: bool,
    /// When it began, in nanoseconds since boot, rounded down to a clock tick
    /// (10 ms).
    pub start_ns: u64,
    /// Its real user id.
    pub uid: u32,
    /// Its arguments, as far as it has not overwritten them.
    pub args: Args,
}

/// Every process that runs now in one of `cgroups`, which are those that
/// [`Hierarchy::scan`](super::Hierarchy::scan) found, as they are named in this
/// process's `namespace`.
///
/// Kernel threads and zombies have no executable and are left out, as is what
/// ends while it is looked at. So is a process in a cgroup younger than the
/// scan: the kernel side has seen its exec.
///
/// Fails only if `/proc` itself cannot be listed.
pub fn live_processes(
    cgroups: &[(CgroupId, Vec<u8>)],
    namespace: &CgroupNamespace,
) -> io::Result<Vec<LiveProcess>> {
    let by_name: HashMap<Vec<u8>, CgroupId> = cgroups
        .iter()
        .map(|(id, path)| (namespace.name_of(path), *id))
        .collect();
    let processes = procfs::process::all_processes()
        .map_err(|error| io::Error::other(format!("cannot list /proc: {error}")))?;
    Ok(processes
        .filter_map(Result::ok)
        .filter_map(|process| read(&process, &by_name))
        .collect())
}

/// The processes in a cgroup's folder, not those below it; none if it is gone.
pub fn processes_in(cgroup: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|pid| pid.parse().ok()).collect()
}

/// The oldest process in a container's cgroup and those below it: its first
/// one, for all that can be told later.
pub fn first_process(cgroup: &Path) -> Option<u32> {
    fn of(folder: &Path, depth: usize, oldest: &mut Option<(u64, u32)>) {
        /// More than any runtime or init nests.
        const DEPTH: usize = 8;

        for pid in processes_in(folder) {
            let stat = i32::try_from(pid)
                .ok()
                .and_then(|pid| Process::new(pid).ok()?.stat().ok());
            let Some(stat) = stat else { continue };
            let found = (stat.starttime, pid);
            *oldest = Some(oldest.map_or(found, |oldest| oldest.min(found)));
        }
        for below in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if depth < DEPTH && below.file_type().is_ok_and(|kind| kind.is_dir()) {
                of(&below.path(), depth + 1, oldest);
            }
        }
    }

    let mut oldest = None;
    of(cgroup, 0, &mut oldest);
    oldest.map(|(_, pid)| pid)
}

/// Reads one process, all of it through the one open folder, so that a pid used
/// again meanwhile cannot mix two processes.
fn read(process: &Process, by_name: &HashMap<Vec<u8>, CgroupId>) -> Option<LiveProcess> {
    let cgroups = read_file(process, "cgroup")?;
    let cgroup = *by_name.get(v2_path(&cgroups)?)?;
    let exe = process.exe().ok()?.into_os_string().into_vec();
    let exe_deleted = process
        .open_relative_flags("exe", OFlags::PATH | OFlags::CLOEXEC)
        .and_then(|file| Ok(file.metadata()?.nlink() == 0))
        .ok()?;
    Some(LiveProcess {
        pid: u32::try_from(process.pid()).ok()?,
        cgroup,
        exe: Untrusted::new(without_mark(exe, exe_deleted)),
        exe_deleted,
        start_ns: ticks_to_ns(process.stat().ok()?.starttime),
        uid: real_uid(&read_file(process, "status")?)?,
        args: args(&read_file(process, "cmdline")?),
    })
}

/// `/proc/<pid>/cmdline`: each argument with a NUL behind it.
fn args(cmdline: &[u8]) -> Args {
    let whole = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    Args {
        list: whole.split(|byte| *byte == 0).map(Untrusted::new).collect(),
        ..Args::default()
    }
}

fn read_file(process: &Process, name: &str) -> Option<Vec<u8>> {
    let file = process.open_relative(name).ok()?;
    let mut bytes = Vec::new();
    file.take(PROC_FILE_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The v2 line of `/proc/<pid>/cgroup`. As bytes: whoever may make cgroups may
/// give them names that are no UTF-8 (but never a newline).
pub(super) fn v2_path(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))
}

/// The first number after `Uid:` in `/proc/<pid>/status`; the effective and the
/// saved one follow. Taken from the bytes, because the process's name in the
/// first line may be anything.
fn real_uid(status: &[u8]) -> Option<u32> {
    let line = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line)
        .ok()?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Takes off what the kernel adds to the name of a file that has none any more.
/// A file may really be called so: the mark counts only with the link count.
fn without_mark(mut exe: Vec<u8>, deleted: bool) -> Vec<u8> {
    const MARK: &[u8] = b" (deleted)";
    if deleted && exe.ends_with(MARK) {
        exe.truncate(exe.len() - MARK.len());
    }
    exe
}

fn ticks_to_ns(ticks: u64) -> u64 {
    ticks.saturating_mul(process::tick_ns())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    /// Reads `pid` as if its cgroup had been scanned.
    fn live(pid: u32) -> Option<LiveProcess> {
        let process = Process::new(i32::try_from(pid).unwrap()).ok()?;
        let cgroups = read_file(&process, "cgroup")?;
        let path = v2_path(&cgroups)?;
        read(&process, &[(path.to_vec(), CgroupId(7))].into())
    }

    #[test]
    fn reads_the_process_that_asks() {
        let own = live(std::process::id()).unwrap();

        let exe = std::env::current_exe().unwrap().into_os_string().into_vec();
        assert_eq!(own.exe.as_bytes(), exe);
        assert!(!own.exe_deleted);
        assert_eq!(own.cgroup, CgroupId(7));
        assert_eq!(own.uid, rustix::process::getuid().as_raw());
        assert!(own.start_ns > 0);
    }

    #[test]
    fn an_executable_that_was_deleted_is_marked_and_keeps_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("sleeper");
        fs::copy("/bin/sleep", &exe).unwrap();
        let mut child = Command::new(&exe).arg("60").spawn().unwrap();

        fs::remove_file(&exe).unwrap();
        let found = live(child.id());
        child.kill().unwrap();
        child.wait().unwrap();

        let found = found.unwrap();
        assert!(found.exe_deleted);
        assert_eq!(found.exe.as_bytes(), exe.into_os_string().into_vec());
    }

    #[test]
    fn zombies_and_other_cgroups_are_left_out() {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        rustix::process::waitid(
            rustix::process::WaitId::Pid(rustix::process::Pid::from_raw(pid).unwrap()),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();

        assert_eq!(live(child.id()), None);
        child.wait().unwrap();

        assert_eq!(
            live_processes(&[], &CgroupNamespace::default()).unwrap(),
            []
        );
    }

    #[test]
    fn the_v2_line_is_found_among_the_others() {
        for (text, path) in [
            (&b"0::/a b\n"[..], Some(&b"/a b"[..])),
            (b"9:name=systemd:/x\n10::/y\n0::/a/\xff\n", Some(b"/a/\xff")),
            (b"9:name=systemd:/0::/x\n", None),
            (b"", None),
        ] {
            assert_eq!(v2_path(text), path);
        }
    }

    #[test]
    fn the_real_uid_is_the_first() {
        for (text, uid) in [
            (
                &b"Name:\t\xff\nUid:\t1000\t0\t0\t0\nGid:\t1\n"[..],
                Some(1000),
            ),
            (b"Name:\tx\n", None),
            (b"Uid:\n", None),
            (b"Uid:\tx\n", None),
        ] {
            assert_eq!(real_uid(text), uid);
        }
    }

    #[test]
    fn the_mark_of_deleted_files_is_taken_off_only_where_it_is_one() {
        for (exe, deleted, expected) in [
            ("/a (deleted)", true, "/a"),
            ("/a (deleted)", false, "/a (deleted)"),
            ("/memfd:x (deleted)", true, "/memfd:x"),
            ("/a", true, "/a"),
        ] {
            let found = without_mark(exe.as_bytes().to_vec(), deleted);
            assert_eq!(found, expected.as_bytes());
        }
    }
}
