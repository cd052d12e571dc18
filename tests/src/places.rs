//! Where things are on this machine.

use crate::cgroup;
use crate::node;
use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Cargo's target folder, found from the running program: right also where
/// CARGO_TARGET_DIR moved it.
pub fn target_folder() -> Result<PathBuf> {
    let me = env::current_exe().context("cannot find this program's own file")?;
    me.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map(Path::to_owned)
        .with_context(|| format!("{} is not in a target folder of cargo's", me.display()))
}

/// The first file of this name in a folder of PATH, or in the two folders of
/// system programs that a user's PATH often lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// A busybox that runs in a container without any library: the system's, or
/// the one that `cargo xtask setup` unpacked.
pub fn find_busybox() -> Option<PathBuf> {
    find_program("busybox")
        .into_iter()
        .chain(find_unpacked("busybox"))
        .find(|candidate| is_static(candidate))
}

/// A program of a package that `cargo xtask setup` unpacked.
pub fn find_unpacked(name: &str) -> Option<PathBuf> {
    let setup = target_folder().ok()?.join("setup");
    ["bin", "usr/bin", "usr/sbin"]
        .map(|folder| setup.join(folder).join(name))
        .into_iter()
        .find(|candidate| candidate.is_file())
}

/// A BPF file system of a test's own: what is pinned in it goes when this is dropped.
#[derive(Debug)]
pub struct BpfFs(PathBuf);

impl BpfFs {
    /// Mounts one at a folder that is there.
    pub fn mount(at: &Path) -> Result<Self> {
        mount("bpf", at, "bpf", MountFlags::empty(), None)
            .with_context(|| format!("cannot mount a BPF file system at {}", at.display()))?;
        Ok(Self(at.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// A folder for temporary files, gone when dropped. Its name tells whose it is.
pub(crate) fn folder(what: &str) -> Result<TempDir> {
    let prefix = format!("{}-{what}-", cgroup::unique_name());
    TempDir::with_prefix(prefix)
        .with_context(|| format!("cannot make a folder in {}", env::temp_dir().display()))
}

/// Removes the folders of killed runs. Their mounts went with their namespace.
pub(crate) fn sweep() {
    for entry in fs::read_dir(env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        if cgroup::is_left_over(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A command that the kernel kills when the thread that started it ends, however
/// it ends: `setpriv` of util-linux.
pub(crate) fn dying_with_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn succeed(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{:?} failed ({}): {}",
            command.get_args().collect::<Vec<_>>(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Takes away what is mounted in a folder.
pub(crate) fn unmount_below(folder: &Path) {
    let mounted = node::mounts_below(folder).unwrap_or_default();
    for mounted in mounted.into_iter().rev() {
        let _ = unmount(&mounted, UnmountFlags::DETACH);
    }
}

/// Whether an ELF file asks for no interpreter. Program headers are at the
/// file's start in everything a linker writes: 64-byte header, then 56 each.
fn is_static(file: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let Ok(bytes) = fs::read(file) else {
        return false;
    };
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let count = bytes
        .get(56..58)
        .map_or(0, |two| u16::from_le_bytes([two[0], two[1]]));
    (0..usize::from(count)).all(|n| {
        bytes
            .get(64 + 56 * n..)
            .and_then(|header| header.first_chunk::<4>())
            .is_some_and(|kind| u32::from_le_bytes(*kind) != PT_INTERP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_folder_this_test_was_built_in() {
        let target = target_folder().unwrap();

        assert!(env::current_exe().unwrap().starts_with(target));
    }

    #[test]
    fn tells_a_program_that_needs_a_loader() {
        assert!(!is_static(&env::current_exe().unwrap()));
        assert!(!is_static(Path::new("/etc/passwd")));
    }
}
