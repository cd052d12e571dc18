//! Makes a mount namespace without an exec, leaves a child in it and goes to
//! another cgroup. The child, whose parent is now outside, runs the program.
//!
//! usage: left_behind CGROUP.PROCS PROGRAM

#[path = "libc/mod.rs"]
mod libc;

use std::ffi::c_int;
use std::fs;
use std::io::{Error, Read, Write};
use std::os::unix::ffi::OsStrExt;

const CLONE_NEWNS: c_int = 0x0002_0000;

unsafe extern "C" {
    fn unshare(flags: c_int) -> c_int;
    fn fork() -> c_int;
}

fn main() {
    let args = libc::arguments("left_behind CGROUP.PROCS PROGRAM", 2);
    // SAFETY: a number.
    if unsafe { unshare(CLONE_NEWNS) } != 0 {
        libc::die(&format!("unshare: {}", Error::last_os_error()));
    }
    let (mut gone, mut go) = std::io::pipe().expect("a pipe");
    // SAFETY: the program has one thread.
    match unsafe { fork() } {
        0 => {
            drop(go);
            // Until the other has gone.
            let mut nothing = Vec::new();
            gone.read_to_end(&mut nothing).expect("the other ends its side");
            libc::exec_path(&args[1], &args[1..2]);
        }
        child => {
            let procs = std::ffi::OsStr::from_bytes(args[0].as_bytes());
            fs::write(procs, std::process::id().to_string()).expect("may leave");
            go.write_all(b"x").expect("the child reads");
            drop(go);
            drop(gone);
            let mut status = 0;
            // SAFETY: room for one status.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            std::process::exit(c_int::from(status != 0));
        }
    }
}
