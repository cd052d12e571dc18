//! A pinned program, opened and pinned again. The library for that looks up the types
//! that the program is attached by, which takes CAP_SYS_ADMIN.

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// `BPF_OBJ_PIN` and `BPF_OBJ_GET` of linux/bpf.h.
const PIN: libc::c_long = 6;
const GET: libc::c_long = 7;

/// The part of `union bpf_attr` that both take.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// A program at the event, held open.
pub(super) struct PinnedProgram(OwnedFd);

impl PinnedProgram {
    /// Opens one.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let fd = call(GET, path, 0)?;
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Pins it where nothing is.
    pub(super) fn pin(&self, path: &Path) -> io::Result<()> {
        let fd = u32::try_from(self.fd()).map_err(io::Error::other)?;
        call(PIN, path, fd).map(drop)
    }

    /// Its descriptor.
    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn call(command: libc::c_long, path: &Path, bpf_fd: u32) -> io::Result<libc::c_long> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = Attributes {
        pathname: path.as_ptr() as u64,
        bpf_fd,
        ..Attributes::default()
    };
    // SAFETY: the attributes have the size that is told, and they and the path that
    // they point to live until the call returns. It writes to neither.
    let told = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    match told {
        -1 => Err(io::Error::last_os_error()),
        told => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_no_program_is_an_error() {
        for path in ["/sys/fs/bpf/none", "/proc/self/stat", "a\0b"] {
            assert!(PinnedProgram::open(Path::new(path)).is_err(), "{path}");
        }
    }
}
