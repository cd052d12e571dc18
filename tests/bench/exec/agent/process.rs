//! What the kernel says of a process: its work, its memory, its maps.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What all threads of a process have done so far.
#[derive(Clone, Copy, Default)]
pub struct Work {
    /// Time on a CPU.
    pub cpu: Duration,
    /// Times a thread went to sleep, and so was woken up.
    pub wake_ups: u64,
}

impl Work {
    /// Of this process.
    pub fn of(pid: u32) -> Result<Self> {
        let mut sum = Self::default();
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
            let task = task?.path();
            // Its first number is in nanoseconds; utime has ticks of 10 ms.
            let schedstat = read(&task.join("schedstat"))?;
            let cpu = schedstat.split(' ').next().and_then(|ns| ns.parse().ok());
            sum.cpu += Duration::from_nanos(cpu.context("schedstat has no number")?);
            sum.wake_ups += field(&read(&task.join("status"))?, "voluntary_ctxt_switches")?;
        }
        Ok(sum)
    }

    /// What was done from `before` to this.
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            wake_ups: self.wake_ups.saturating_sub(before.wake_ups),
        }
    }
}

/// What a process holds, in KiB.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Most that was resident.
    pub peak: u64,
    /// Its bpf maps, in the kernel.
    pub maps: u64,
}

impl Memory {
    /// Of this process.
    pub fn of(pid: u32) -> Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let status = read(&process.join("status"))?;
        Ok(Self {
            resident: field(&status, "VmRSS")?,
            peak: field(&status, "VmHWM")?,
            maps: map_bytes(&process.join("fdinfo"))? / 1024,
        })
    }
}

/// The bytes of all maps a process has open, each once.
fn map_bytes(fdinfo: &Path) -> Result<u64> {
    let mut maps = HashMap::new();
    let descriptors =
        fs::read_dir(fdinfo).with_context(|| format!("cannot read {}", fdinfo.display()))?;
    for descriptor in descriptors {
        // A descriptor may be closed by now.
        let Ok(text) = fs::read_to_string(descriptor?.path()) else {
            continue;
        };
        if let Ok(id) = field(&text, "map_id") {
            maps.insert(id, field(&text, "memlock")?);
        }
    }
    Ok(maps.values().sum())
}

/// The number behind `name:`.
fn field(text: &str, name: &str) -> Result<u64> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| *found == name)
        .and_then(|(_, value)| value.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("the kernel says nothing of {name}"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
