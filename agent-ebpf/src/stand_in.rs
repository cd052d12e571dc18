//! Who judges an exec where the program may be held up.
//!
//! Since Linux 7.0 a program at a tracepoint can be preempted, and until it
//! has gone on and ended the kernel runs it for no other exec on that CPU. So
//! there a second one stands at the same event by another way, through perf,
//! which keeps preemption off: nobody can hold that one up. (It is left out
//! where a task was preempted within a call of bpf(2); only both at once on one
//! CPU would miss an exec.)
//!
//! Both are run for every exec, in the order in which somebody came to ask for
//! the event first. Whichever comes first claims the exec and judges it, and
//! the other leaves it. While the stand-in runs on a CPU the program may stand
//! still there, in the middle of anything; so the stand-in has its own room to
//! build in, leaves what the CPU remembers alone, and both add to counts in one
//! step.

use crate::kernel::{Typed, is_preemptible, layout, load};
use crate::maps::{CLAIMS, STANDING_IN};

/// Places for claims. Two execs at once on one place are judged twice, and
/// never not at all.
pub const PLACES: u32 = 16_384;

/// Which exec was claimed: of this process, and which of all that it made.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub struct Claim {
    start: u64,
    exec: u64,
}

/// Whether the exec of the running task is still to be judged; it then is the
/// caller's to judge.
#[inline(always)]
pub fn claim(task: Typed) -> bool {
    if !is_preemptible() {
        return true;
    }
    let pid: u32 = load(task, layout!(task_tgid));
    let Some(place) = CLAIMS.get_ptr_mut(pid & (PLACES - 1)) else {
        return true;
    };
    let own = Claim {
        start: load(task, layout!(task_start)),
        exec: load(task, layout!(task_exec_id)),
    };
    // SAFETY: a value of an array, valid while the program runs.
    unsafe {
        let is_claimed = (*place).start == own.start && (*place).exec == own.exec;
        if !is_claimed {
            *place = own;
        }
        !is_claimed
    }
}

/// Runs the stand-in's own work.
#[inline(always)]
pub fn at_work(work: impl FnOnce()) {
    let Some(at_work) = STANDING_IN.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's own value, and this program is not preempted.
    unsafe {
        *at_work = 1;
        work();
        *at_work = 0;
    }
}

/// The place of its room if it is the stand-in that runs on this CPU, without a jump;
/// else 0.
#[inline(always)]
pub fn place() -> u32 {
    if !is_preemptible() {
        return 0;
    }
    match STANDING_IN.get_ptr(0) {
        // SAFETY: this CPU's own value; the stand-in leaves 0 behind.
        Some(at_work) => unsafe { (at_work.read_volatile() & 1) << 1 },
        None => 0,
    }
}
