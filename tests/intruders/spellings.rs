//! spellings PROGRAM [ARG…]: runs PROGRAM, an absolute path, once by each
//! spelling the kernel knows for it; prints the spellings that failed.

mod libc;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    let args = libc::arguments("spellings PROGRAM [ARG…]", 1);
    let program = args[0].to_str().expect("the path is no UTF-8");
    let path = Path::new(program);
    let folder = path
        .parent()
        .expect("the path is absolute")
        .display()
        .to_string();
    let last = folder.rsplit('/').next().unwrap_or_default();
    let name = path
        .file_name()
        .expect("the path has a name")
        .display()
        .to_string();
    let open = std::fs::File::open(program).expect("cannot open it");
    // The children inherit it: /dev/fd/N is looked up in the child.
    // SAFETY: the descriptor is open.
    unsafe { libc::fcntl(open.as_raw_fd(), libc::F_SETFD, 0) };
    let me = std::process::id();
    for (from, spelling) in [
        ("/", program.to_owned()),
        ("/", format!("//{program}")),
        ("/", format!("/.{program}")),
        ("/", format!("/../..{program}")),
        ("/", format!("{folder}/../{last}/./{name}")),
        ("/", program.trim_start_matches('/').to_owned()),
        (folder.as_str(), format!("./{name}")),
        ("/", format!("/proc/self/root{program}")),
        ("/", format!("/proc/{me}/root{program}")),
        ("/", format!("/proc/self/fd/{}", open.as_raw_fd())),
        ("/", format!("/dev/fd/{}", open.as_raw_fd())),
    ] {
        let ran = Command::new(&spelling)
            .args(args[1..].iter().map(|arg| arg.to_str().unwrap()))
            .current_dir(from)
            .stdout(Stdio::null())
            .status();
        if !ran.is_ok_and(|status| status.success()) {
            println!("{spelling}");
        }
    }
}
