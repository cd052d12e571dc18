//! ia32 PROGRAM: becomes PROGRAM by the 32-bit system call, from a program of
//! 64 bits. Ends with status 3 where the kernel has no such call.

mod libc;

#[cfg(target_arch = "x86_64")]
fn main() {
    use std::arch::asm;
    use std::ffi::{c_int, c_void};
    use std::ptr;

    const MAP_32BIT: c_int = 0x40;
    const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
    const READ_WRITE: c_int = 3;
    const EXECVE: i32 = 11;
    const ENOSYS: i32 = 38;
    unsafe extern "C" {
        fn mmap(
            at: *mut c_void,
            len: usize,
            protection: c_int,
            flags: c_int,
            fd: c_int,
            offset: i64,
        ) -> *mut c_void;
    }

    let args = libc::arguments("ia32 PROGRAM", 1);
    let path = args[0].as_bytes_with_nul();
    let (flags, len) = (MAP_32BIT | MAP_PRIVATE_ANONYMOUS, 8192);
    // SAFETY: new memory of the kernel's choice, where 32 bits reach.
    let page = unsafe { mmap(ptr::null_mut(), len, READ_WRITE, flags, -1, 0) };
    if page as isize == -1 {
        libc::die("mmap failed");
    }
    let argv = page.cast::<u32>();
    let text = page.cast::<u8>().wrapping_add(64);
    // SAFETY: a path is no longer than 4096 bytes. The list is the path and a
    // null pointer, which the page has already.
    unsafe {
        ptr::copy_nonoverlapping(path.as_ptr(), text, path.len());
        *argv = text as u32;
    }
    let mut result = EXECVE;
    // SAFETY: the call reads what was just written. rbx is the compiler's.
    unsafe {
        asm!(
            "xchg {path}, rbx",
            "int 0x80",
            "xchg {path}, rbx",
            path = inout(reg) text => _,
            inout("eax") result,
            in("ecx") argv as u32,
            in("edx") 0,
        );
    }
    if result == -ENOSYS {
        std::process::exit(3);
    }
    libc::die(&format!("execve: error {}", -result));
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    std::process::exit(3);
}
