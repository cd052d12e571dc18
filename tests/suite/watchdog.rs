//! Ends the run when a test hangs, and says what every process was doing.

use crate::containers::{day, masses};
use procfs::process::{Process, all_processes};
use std::fmt::Write as _;
use std::fs;
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use testbed::patience;

/// Far above what any test takes on a busy machine; multiplied like every time
/// that a test gives. A soak takes what it is given beyond that.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Watches one test; dropping it ends the watch.
pub struct Watchdog {
    _ends_the_watch: Sender<()>,
}

impl Watchdog {
    /// Ends the whole run, with a list of all processes, unless this is dropped
    /// in time: a test that hangs waits for what has no deadline, and cannot be
    /// made to go on.
    pub fn watch(test: &str) -> Self {
        let (_ends_the_watch, end) = channel::<()>();
        let test = test.to_owned();
        let limit = LIMIT * patience() + day::length() + masses::length();
        thread::spawn(move || {
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!(
                    "error: {test} hangs: no end after {limit:?}\n{}",
                    processes()
                );
                process::exit(1);
            }
        });
        Self { _ends_the_watch }
    }
}

/// Every process that came since this one did, with what its threads wait for in
/// the kernel.
fn processes() -> String {
    let mut list = String::new();
    let own_start = Process::myself().and_then(|own| own.stat());
    let own_start = own_start.map_or(0, |stat| stat.starttime);
    for process in all_processes().into_iter().flatten().flatten() {
        let Ok(stat) = process.stat() else { continue };
        if stat.starttime < own_start {
            continue;
        }
        let args = process.cmdline().unwrap_or_default().join(" ");
        let _ = writeln!(
            list,
            "{} (of {}) {} {args}",
            stat.pid, stat.ppid, stat.state
        );
        for thread in process.tasks().into_iter().flatten().flatten() {
            let file = format!("/proc/{}/task/{}/stack", thread.pid, thread.tid);
            let stack = fs::read_to_string(file).unwrap_or_default();
            let stack: Vec<&str> = stack.lines().take(6).map(str::trim).collect();
            let _ = writeln!(list, "    {}: {}", thread.tid, stack.join(" "));
        }
    }
    list
}
