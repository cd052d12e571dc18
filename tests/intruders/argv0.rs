//! argv0 path|descriptor|empty NAME PROGRAM [ARG…]: runs PROGRAM under a forged
//! process name and a forged argv[0]: by its path, or by an open file and an
//! empty path, where a careless observer has only argv[0] to go by. `empty` is
//! the latter without any argument, not even argv[0].

mod libc;

use std::os::fd::AsRawFd;

fn main() {
    let args = libc::arguments("argv0 path|descriptor|empty NAME PROGRAM [ARG…]", 3);
    let mut forged = vec![args[1].clone()];
    forged.extend_from_slice(&args[3..]);
    // SAFETY: PR_SET_NAME reads a string that ends with a zero byte.
    unsafe { libc::prctl(libc::PR_SET_NAME, args[1].as_ptr()) };
    let open = || {
        let open = std::fs::File::open(args[2].to_str().unwrap()).expect("cannot open it");
        // A script's interpreter opens it again by /dev/fd.
        // SAFETY: the descriptor is open.
        unsafe { libc::fcntl(open.as_raw_fd(), libc::F_SETFD, 0) };
        open
    };
    match args[0].to_str() {
        Ok("path") => libc::exec_path(&args[2], &forged),
        Ok("descriptor") => libc::exec_descriptor(open().as_raw_fd(), &forged),
        Ok("empty") => libc::exec_descriptor(open().as_raw_fd(), &[]),
        _ => libc::die("the first argument is path, descriptor or empty"),
    }
}
