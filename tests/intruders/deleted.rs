//! deleted PROGRAM ARGV0 [ARG…]: copies PROGRAM to /tmp, opens the copy, unlinks
//! it, and runs what is open.

mod libc;

use std::os::fd::AsRawFd;

fn main() {
    let args = libc::arguments("deleted PROGRAM ARGV0 [ARG…]", 2);
    let copy = format!("/tmp/.deleted-{}", std::process::id());
    std::fs::copy(args[0].to_str().unwrap(), &copy).expect("cannot copy the program");
    let open = std::fs::File::open(&copy).expect("cannot open the copy");
    std::fs::remove_file(&copy).expect("cannot unlink the copy");
    libc::exec_descriptor(open.as_raw_fd(), &args[1..]);
}
