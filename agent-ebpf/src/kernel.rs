//! Reading the kernel: the constants the agent filled in, and the two ways to
//! follow a pointer.

use agent_common::layout::{HOST_MNTNS, MACHINES, MARK, PREEMPTIBLE};
use agent_common::siphash::Key;
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user_str,
};
use core::ptr::read_volatile;

/// A kernel struct that the verifier knows the type of: the programs' own
/// arguments and what was [`load`]ed from them.
pub type Typed = *const u8;

#[unsafe(no_mangle)]
static HASH_K0: u64 = 0;
#[unsafe(no_mangle)]
static HASH_K1: u64 = 0;

/// An offset of `Layout`: a constant that the agent puts into the program.
macro_rules! layout {
    ($field:ident) => {
        $crate::kernel::constant::<
            { core::mem::offset_of!(agent_common::layout::Layout, $field) as u64 },
        >()
    };
}
pub(crate) use layout;

/// What the agent puts into the program for the offset at this place of
/// `Layout`.
#[inline(always)]
pub fn constant<const PLACE: u64>() -> usize {
    let number: usize;
    // SAFETY: a number goes into a register. Not `pure`: the compiler would
    // keep it on the stack, where old verifiers forget that it is constant.
    unsafe {
        core::arch::asm!(
            "{0} = {1} ll",
            out(reg) number,
            const ((MARK as u64) << 32) | PLACE,
            options(nomem, nostack, preserves_flags),
        )
    };
    number
}

/// The key of every hash, drawn at load.
#[inline(always)]
pub fn hash_key() -> Key {
    // SAFETY: statics of this file; volatile, because the agent fills them in
    // after compilation.
    unsafe {
        Key {
            k0: read_volatile(&raw const HASH_K0),
            k1: read_volatile(&raw const HASH_K1),
        }
    }
}

/// The inode number of the host's mount namespace.
#[inline(always)]
pub fn host_mntns() -> u32 {
    constant::<{ HOST_MNTNS as u64 }>() as u32
}

/// Whether this kernel preempts a program at a tracepoint.
#[inline(always)]
pub fn is_preemptible() -> bool {
    constant::<{ PREEMPTIBLE as u64 }>() != 0
}

/// The machines whose programs this kernel runs itself: see [`MACHINES`].
#[inline(always)]
pub fn machines() -> u64 {
    constant::<{ MACHINES as u64 }>() as u64
}

/// A plain load from a typed struct: checked by the verifier against BTF, no
/// helper call, and zero where the pointer was null.
#[inline(always)]
pub fn load<T: Copy>(base: Typed, offset: usize) -> T {
    // SAFETY: the verifier accepts the program only if `base` is a pointer to
    // a kernel struct and the field at `offset` is a `T`.
    unsafe { read_volatile(base.add(offset).cast::<T>()) }
}

/// Reads through an address that the verifier knows nothing of.
///
/// `None` where the memory cannot be read.
#[inline(always)]
pub fn peek<T: Copy + Default>(base: u64, offset: usize) -> Option<T> {
    let mut value = T::default();
    let source = base.wrapping_add(offset as u64);
    copy((&raw mut value).cast(), size_of::<T>() as u32, source).then_some(value)
}

/// Copies `len` bytes from a kernel address; whether it succeeded.
#[inline(always)]
pub fn copy(to: *mut u8, len: u32, from: u64) -> bool {
    // SAFETY: the verifier accepts the program only if `to` has `len` bytes of
    // room; the helper checks the source.
    unsafe { bpf_probe_read_kernel(to.cast(), len, from as *const _) == 0 }
}

/// Reads through an address; zero where that is not possible.
#[inline(always)]
pub fn peek_or_zero(base: u64, offset: usize) -> u64 {
    let mut value = 0u64;
    copy((&raw mut value).cast(), 8, base.wrapping_add(offset as u64));
    value
}

/// Copies a string of the kernel's with its NUL into room for `room` bytes;
/// how many bytes that were, `room` where it was longer, 0 where it cannot be
/// read.
#[inline(always)]
pub fn copy_str(to: *mut u8, room: u32, from: u64) -> u32 {
    // SAFETY: as in `copy`.
    let len = unsafe { bpf_probe_read_kernel_str(to.cast(), room, from as *const _) };
    if len > 0 { len as u32 } else { 0 }
}

/// The same of a string of the running process's.
#[inline(always)]
pub fn copy_str_of_user(to: *mut u8, room: u32, from: u64) -> u32 {
    // SAFETY: as in `copy`.
    let len = unsafe { bpf_probe_read_user_str(to.cast(), room, from as *const _) };
    if len > 0 { len as u32 } else { 0 }
}

/// Reads from memory and not from what the compiler remembers of it.
///
/// The verifier forgets what it knows of a number that goes through memory,
/// so that one step of a loop looks to it like every other.
#[inline(always)]
pub fn in_memory<T: Copy>(place: &T) -> T {
    // SAFETY: a reference is valid to read.
    unsafe { read_volatile(place) }
}

/// `yes` where `mask` is all ones, `no` where it is zero.
#[inline(always)]
pub fn either(mask: u64, yes: u64, no: u64) -> u64 {
    no ^ ((yes ^ no) & mask)
}

/// All ones for zero, zero for anything else, without a jump.
#[inline(always)]
pub fn all_ones_if_zero(x: u64) -> u64 {
    (hidden(x | x.wrapping_neg()) >> 63).wrapping_sub(1)
}

/// A number below `room`, a power of two, with its bound in sight of the
/// verifier. The compiler may know it too and would leave a plain mask out; up
/// to 6.1 the verifier forgets it when the number goes over the stack.
#[inline(always)]
pub fn within(x: u32, room: u32) -> u32 {
    hidden(x as u64) as u32 & (room - 1)
}

/// The same number, of which the compiler knows nothing: it would make a jump
/// of a comparison that it recognised.
#[inline(always)]
pub fn hidden(mut x: u64) -> u64 {
    // SAFETY: a register moved to itself.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) x) };
    x
}
