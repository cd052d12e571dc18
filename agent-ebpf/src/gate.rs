//! The way from the event to the program that judges it, which can be changed
//! while execs come: each is judged by one program, the old or the new, and none
//! by none.
//!
//! The gate hangs on the event for as long as execwarden is on the node, and so
//! never changes; what it leads to is the program of the agent that is in charge,
//! which puts it there. Where there is none, nothing is judged.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::map;
use aya_ebpf::maps::ProgramArray;

/// To the program that judges execs.
#[map(name = "GATE")]
pub static EXEC: ProgramArray = ProgramArray::with_max_entries(1, 0);
/// To the one that stands in for it.
#[map(name = "SPARE_GATE")]
pub static STAND_IN: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Goes on in the program that the gate leads to, if it leads to one.
#[inline(always)]
pub fn enter(ctx: &impl EbpfContext, gate: &ProgramArray) {
    // SAFETY: what the agent puts there is of the same kind and on the same event.
    let _ = unsafe { gate.tail_call(ctx, 0) };
}
