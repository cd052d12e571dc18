//! maps FILE: maps FILE as a loader maps a library's code, and says `mapped`, or why
//! not.

mod libc;

use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;

const PROT_READ: c_int = 1;
const PROT_EXEC: c_int = 4;
const MAP_PRIVATE: c_int = 2;

unsafe extern "C" {
    fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
}

fn main() {
    let args = libc::arguments("maps FILE", 1);
    let file = std::fs::File::open(args[0].to_str().unwrap()).expect("cannot open it");
    let code = PROT_READ | PROT_EXEC;
    // SAFETY: a new mapping, which nothing uses.
    let mapped =
        unsafe { mmap(std::ptr::null_mut(), 4096, code, MAP_PRIVATE, file.as_raw_fd(), 0) };
    match mapped as isize {
        -1 => println!("not mapped: {}", std::io::Error::last_os_error()),
        _ => println!("mapped"),
    }
}
