//! A process by its id and its start: an id alone may be another's by now.

use procfs::process::Process;

/// The process of this id that began then, in nanoseconds since boot, if it is
/// still there. What is read through it is of this process or of none.
pub fn find(pid: u32, start_ns: u64) -> Option<Process> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    (process.stat().ok()?.starttime == start_ns / tick_ns()).then_some(process)
}

/// Nanoseconds in a clock tick, in which `/proc` gives starts: 10 ms.
pub fn tick_ns() -> u64 {
    1_000_000_000 / procfs::ticks_per_second().max(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// When a process began, somewhere in its tick, as the kernel has it.
    pub(crate) fn start_ns(pid: u32) -> u64 {
        let process = Process::new(i32::try_from(pid).unwrap()).unwrap();
        process.stat().unwrap().starttime * tick_ns() + tick_ns() / 2
    }

    #[test]
    fn a_process_with_the_same_pid_is_another() {
        let own = std::process::id();

        assert!(find(own, start_ns(own)).is_some());
        assert!(find(own, start_ns(own) + tick_ns()).is_none());
        assert!(find(u32::MAX, start_ns(own)).is_none());
    }
}
