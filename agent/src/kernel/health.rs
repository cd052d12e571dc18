//! What the kernel itself says of our programs and maps.

use super::exec_hooks::{EXEC, STAND_IN};
use super::load::CGROUPS_MAX;
use super::{Kernel, refusal};
use agent_common::wire::{AllowKey, Allowed, Cgroup, Seen, SeenKey};
use aya::Pod;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::str::FromStr;

/// Whose misses are not told as such: see [`Kernel::missed`].
const ASIDE: [&str; 4] = [EXEC, STAND_IN.1, refusal::EXEC.1, refusal::LIBRARY.1];

/// One program, as `/proc/self/fdinfo` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramHealth {
    /// The tracepoint that it hangs on, or the hook.
    pub tracepoint: &'static str,
    /// Runs; only counted while bpf statistics are on.
    pub runs: u64,
    /// Nanoseconds in all runs; likewise.
    pub run_ns: u64,
    /// Times the kernel did not run it, because it (or, of a stand-in, a call
    /// of bpf(2)) was not at its end on that CPU.
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
    /// The state of every program at work. One that cannot be read has zeros. What is
    /// behind a gate is run as a part of it.
    pub fn programs(&self) -> Vec<ProgramHealth> {
        let lacks_stand_in = self.without_stand_in().is_some();
        self.hooks
            .all()
            .chain(self.refusals.asked())
            .filter(|program| *program != STAND_IN || !lacks_stand_in)
            .map(|(name, tracepoint)| {
                let own = { self.ebpf.program(name) }.and_then(|program| program.fd().ok());
                let own = own.map(|fd| fd.as_fd().as_raw_fd());
                let gate = match tracepoint {
                    EXEC => self.gate.as_ref(),
                    _ if name == STAND_IN.0 => self.spare_gate.as_ref(),
                    _ => None,
                };
                let run = gate.map_or(own, |gate| gate.fd(&self.ebpf));
                ProgramHealth {
                    tracepoint,
                    runs: number(run, "run_cnt"),
                    run_ns: number(run, "run_time_ns"),
                    missed: number(run, "recursion_misses"),
                    verified_insns: number(own, "verified_insns"),
                }
            })
            .collect()
    }

    /// How often the kernel ran no program for what it should be told of, at the
    /// most: an exec is missed where the program that judges it *and* the
    /// stand-in were left out. One of which nobody was asked is judged there.
    pub fn missed(&self) -> u64 {
        let programs = self.programs();
        let missed = |tracepoint| {
            let mut found = programs.iter().filter(|one| one.tracepoint == tracepoint);
            found.next().map(|one| one.missed)
        };
        let others = programs
            .iter()
            .filter(|one| !ASIDE.contains(&one.tracepoint))
            .map(|one| one.missed)
            .sum::<u64>();
        let execs = match (missed(EXEC), missed(STAND_IN.1)) {
            (Some(program), Some(stand_in)) => program.min(stand_in),
            (program, stand_in) => program.or(stand_in).unwrap_or(0),
        };
        others + execs
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
                self.keys::<AllowKey, Allowed>("ALLOW"),
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

/// What the kernel says of a program or map under this name; 0 if it says nothing.
pub(super) fn number<T: FromStr + Default>(program: Option<RawFd>, key: &str) -> T {
    let text = program.map(|fd| std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")));
    let text = text.and_then(Result::ok).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_default()
}
