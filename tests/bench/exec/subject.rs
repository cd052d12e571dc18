//! The programs in the kernel, with one container to judge: what the agent
//! sets up, without the agent.

use agent_common::wire::{self, SLOT_FIRST, mode};
use anyhow::{Context, Result, ensure};
use execwarden::kernel::{Event, ExecHooks, Kernel, Permit, Ring, Sizes};
use execwarden::model::{CgroupId, ExecCounts, Libraries, Slot};

/// How the execs of the cgroup are judged.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Its cgroup is no container.
    Ignore,
    /// Enforced; these are allowed, and what has to be looked at is found good.
    Allow(Vec<Permit>),
    /// Learned at the first sight, as the agent does.
    Learn,
    /// Enforced; nothing is allowed.
    Refuse,
}

/// Of the slot's allowlist, which does not change.
const GENERATION: u32 = 1;

/// The attached programs. Dropping it detaches them.
pub struct Subject {
    kernel: Kernel,
    ring: Ring,
    cgroup: CgroupId,
    slot: Slot,
    learns: bool,
}

impl Subject {
    /// Loads, fills the maps, and attaches.
    pub fn attach(policy: &Policy, cgroup: CgroupId) -> Result<Self> {
        let mut kernel = Kernel::load(
            Sizes::default(),
            ExecHooks::of_this_kernel(),
            Libraries::Any,
            None,
        )?;
        // A slot of its own also for what is ignored: the host's would count the
        // execs of others too.
        let slot = Slot(SLOT_FIRST);
        kernel.set_slot(slot, judged(policy))?;
        match policy {
            Policy::Ignore => kernel.set_host(cgroup, slot, true)?,
            Policy::Allow(_) | Policy::Learn | Policy::Refuse => {
                kernel.set_container(cgroup, cgroup, slot, None, false)?;
            }
        }
        if let Policy::Allow(permits) = policy {
            kernel.replace_allowed(slot, permits.iter().cloned())?;
        }
        let ring = kernel.take_ring()?;
        kernel.attach()?;
        Ok(Self {
            kernel,
            ring,
            cgroup,
            slot,
            learns: matches!(policy, Policy::Learn),
        })
    }

    /// The counts so far of what the cgroup is judged under.
    pub fn accounting(&self) -> ExecCounts {
        self.kernel.accounting(self.slot)
    }

    /// Takes what the programs sent; how many records were about execs of this
    /// cgroup. What is to be learned is known from here on.
    pub fn take_events(&mut self) -> Result<u64> {
        let mut events = 0;
        for event in self.ring.by_ref() {
            let Event::Exec(key, exec) = event.context("the programs sent nonsense")? else {
                continue;
            };
            if exec.container != self.cgroup {
                continue;
            }
            events += 1;
            if key.detail != 0 {
                self.kernel.clear(self.slot, GENERATION, &key)?;
            }
            if self.learns {
                self.kernel
                    .allow(self.slot, &Permit::from(&exec.identity))?;
            }
        }
        ensure!(
            self.kernel.losses().ring_full == 0,
            "the ring was full: the events are not all counted"
        );
        Ok(events)
    }

    /// Runs of the program at the exec tracepoint, and nanoseconds in them, of
    /// the whole machine: counted while the kernel's bpf statistics are on.
    pub fn program_time(&self) -> Result<(u64, u64)> {
        let programs = self.kernel.programs();
        let exec = programs
            .iter()
            .find(|program| program.tracepoint == "sched_process_exec")
            .context("there is no program at the exec tracepoint")?;
        Ok((exec.runs, exec.run_ns))
    }
}

fn judged(policy: &Policy) -> wire::Slot {
    wire::Slot {
        mode: match policy {
            Policy::Ignore => mode::OFF,
            Policy::Learn => mode::LEARN,
            Policy::Allow(_) | Policy::Refuse => mode::ENFORCE,
        },
        generation: GENERATION,
        detail: 0,
        stops: 0,
        // Every name there is.
        quota: 2 * crate::place::NAMES,
        released: 0,
    }
}
