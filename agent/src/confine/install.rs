//! The call that hands a filter to the kernel.

use super::filter::Filter;
use std::io;

/// Installs it for every thread, those to come among them, and for the programs
/// that they start. It cannot be removed.
pub(super) fn install(filter: &Filter) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.program.len()).map_err(io::Error::other)?,
        // The same layout; the kernel only reads it.
        filter: filter.program.as_ptr().cast_mut().cast(),
    };
    let mut flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
    if filter.is_logged {
        flags |= libc::SECCOMP_FILTER_FLAG_LOG;
    }
    // SAFETY: the kernel copies the program during the call, for which `filter`
    // is borrowed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!(
            "thread {thread} has a filter of its own"
        ))),
    }
}
