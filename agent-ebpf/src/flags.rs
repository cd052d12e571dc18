//! The [`flag`](agent_common::wire::flag)s of the exec at hand.

use crate::report::Scratch;

/// They live in the record, and are read from
/// there each time: in a register the verifier would follow every combination
/// of them through the whole program.
#[derive(Clone, Copy)]
pub struct Flags(*mut u32);

impl Flags {
    /// Of a record that is about to be filled in.
    #[inline(always)]
    pub fn starting_with(scratch: &mut Scratch, flags: u32) -> Self {
        scratch.record.facts.flags = flags;
        Self(&raw mut scratch.record.facts.flags)
    }

    /// All of them.
    #[inline(always)]
    pub fn get(self) -> u32 {
        // SAFETY: a field of this CPU's scratch, valid while the program runs.
        unsafe { self.0.read_volatile() }
    }

    /// Sets more of them.
    #[inline(always)]
    pub fn set(self, bits: u32) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(self.get() | bits) };
    }

    /// Takes some of them back.
    #[inline(always)]
    pub fn clear(self, bits: u32) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(self.get() & !bits) };
    }

    /// Whether one of them is set.
    #[inline(always)]
    pub fn has(self, any: u32) -> bool {
        self.get() & any != 0
    }
}
