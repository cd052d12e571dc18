//! What a container has at its root, as it stands now.

use super::first_process;
use crate::model::Untrusted;
use procfs::process::Process;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A container's root folder, through its first process.
#[derive(Debug)]
pub struct Root(OwnedFd);

impl Root {
    /// That of one process.
    pub fn of_process(pid: u32) -> Option<Self> {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = process.open_relative_flags("root", flags).ok()?;
        Some(Self(root.into()))
    }
}

/// The root of the container in this folder of the cgroup hierarchy; `None` where
/// nothing runs in it any more.
pub fn root_of(cgroup: &Path) -> Option<Root> {
    Root::of_process(first_process(cgroup)?)
}

impl Root {
    /// Whether there is surely nothing at a path, in which the kernel had no links.
    pub fn lacks(&self, path: &Untrusted) -> bool {
        let found = self.open(path.as_bytes());
        matches!(found, Err(Errno::NOENT | Errno::NOTDIR))
    }

    /// Whether everybody may write to the folder in which the file at a path is, or
    /// nobody can tell.
    pub fn has_open_folder(&self, path: &Untrusted) -> bool {
        let path = path.as_bytes();
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let folder = path.get(..=end).ok_or(Errno::INVAL);
        let folder = folder.and_then(|folder| self.open(folder));
        let stat = folder.and_then(rustix::fs::fstat);
        stat.map_or(true, |stat| {
            Mode::from_raw_mode(stat.st_mode).contains(Mode::WOTH)
        })
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        rustix::fs::openat2(
            &self.0,
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_what_is_surely_missing_is() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("there"), "").expect("written");
        std::os::unix::fs::symlink("there", folder.path().join("link")).expect("a link");
        let root = std::fs::File::open(folder.path()).expect("a root");
        let root = Root(root.into());

        for (path, lacking) in [
            ("/there", false),
            ("/missing", true),
            ("/missing/below", true),
            ("/there/below", true),
            // Not what the kernel would call it: nobody knows.
            ("/link/x", false),
            ("/../there", false),
        ] {
            assert_eq!(root.lacks(&path.into()), lacking, "{path}");
        }
    }

    #[test]
    fn a_folder_that_nobody_can_look_at_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, mode) in [("closed", 0o755), ("open", 0o1777)] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).expect("made");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("set");
        }
        let root = std::fs::File::open(folder.path()).expect("a root");
        let root = Root(root.into());

        for (path, open) in [
            ("/closed/x", false),
            ("/open/x", true),
            ("/x", false),
            ("/missing/x", true),
            ("", true),
        ] {
            assert_eq!(root.has_open_folder(&path.into()), open, "{path}");
        }
    }
}
