//! Which programs judge execs, and the one that stands in for the other.
//!
//! Since Linux 7.0 a program at a tracepoint can be preempted, and until it
//! ends the kernel runs it for no other exec on that CPU. The stand-in gets the
//! same event through perf, which keeps preemption off; it judges what the
//! program is not run for.

use super::KernelError;
use super::load::PROGRAMS;
use aya::Ebpf;
use aya::programs::trace_point::TracePointLinkId;
use aya::programs::{ProgramError, TracePoint};
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

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let stand_in = self.have_stand_in().then_some(STAND_IN);
        self.programs().chain(stand_in)
    }
}

/// The stand-in in the object.
pub(super) fn stand_in(ebpf: &mut Ebpf) -> &mut TracePoint {
    ebpf.program_mut(STAND_IN.0)
        .and_then(|program| program.try_into().ok())
        .expect("the object has the stand-in as a tracepoint")
}

/// Hangs the loaded stand-in onto its tracepoint.
pub(super) fn attach(program: &mut TracePoint) -> Result<TracePointLinkId, ProgramError> {
    program.attach("sched", EXEC)
}

/// Loads the stand-in and attaches it.
pub(super) fn start_stand_in(ebpf: &mut Ebpf) -> Result<(), KernelError> {
    let program = stand_in(ebpf);
    program
        .load()
        .and_then(|()| attach(program))
        .map(drop)
        .map_err(|source| KernelError::Program {
            tracepoint: STAND_IN.1,
            source,
        })
}
