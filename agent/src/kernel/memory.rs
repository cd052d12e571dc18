//! Memory that loading took for a moment.

/// Gives what was freed back to the kernel. The type information of the kernel
/// takes some 20 MiB while the programs are loaded; glibc would keep that for
/// an agent that never needs as much again.
pub(super) fn return_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases memory that nothing uses; callable at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
