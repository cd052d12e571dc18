//! The two hooks that an exec passes, and what each shows of it.

use crate::kernel::{Typed, in_memory, layout, load, peek, peek_or_zero};
use crate::maps::scratch;
use crate::script::execwarden_scripts;
use crate::task;
use agent_common::layout::ABSENT;

/// What is asked of a hook.
pub trait Hook: Copy {
    /// Whether it may use what this CPU remembers: only one of the two may.
    const HAS_NEAR: bool;

    /// Whether the file that runs is the one that was asked for, and no
    /// script's interpreter.
    fn is_program(self) -> bool;

    /// The file that runs: the program, or a script's interpreter.
    fn file(self) -> Option<Typed>;

    /// The same, as a plain address.
    fn address(self) -> u64;

    /// The descriptor of the file that a registered format wants handed over
    /// open; 0 for none.
    fn descriptor(self) -> u64;

    /// Where the kernel has the name that was given to execve.
    fn filename(self) -> u64;
}

/// `tp_btf/sched_process_exec`: the kernel's own `linux_binprm`.
#[derive(Clone, Copy)]
pub struct Binprm(pub Typed);

impl Hook for Binprm {
    const HAS_NEAR: bool = true;

    #[inline(always)]
    fn is_program(self) -> bool {
        let name: u64 = load(self.0, layout!(bprm_filename));
        let interpreter: u64 = load(self.0, layout!(bprm_interp));
        name == interpreter
    }

    #[inline(always)]
    fn file(self) -> Option<Typed> {
        Some(load(self.0, layout!(bprm_file)))
    }

    #[inline(always)]
    fn address(self) -> u64 {
        peek_or_zero(self.0 as u64, layout!(bprm_file))
    }

    #[inline(always)]
    fn descriptor(self) -> u64 {
        peek_or_zero(self.0 as u64, layout!(bprm_execfd)) as u32 as u64
    }

    #[inline(always)]
    fn filename(self) -> u64 {
        peek_or_zero(self.0 as u64, layout!(bprm_filename))
    }
}

/// `tracepoint/sched/sched_process_exec`: the same event as perf writes it
/// down, with no `linux_binprm`. What that would tell is in what the exec has
/// made by then, the new address space.
#[derive(Clone, Copy)]
pub struct Written {
    /// The event.
    pub event: Typed,
    pub task: Typed,
}

impl Written {
    #[inline(always)]
    fn memory(self) -> u64 {
        peek_or_zero(task::current(), layout!(task_mm))
    }
}

impl Hook for Written {
    const HAS_NEAR: bool = false;

    /// A script is known by being found: see [`crate::script`].
    #[inline(always)]
    fn is_program(self) -> bool {
        execwarden_scripts(task::current(), self.address(), self.descriptor()) == 0
    }

    #[inline(always)]
    fn file(self) -> Option<Typed> {
        let memory: Typed = load(self.task, layout!(task_mm));
        let file: Typed = load(memory, layout!(mm_exe_file));
        (!file.is_null()).then_some(file)
    }

    #[inline(always)]
    fn address(self) -> u64 {
        peek_or_zero(self.memory(), layout!(mm_exe_file))
    }

    #[inline(always)]
    fn descriptor(self) -> u64 {
        execwarden_descriptor(self.memory())
    }

    /// Behind the event's fixed part, where a field of it says.
    #[inline(always)]
    fn filename(self) -> u64 {
        if layout!(event_filename) as u32 == ABSENT {
            return 0;
        }
        let Some(scratch) = scratch() else {
            return 0;
        };
        // SAFETY: this CPU's own value, valid while the program runs.
        let place = unsafe { &mut (*scratch).typed };
        // By way of memory: what goes into a function must be a number.
        *place = self.event as u64;
        let event = in_memory(place);
        let field: u32 = peek(event, layout!(event_filename)).unwrap_or(0);
        event.wrapping_add((field & 0xffff) as u64)
    }
}

/// The most that the kernel tells a program when it starts, in pairs of a type
/// and a value; 20 of them on x86-64 in Linux 7.
const PAIRS: usize = 40;
const AT_NULL: u64 = 0;
const AT_EXECFD: u64 = 2;

/// What a program is told of a descriptor that it was handed, from the
/// kernel's copy of its auxiliary vector; 0 for nothing.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_descriptor(memory: u64) -> u64 {
    let vector = memory.wrapping_add(layout!(mm_auxv) as u64);
    // Of a 32-bit program each half is a number of its own, and no value of
    // the first pair is zero.
    let is_wide = peek_or_zero(vector, 0) >> 32 == 0;
    for i in 0..PAIRS {
        let (kind, value) = if is_wide {
            (
                peek_or_zero(vector, i * 16),
                peek_or_zero(vector, i * 16 + 8),
            )
        } else {
            let pair = peek_or_zero(vector, i * 8);
            (pair as u32 as u64, pair >> 32)
        };
        if kind == AT_EXECFD {
            return value;
        }
        if kind == AT_NULL {
            return 0;
        }
    }
    0
}
