//! tmpfile FOLDER PROGRAM ARGV0 [ARG…]: copies PROGRAM into a file of FOLDER
//! that never had a name (O_TMPFILE), and runs it.

mod libc;

use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

fn main() {
    let args = libc::arguments("tmpfile FOLDER PROGRAM ARGV0 [ARG…]", 3);
    let content = std::fs::read(args[1].to_str().unwrap()).expect("cannot read the program");
    let mut nameless = std::fs::OpenOptions::new()
        .write(true)
        .mode(0o700)
        .custom_flags(libc::O_TMPFILE)
        .open(args[0].to_str().unwrap())
        .expect("cannot make a file without a name");
    std::io::Write::write_all(&mut nameless, &content).expect("cannot write to it");
    // A file that is open for writing does not run: open it again to read.
    let again = std::fs::File::open(format!("/proc/self/fd/{}", nameless.as_raw_fd()))
        .expect("cannot open it again");
    drop(nameless);
    libc::exec_descriptor(again.as_raw_fd(), &args[2..]);
}
