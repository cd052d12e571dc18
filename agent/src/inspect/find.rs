//! The very file that ran, opened.
//!
//! A path is only a way to try: what it leads to counts if it is, by device,
//! inode and the state of both, what the kernel ran. That is not the mistake of
//! opening a path again and taking what is there now: whatever is there now in
//! the same state is the same file with the same content.

use super::Wanted;
use super::state::{self, Likeness};
use procfs::process::Process;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::LazyCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

/// How many of the container's other processes are tried.
const PEERS_MAX: usize = 16;

/// The container's other processes, asked for when first needed.
pub type Peers = LazyCell<Vec<u32>, Box<dyn FnOnce() -> Vec<u32> + Send>>;

/// A file to be read.
#[derive(Debug)]
pub struct Found {
    /// Open for reading, and a regular file.
    pub file: File,
    /// Whether it is in the state in which it ran. Else something about it was
    /// changed since, such as its name: a program that deletes itself.
    pub same: bool,
}

/// What the process is running, if it is the file that is wanted: it may have
/// executed another one meanwhile. Found even without a name; and nobody can
/// write to it as long as it runs.
pub fn running(process: &Process, wanted: &Wanted) -> Option<Found> {
    let exe = process
        .open_relative_flags("exe", OFlags::PATH | OFlags::CLOEXEC)
        .ok()?;
    match state::compare(exe.as_fd(), process, &wanted.state).ok()? {
        Likeness::Other => None,
        likeness => Some(Found {
            file: readable(exe.as_fd()).ok()?,
            same: likeness == Likeness::Same,
        }),
    }
}

/// The file by its path, through one of the processes whose root it may be
/// under.
pub fn by_path(own: Option<&Process>, peers: &Peers, wanted: &Wanted) -> Option<Found> {
    let through = |process: &Process| {
        let file = under_root(process, wanted.path.as_bytes()).ok()?;
        let likeness = state::compare(file.as_fd(), process, &wanted.state).ok()?;
        (likeness == Likeness::Same).then_some(())?;
        Some(Found {
            file: readable(file.as_fd()).ok()?,
            same: true,
        })
    };
    own.and_then(through).or_else(|| {
        peers
            .iter()
            .take(PEERS_MAX)
            .filter_map(|pid| Process::new(i32::try_from(*pid).ok()?).ok())
            .find_map(|peer| through(&peer))
    })
}

/// Opens a path below the root of a process, as a place only: nothing is read
/// and nothing that is no regular file is woken. The kernel's paths have no
/// links in them, so links are not followed, and nothing leads out of the root.
fn under_root(process: &Process, path: &[u8]) -> io::Result<OwnedFd> {
    let root = process
        .open_relative_flags("root", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)
        .map_err(state::no_process)?;
    Ok(rustix::fs::openat2(
        root,
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )?)
}

/// Opens a place for reading: the same inode, through the descriptor. A lease
/// that somebody holds on it makes this fail instead of wait.
fn readable(place: BorrowedFd<'_>) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::open(&path, flags, Mode::empty());
    // Access times are not ours to change, where that may be asked for.
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => Ok(open(flags)?.into()),
        opened => Ok(opened?.into()),
    }
}
