//! Ends the run when a test hangs, and says what every process was doing.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use testbed::patience;

/// Far above what any test takes on a busy machine; multiplied like every time
/// that a test gives.
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
        let limit = LIMIT * patience();
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
    let own_start = Stat::of(Path::new("/proc/self")).map_or(0, |stat| stat.start);
    for id in numbers(Path::new("/proc")) {
        let process = Path::new("/proc").join(&id);
        let Some(stat) = Stat::of(&process).filter(|stat| stat.start >= own_start) else {
            continue;
        };
        let args = read(&process.join("cmdline")).replace('\0', " ");
        let Stat { state, parent, .. } = stat;
        let _ = writeln!(list, "{id} (of {parent}) {state} {args}");
        for thread in numbers(&process.join("task")) {
            let stack = read(&process.join("task").join(&thread).join("stack"));
            let stack: Vec<&str> = stack.lines().take(6).map(str::trim).collect();
            let _ = writeln!(list, "    {thread}: {}", stack.join(" "));
        }
    }
    list
}

/// Of `/proc/PID/stat`.
struct Stat {
    state: String,
    parent: String,
    /// Ticks since the machine's start.
    start: u64,
}

impl Stat {
    fn of(process: &Path) -> Option<Self> {
        let line = read(&process.join("stat"));
        // Behind a name that may hold anything.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        Some(Self {
            state: (*fields.first()?).to_owned(),
            parent: (*fields.get(1)?).to_owned(),
            start: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Empty where the process has gone.
fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The entries of a folder whose names are numbers.
fn numbers(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}
