//! Which programs judge execs, and the one that stands in for the other.
//!
//! Since Linux 7.0 a program at a tracepoint can be preempted, and until it
//! ends the kernel runs it for no other exec on that CPU. The stand-in gets the
//! same event through perf, which keeps preemption off; it judges what the
//! program is not run for.

use super::KernelError;
use super::gate::Gate;
use super::load::PROGRAMS;
use super::pins::Pins;
use aya::programs::trace_point::TracePointLinkId;
use aya::programs::{ProgramError, TracePoint};
use aya::{Btf, Ebpf};
use procfs::KernelVersion;

/// The program that judges execs.
pub(super) const EXEC: &str = "sched_process_exec";
/// The one that stands in for it, and where it hangs, as perf calls it.
pub(super) const STAND_IN: (&str, &str) = ("execwarden_stand_in", "sched/sched_process_exec");

/// Which programs judge execs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecHooks {
    /// The program alone: on a kernel that never preempts it.
    Program,
    /// The program, and what stands in for it.
    Both,
    /// The stand-in alone, to see what it does.
    StandIn,
}

impl ExecHooks {
    /// What this kernel needs. A kernel that does not tell its version is taken
    /// for a new one.
    pub fn of_this_kernel() -> Self {
        match KernelVersion::current() {
            Ok(version) if version < KernelVersion::new(7, 0, 0) => Self::Program,
            _ => Self::Both,
        }
    }

    /// Whether there is a stand-in.
    pub(super) fn have_stand_in(self) -> bool {
        self != Self::Program
    }

    /// The BTF programs among them, with those for cgroups before.
    pub(super) fn programs(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let has_program = self != Self::StandIn;
        PROGRAMS
            .into_iter()
            .filter(move |(_, tracepoint)| has_program || *tracepoint != EXEC)
    }

    /// The gate of the program that judges execs.
    pub(super) fn gate(
        self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        pins: Option<&Pins>,
    ) -> Result<Option<Gate>, KernelError> {
        match self {
            Self::Program | Self::Both => Gate::main(ebpf, btf, pins).map(Some),
            Self::StandIn => Ok(None),
        }
    }

    /// That of the stand-in, which is loaded for it.
    pub(super) fn spare_gate(
        self,
        ebpf: &mut Ebpf,
        pins: Option<&Pins>,
    ) -> Result<Option<Gate>, KernelError> {
        if !self.have_stand_in() {
            return Ok(None);
        }
        let loaded = stand_in(ebpf, STAND_IN.0).load();
        loaded.map_err(|source| KernelError::Program {
            tracepoint: STAND_IN.1,
            source,
        })?;
        Gate::spare(ebpf, pins).map(Some)
    }

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let stand_in = self.have_stand_in().then_some(STAND_IN);
        self.programs().chain(stand_in)
    }
}

/// The stand-in in the object, or its gate.
pub(super) fn stand_in<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut TracePoint {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .expect("the object has the stand-in and its gate as tracepoints")
}

/// Hangs one of them onto its tracepoint.
pub(super) fn attach(program: &mut TracePoint) -> Result<TracePointLinkId, ProgramError> {
    program.attach("sched", EXEC)
}
