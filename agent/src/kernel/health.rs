//! What the kernel itself says of our programs and maps.

use super::Kernel;
use super::load::{CGROUPS_MAX, PROGRAMS};
use agent_common::wire::{AllowKey, Cgroup, Seen, SeenKey};
use aya::Pod;
use std::os::fd::{AsFd as _, AsRawFd as _};

/// One program, as `/proc/self/fdinfo` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramHealth {
    /// The tracepoint it hangs on.
    pub tracepoint: &'static str,
    /// Runs; only counted while bpf statistics are on.
    pub runs: u64,
    /// Nanoseconds in all runs; likewise.
    pub run_ns: u64,
    /// Times the kernel did not run it because it was running on that CPU
    /// already: events lost to us.
    pub missed: u64,
    /// Instructions the verifier walked; 0 where the kernel does not say.
    pub verified_insns: u64,
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFill {
    /// Its name.
    pub name: &'static str,
    /// Entries in it.
    pub used: u64,
    /// Entries it has room for.
    pub max: u64,
}

impl Kernel {
    /// Every program's state. A program whose state cannot be read has zeros.
    pub fn programs(&self) -> Vec<ProgramHealth> {
        PROGRAMS
            .iter()
            .map(|&(name, tracepoint)| {
                let text = self
                    .ebpf
                    .program(name)
                    .and_then(|program| program.fd().ok())
                    .map(|fd| fd.as_fd().as_raw_fd())
                    .and_then(|fd| std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok())
                    .unwrap_or_default();
                let number = |key: &str| {
                    text.lines()
                        .filter_map(|line| line.split_once(':'))
                        .find(|(name, _)| *name == key)
                        .and_then(|(_, value)| value.trim().parse().ok())
                        .unwrap_or(0)
                };
                ProgramHealth {
                    tracepoint,
                    runs: number("run_cnt"),
                    run_ns: number("run_time_ns"),
                    missed: number("recursion_misses"),
                    verified_insns: number("verified_insns"),
                }
            })
            .collect()
    }

    /// How full the maps are. Walks their keys: for a person's question, not
    /// for every tick.
    pub fn map_fill(&self) -> Vec<MapFill> {
        let fill = |name, used: usize, max: u32| MapFill {
            name,
            used: used as u64,
            max: u64::from(max),
        };
        vec![
            fill("SEEN", self.keys::<SeenKey, Seen>("SEEN"), self.sizes.seen),
            fill(
                "ALLOW",
                self.keys::<AllowKey, u32>("ALLOW"),
                self.sizes.allow,
            ),
            fill("CGROUPS", self.keys::<u64, Cgroup>("CGROUPS"), CGROUPS_MAX),
        ]
    }

    fn keys<K: Pod, V: Pod>(&self, name: &str) -> usize {
        self.hash_ref::<K, V>(name)
            .keys()
            .filter(Result::is_ok)
            .count()
    }
}
