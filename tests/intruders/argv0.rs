//! argv0 path|descriptor NAME PROGRAM [ARG…]: runs PROGRAM under a forged
//! argv[0] and a forged process name; by its path, or by an open file and an
//! empty path, where a careless observer has only argv[0] to go by.

mod libc;

use std::os::fd::AsRawFd;

fn main() {
    let args = libc::arguments("argv0 path|descriptor NAME PROGRAM [ARG…]", 3);
    let mut forged = vec![args[1].clone()];
    forged.extend_from_slice(&args[3..]);
    // SAFETY: PR_SET_NAME reads a string that ends with a zero byte.
    unsafe { libc::prctl(libc::PR_SET_NAME, args[1].as_ptr()) };
    match args[0].to_str() {
        Ok("path") => libc::exec_path(&args[2], &forged),
        Ok("descriptor") => {
            let open = std::fs::File::open(args[2].to_str().unwrap()).expect("cannot open it");
            libc::exec_descriptor(open.as_raw_fd(), &forged)
        }
        _ => libc::die("the first argument is path or descriptor"),
    }
}
