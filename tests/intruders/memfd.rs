//! memfd NAME PROGRAM ARGV0 [ARG…]: copies PROGRAM into an anonymous file that
//! the kernel calls `memfd:NAME`, and runs it from there.

mod libc;

fn main() {
    let args = libc::arguments("memfd NAME PROGRAM ARGV0 [ARG…]", 3);
    let content = std::fs::read(args[1].to_str().unwrap()).expect("cannot read the program");
    // SAFETY: the name ends with a zero byte.
    let fd = unsafe { libc::memfd_create(args[0].as_ptr(), libc::MFD_CLOEXEC) };
    let mut file = libc::file(fd, "memfd_create");
    std::io::Write::write_all(&mut file, &content).expect("cannot write to the memfd");
    libc::exec_descriptor(fd, &args[2..]);
}
