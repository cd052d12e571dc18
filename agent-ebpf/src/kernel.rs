//! Reading the kernel: the constants the agent filled in, and the two ways to
//! follow a pointer.

use agent_common::{layout::Layout, siphash::Key};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::ptr::read_volatile;

/// A kernel struct that the verifier knows the type of: the programs' own
/// arguments and what was [`load`]ed from them.
pub type Typed = *const u8;

#[unsafe(no_mangle)]
static LAYOUT: Layout = Layout::EMPTY;
#[unsafe(no_mangle)]
static HASH_K0: u64 = 0;
#[unsafe(no_mangle)]
static HASH_K1: u64 = 0;
#[unsafe(no_mangle)]
static HOST_MNTNS: u32 = 0;

/// An offset of [`Layout`], as the constant it is to the verifier.
macro_rules! layout {
    ($field:ident) => {
        $crate::kernel::constant(&raw const $crate::kernel::layout_static().$field)
    };
}
pub(crate) use layout;

#[inline(always)]
pub fn layout_static() -> &'static Layout {
    &LAYOUT
}

#[inline(always)]
pub fn constant(place: *const u32) -> usize {
    // SAFETY: a place in a static of this file; volatile, because the agent
    // fills it in after compilation.
    unsafe { read_volatile(place) as usize }
}

/// The key of every hash, drawn at load.
#[inline(always)]
pub fn hash_key() -> Key {
    // SAFETY: as in `constant`.
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
    // SAFETY: as in `constant`.
    unsafe { read_volatile(&raw const HOST_MNTNS) }
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
