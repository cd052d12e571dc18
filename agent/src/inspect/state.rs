//! Whether an open file is the one that the kernel ran, in the same state.
//!
//! The kernel names a file by its inode's own fields. What `stat` says is up
//! to the file system, and three say something else:
//!
//! - overlayfs gives the device and number of the file below, and its own
//!   device only sometimes;
//! - btrfs and bcachefs give a device for each subvolume.
//!
//! There the device is that of the mount, from `mountinfo`, and the inode's
//! number is the one in `fdinfo`, which is always the inode's own (kernels
//! before 5.14 do not show it: on overlayfs the number is not compared there).
//! Size and change time are the same everywhere; overlayfs brings its own
//! inode's up to date when the file is read, and an exec reads it.
//!
//! The generation is not to be had for a file in general, and is not needed
//! where [`settled`] holds: a number that was used again since the exec has a
//! later change time.

use crate::model::FileState;
use procfs::process::Process;
use rustix::fs::{FileType, Stat};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::Duration;

/// How much of a container's `mountinfo` is read, in bytes: some ten thousand
/// mounts.
const MOUNTINFO_MAX: u64 = 4 * 1024 * 1024;

/// What an open file is to the one that ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Likeness {
    /// The same file in the same state.
    Same,
    /// The same file of the same size, but something about it was changed: a
    /// name, a right, its owner, or what is in it.
    Changed,
    /// Another file.
    Other,
}

/// Compares the file, which was opened through `process`, with what the kernel
/// ran.
pub fn compare(file: BorrowedFd<'_>, process: &Process, ran: &FileState) -> io::Result<Likeness> {
    let stat = rustix::fs::fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Likeness::Other);
    }
    let (dev, ino) = inode(file, process, &stat)?;
    let is_it = dev == Some(ran.dev) && ino.is_none_or(|ino| ino == ran.ino);
    Ok(if is_it && is_unchanged(&stat, ran) {
        Likeness::Same
    } else if is_it && stat.st_size.cast_unsigned() == ran.size {
        Likeness::Changed
    } else {
        Likeness::Other
    })
}

/// Whether a file that was the same is so still.
pub fn still_same(file: &File, ran: &FileState) -> io::Result<bool> {
    Ok(is_unchanged(&rustix::fs::fstat(file.as_fd())?, ran))
}

fn is_unchanged(stat: &Stat, ran: &FileState) -> bool {
    let seconds = stat.st_ctime.cast_unsigned();
    let ctime = seconds << 30 | u64::from(stat.st_ctime_nsec as u32);
    (ctime, stat.st_size.cast_unsigned()) == (ran.ctime, ran.size)
}

/// The inode's device and number, as the kernel has them; `None` where they
/// cannot be told.
fn inode(
    file: BorrowedFd<'_>,
    process: &Process,
    stat: &Stat,
) -> io::Result<(Option<u32>, Option<u64>)> {
    const OVERLAYFS: u64 = 0x794c_7630;
    const BTRFS: u64 = 0x9123_683e;
    const BCACHEFS: u64 = 0xca45_1a4e;
    let device = |major: u32, minor: u32| major << 20 | minor;
    let magic = rustix::fs::fstatfs(file)?.f_type.cast_unsigned();
    if !matches!(magic, OVERLAYFS | BTRFS | BCACHEFS) {
        let (major, minor) = (
            rustix::fs::major(stat.st_dev),
            rustix::fs::minor(stat.st_dev),
        );
        return Ok((Some(device(major, minor)), Some(stat.st_ino)));
    }
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let number = |name: &str| -> Option<u64> {
        let line = info.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    let ino = number("ino:").or((magic != OVERLAYFS).then_some(stat.st_ino));
    let dev = match number("mnt_id:") {
        Some(mount) => device_of_mount(process, mount)?,
        None => None,
    };
    Ok((dev.map(|(major, minor)| device(major, minor)), ino))
}

/// Major and minor number of the file system in a mount that the process has.
fn device_of_mount(process: &Process, mount: u64) -> io::Result<Option<(u32, u32)>> {
    let mounts = process.open_relative("mountinfo").map_err(no_process)?;
    for line in BufReader::new(mounts.take(MOUNTINFO_MAX)).split(b'\n') {
        let line = line?;
        // "36 35 98:0 /root /mount …": names with blanks come later, escaped.
        let mut words = line.split(|byte| *byte == b' ').map(std::str::from_utf8);
        if words.next() != Some(Ok(mount.to_string().as_str())) {
            continue;
        }
        return Ok(words.nth(1).and_then(Result::ok).and_then(|device| {
            let (major, minor) = device.split_once(':')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        }));
    }
    Ok(None)
}

/// What procfs says, as an I/O error.
pub fn no_process(error: procfs::ProcError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Whether at time `at` no more change could leave this change time: then
/// whoever ran the file in this state before ran what it contains.
///
/// Change times are taken from a clock that stands still between its ticks
/// (10 ms at most), and some file systems keep whole seconds, or every second
/// one. `at` is nanoseconds of the wall clock.
pub fn settled(ctime: u64, at: u64) -> bool {
    let (ctime, granule) = clock(ctime);
    at.abs_diff(ctime) > granule
}

/// How long after `at` it is [`settled`].
pub fn settles_in(ctime: u64, at: u64) -> Duration {
    if settled(ctime, at) {
        return Duration::ZERO;
    }
    let (ctime, granule) = clock(ctime);
    Duration::from_nanos((ctime + granule + 1).saturating_sub(at))
}

/// A change time in nanoseconds of the wall clock, and the granule it was
/// rounded down to, at most.
fn clock(ctime: u64) -> (u64, u64) {
    let nanoseconds = ctime & ((1 << 30) - 1);
    let granule = match nanoseconds {
        0 => Duration::from_secs(2),
        _ => Duration::from_millis(10),
    };
    let time = (ctime >> 30)
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds);
    (time, granule.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_tick_after_its_last_change_a_file_is_settled() {
        let ctime = 100 << 30 | 500;
        let changed = 100 * SECOND + 500;

        assert!(!settled(ctime, changed));
        assert!(!settled(ctime, changed + 10_000_000));
        assert!(settled(ctime, changed + 10_000_001));
        assert_eq!(settles_in(ctime, changed), Duration::from_nanos(10_000_001));
        assert_eq!(settles_in(ctime, changed + SECOND), Duration::ZERO);
    }

    #[test]
    fn whole_seconds_are_taken_for_a_coarse_file_system() {
        let ctime = 100 << 30;

        assert!(!settled(ctime, 101 * SECOND));
        assert!(settled(ctime, 102 * SECOND + 1));
    }

    #[test]
    fn a_time_far_ahead_comes_from_a_clock_that_was_set() {
        assert!(settled(100 << 30 | 5, 3 * SECOND));
    }
}
