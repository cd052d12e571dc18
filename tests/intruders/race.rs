//! race TIMES PATH: runs the program at PATH that often, while a second thread
//! turns the path's last byte from `0` to `1` and back without a pause. The
//! program at PATH0 has to end with status 0, the one at PATH1 with 1.
//!
//! Prints how often each ran, and how often it was not the one whose path was
//! in the buffer when the call began: "ZEROS ONES CROSSED".

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

unsafe extern "C" {
    // glibc's child shares the memory with the caller (CLONE_VM, CLONE_VFORK)
    // and hands this very pointer to execve.
    fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        argv: *const *const c_char,
        environment: *const *const c_char,
    ) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(times), Some(path)) = (args.next().and_then(|it| it.parse().ok()), args.next())
    else {
        eprintln!("usage: race TIMES PATH");
        std::process::exit(2);
    };
    let buffer: &'static [AtomicU8] = path
        .bytes()
        .chain(*b"0\0")
        .map(AtomicU8::new)
        .collect::<Vec<_>>()
        .leak();
    let last = &buffer[path.len()];
    std::thread::spawn(|| {
        loop {
            last.fetch_xor(b'0' ^ b'1', Ordering::Relaxed);
        }
    });

    let (mut ran, mut crossed) = ([0u32; 2], 0u32);
    for _ in 0..times {
        let meant = last.load(Ordering::Relaxed) - b'0';
        let status = run(buffer.as_ptr().cast());
        ran[usize::from(status)] += 1;
        crossed += u32::from(status != meant);
    }
    println!("{} {} {crossed}", ran[0], ran[1]);
}

/// The status, 0 or 1, with which the program at the path ended.
fn run(path: *const c_char) -> u8 {
    let argv = [c"raced".as_ptr(), ptr::null()];
    let environment = [ptr::null()];
    let (mut pid, mut status) = (0, 0);
    // SAFETY: the path ends with a zero byte whatever its last letter is, the
    // lists with a null pointer; the numbers are written before the calls
    // return.
    let ended = unsafe {
        posix_spawn(
            &mut pid,
            path,
            ptr::null(),
            ptr::null(),
            argv.as_ptr(),
            environment.as_ptr(),
        ) == 0
            && waitpid(pid, &mut status, 0) == pid
    };
    // Ended by itself: the low byte is zero, the next one is the status.
    match (ended, status) {
        (true, 0) => 0,
        (true, 0x100) => 1,
        _ => panic!("it did not run, or ended with {status:#x}"),
    }
}
