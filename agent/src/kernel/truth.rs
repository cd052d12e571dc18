//! What the kernel found: the map of what was seen, newborn cgroups, escapes,
//! and the counts that must add up.

use super::load::GONE_MAX;
use super::{Kernel, PolicyError, exec_of_seen};
use crate::model::{CgroupId, Exec, ExecCounts, Slot, Untrusted};
use agent_common::wire::{Counters, Escape, Losses, Newborn, Seen, SeenKey, Usage};
use aya::Pod;
use aya::maps::{Array, PerCpuArray};

/// One distinct exec that was not covered when it ran.
pub struct SeenEntry {
    /// Its key.
    pub key: SeenKey,
    /// How often it ran.
    pub count: u64,
    /// Monotonic clock of the last time, nanoseconds.
    pub last_ns: u64,
    /// The first time; its path may be cut.
    pub exec: Exec,
}

/// A process that left its container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Escaped {
    /// The container it left.
    pub container: CgroupId,
    /// The cgroup it went to.
    pub to: CgroupId,
    /// Its process id in the initial pid namespace.
    pub pid: u32,
    /// Nanoseconds since boot at which it began.
    pub start_ns: u64,
    /// Its real user id.
    pub uid: u32,
    /// Its name.
    pub comm: Untrusted,
    /// How often something of this container went there.
    pub count: u64,
    /// Monotonic clock of the first time, nanoseconds.
    pub at_ns: u64,
}

fn counted(cpu: &Counters) -> ExecCounts {
    ExecCounts {
        seen: cpu.seen,
        known: cpu.known,
        learning: cpu.learning,
        deviating: cpu.deviating,
        ignored: cpu.ignored,
        errors: cpu.errors,
        blocked: cpu.blocked,
    }
}

pub(super) fn escaped(escape: &Escape) -> Escaped {
    let end = { escape.comm.iter() }.position(|&byte| byte == 0);
    Escaped {
        container: CgroupId(escape.container),
        to: CgroupId(escape.to),
        pid: escape.pid,
        start_ns: escape.start_ns,
        uid: escape.uid,
        comm: Untrusted::new(&escape.comm[..end.unwrap_or(escape.comm.len())]),
        count: escape.count,
        at_ns: escape.at_ns,
    }
}

impl Kernel {
    /// Walks the map of what was seen.
    pub fn seen(&self) -> Vec<SeenEntry> {
        self.hash_ref::<SeenKey, Seen>("SEEN")
            .iter()
            .filter_map(Result::ok)
            .map(|(key, seen)| SeenEntry {
                key,
                count: seen.count,
                last_ns: seen.last_ns,
                exec: exec_of_seen(&key, &seen),
            })
            .collect()
    }

    /// How often one of them ran; `None` if it is not in the map.
    pub fn seen_count(&self, key: &SeenKey) -> Option<u64> {
        let seen = self.hash_ref::<SeenKey, Seen>("SEEN").get(key, 0).ok()?;
        Some(seen.count)
    }

    /// Takes one out. The caller also raises `released` of the slot it was
    /// counted under ([`Kernel::set_slot`]).
    pub fn forget_seen(&mut self, key: &SeenKey) -> Result<(), PolicyError> {
        self.remove::<SeenKey, Seen>("SEEN", key)
    }

    /// Takes the cgroups that came or went since the last call, in no order. Where
    /// something outlives the agent, one that is gone is noted there until it is
    /// [forgotten](Self::forget_cgroup).
    pub fn take_newborns(&mut self) -> Result<Vec<(CgroupId, Newborn)>, PolicyError> {
        let found: Vec<(u64, Newborn)> = self
            .hash_ref::<u64, Newborn>("NEWBORN")
            .iter()
            .filter_map(Result::ok)
            .collect();
        let mut out = Vec::with_capacity(found.len());
        for (id, newborn) in found {
            if newborn.removed_ns != 0
                && self.pins().is_some()
                && let Err(error) = self.insert("GONE", GONE_MAX, &id, newborn)
            {
                tracing::warn!(%error, "should the agent be killed, a container that is gone has no name");
            }
            self.remove::<u64, Newborn>("NEWBORN", &id)?;
            out.push((CgroupId(id), newborn));
        }
        Ok(out)
    }

    /// Every way out that was taken so far, with its count.
    pub fn escapes(&self) -> Vec<Escaped> {
        self.hash_ref::<[u64; 2], Escape>("ESCAPES")
            .iter()
            .filter_map(Result::ok)
            .map(|(_, escape)| escaped(&escape))
            .collect()
    }

    /// Forgets the ways out of a container that is gone.
    pub fn forget_escapes(&mut self, container: CgroupId) -> Result<(), PolicyError> {
        for escape in self.escapes() {
            if escape.container == container {
                self.remove::<[u64; 2], Escape>("ESCAPES", &[container.0, escape.to.0])?;
            }
        }
        Ok(())
    }

    /// The counts of one slot, summed over the CPUs.
    pub fn accounting(&self, slot: Slot) -> ExecCounts {
        let mut sum = ExecCounts::default();
        if let Ok(counters) = self.per_cpu::<Counters>("COUNTERS").get(&slot.0, 0) {
            for cpu in counters.iter() {
                sum += counted(cpu);
            }
        }
        sum
    }

    /// What a slot used of its quota.
    pub fn usage(&self, slot: Slot) -> Usage {
        let map = self.ebpf.map("USAGE").expect("the object has this map");
        let usage: Array<_, Usage> = Array::try_from(map).expect("its values have this size");
        usage.get(&slot.0, 0).unwrap_or(Usage {
            inserted: 0,
            overflowed: 0,
        })
    }

    /// What could not be done, summed over the CPUs; of the ring's peaks the
    /// greatest.
    pub fn losses(&self) -> Losses {
        let mut sum = Losses {
            ring_full: 0,
            seen_full: 0,
            cgroups_full: 0,
            path_too_long: 0,
            read_failed: 0,
            ring_sent: 0,
            escapes_full: 0,
            ring_peak: 0,
            not_stopped: 0,
        };
        if let Ok(losses) = self.per_cpu::<Losses>("LOSSES").get(&0, 0) {
            for cpu in losses.iter() {
                sum.ring_full += cpu.ring_full;
                sum.seen_full += cpu.seen_full;
                sum.cgroups_full += cpu.cgroups_full;
                sum.path_too_long += cpu.path_too_long;
                sum.read_failed += cpu.read_failed;
                sum.ring_sent += cpu.ring_sent;
                sum.escapes_full += cpu.escapes_full;
                sum.not_stopped += cpu.not_stopped;
                // All CPUs share one ring.
                sum.ring_peak = sum.ring_peak.max(cpu.ring_peak);
            }
        }
        sum
    }

    fn per_cpu<V: Pod>(&self, name: &str) -> PerCpuArray<&aya::maps::MapData, V> {
        self.ebpf
            .map(name)
            .and_then(|map| PerCpuArray::try_from(map).ok())
            .expect("the object has this map with values of this size")
    }
}
