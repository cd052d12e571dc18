//! The machine the numbers are from.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity};
use std::fs;

/// Kernel, CPUs, load: one line.
pub fn line() -> Result<String> {
    let release = read("/proc/sys/kernel/osrelease")?;
    let model = read("/proc/cpuinfo")?
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(|| "unknown CPU".to_owned(), |(_, name)| name.to_owned());
    let cpus = usable_cpus()?.len();
    let load = read("/proc/loadavg")?;
    let load: Vec<_> = load.split(' ').take(3).collect();
    Ok(format!(
        "Linux {}, {cpus} CPUs ({model}), load average {}",
        release.trim(),
        load.join(" ")
    ))
}

/// The CPU that the execs stay on: the last, which interrupts come to least.
pub fn cpu() -> Result<usize> {
    let cpus = usable_cpus()?;
    cpus.last().copied().context("there is no CPU")
}

/// Whether the kernel counts the programs' time for somebody else: every run
/// then costs more.
pub fn is_counting() -> Result<bool> {
    Ok(read("/proc/sys/kernel/bpf_stats_enabled")?.trim() != "0")
}

fn usable_cpus() -> Result<Vec<usize>> {
    let usable = sched_getaffinity(None).context("cannot read which CPUs may be used")?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&cpu| usable.is_set(cpu))
        .collect())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}
