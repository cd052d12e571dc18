//! chroot ROOT PROGRAM: runs PROGRAM, a path below ROOT, with ROOT as its root
//! directory, but stays in the working directory that it has.

mod libc;

fn main() {
    let args = libc::arguments("chroot ROOT PROGRAM", 2);
    std::os::unix::fs::chroot(args[0].to_str().unwrap()).expect("cannot change the root");
    libc::exec_path(&args[1], &[args[1].clone()]);
}
