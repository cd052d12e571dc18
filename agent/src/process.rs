//! A process by its id and its start: an id alone may be another's by now.

use procfs::process::Process;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;

/// The process of this id that began then, in nanoseconds since boot, if it is
/// still there. What is read through it is of this process or of none.
pub fn find(pid: u32, start_ns: u64) -> Option<Process> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    (process.stat().ok()?.starttime == start_ns / tick_ns()).then_some(process)
}

/// Ends the process of this id that began then.
///
/// # Errors
/// It is not there any more, or the kernel does not let this process do that.
pub fn end(pid: u32, start_ns: u64) -> io::Result<()> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // First the one, then whether it is who was meant: the id cannot become
    // another's meanwhile.
    let handle = pidfd_open(id.ok_or_else(gone)?, PidfdFlags::empty())?;
    find(pid, start_ns).ok_or_else(gone)?;
    Ok(pidfd_send_signal(handle, Signal::KILL)?)
}

/// Nanoseconds in a clock tick, in which `/proc` gives starts: 10 ms.
pub fn tick_ns() -> u64 {
    1_000_000_000 / procfs::ticks_per_second().max(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    /// When a process began, somewhere in its tick, as the kernel has it.
    pub(crate) fn start_ns(pid: u32) -> u64 {
        let process = Process::new(i32::try_from(pid).unwrap()).unwrap();
        process.stat().unwrap().starttime * tick_ns() + tick_ns() / 2
    }

    #[test]
    fn only_the_process_that_is_meant_is_ended() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let (pid, began) = (child.id(), start_ns(child.id()));

        let other = end(pid, began + 2 * tick_ns()).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::NotFound);
        assert!(child.try_wait().unwrap().is_none());
        end(pid, began).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(end(pid, began).is_err());
    }

    #[test]
    fn a_process_with_the_same_pid_is_another() {
        let own = std::process::id();

        assert!(find(own, start_ns(own)).is_some());
        assert!(find(own, start_ns(own) + tick_ns()).is_none());
        assert!(find(u32::MAX, start_ns(own)).is_none());
    }
}
