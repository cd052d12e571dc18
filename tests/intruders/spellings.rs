//! spellings PROGRAM: runs PROGRAM, an absolute path, once by each spelling the
//! kernel knows for it: as a path, and as what is open and execveat. Prints
//! the spellings that failed, then how many there were.

mod libc;

use libc::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use std::ffi::{CString, c_int};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    let args = libc::arguments("spellings PROGRAM", 1);
    let program = args[0].to_str().expect("the path is no UTF-8");
    let path = Path::new(program);
    let folder = path.parent().expect("the path is absolute").display().to_string();
    let last = folder.rsplit('/').next().unwrap_or_default();
    let name = path.file_name().expect("the path has a name").display().to_string();
    let file = inherited(File::open(program));
    let around = inherited(File::open(&folder));
    let only_a_path = inherited(OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(program));
    let (me, open, dir) = (std::process::id(), file.as_raw_fd(), around.as_raw_fd());

    let mut tried = 0;
    let mut check = |spelling: &str, command: &mut Command| {
        tried += 1;
        let ran = command.stdout(Stdio::null()).status();
        if !ran.is_ok_and(|status| status.success()) {
            println!("{spelling}");
        }
    };
    for (from, spelling) in [
        ("/", program.to_owned()),
        ("/", format!("//{program}")),
        ("/", format!("/.{program}")),
        ("/", format!("/../..{program}")),
        ("/", format!("{folder}/../{last}/./{name}")),
        ("/", program.trim_start_matches('/').to_owned()),
        (folder.as_str(), format!("./{name}")),
        (folder.as_str(), format!("/proc/self/cwd/{name}")),
        (folder.as_str(), format!("/proc/thread-self/cwd/../{last}/{name}")),
        ("/", format!("/proc/self/root{program}")),
        ("/", format!("/proc/{me}/root{program}")),
        ("/", format!("/proc/{me}/task/{me}/root{program}")),
        ("/", format!("/proc/self/fd/{open}")),
        ("/", format!("/proc/self/fd/{dir}/{name}")),
        ("/", format!("/dev/fd/{open}")),
        ("/", format!("/dev/fd/{dir}/{name}")),
    ] {
        check(&spelling, Command::new(&spelling).current_dir(from));
    }
    let relative = format!("../{last}/{name}");
    for (what, fd, path, flags) in [
        ("an open file", open, "", AT_EMPTY_PATH),
        ("an O_PATH descriptor", only_a_path.as_raw_fd(), "", AT_EMPTY_PATH),
        ("a name in an open folder", dir, &name, 0),
        ("the same, no symlink", dir, &name, AT_SYMLINK_NOFOLLOW),
        ("a path from an open folder", dir, &relative, 0),
        ("a whole path beside an open folder", dir, program, 0),
    ] {
        check(what, &mut at(fd, path, flags));
    }
    println!("{tried}");
}

/// A command that runs what execveat finds.
fn at(fd: RawFd, path: &str, flags: c_int) -> Command {
    let path = CString::new(path).expect("a path has no zero byte");
    // Never run: the child becomes the program before.
    let mut command = Command::new("/");
    // SAFETY: between fork and exec it makes no call but execveat.
    unsafe {
        command.pre_exec(move || libc::exec_at(fd, &path, &[c"spelled".to_owned()], flags));
    }
    command
}

/// The children inherit it: /dev/fd/N is looked up in the child.
fn inherited(open: std::io::Result<File>) -> File {
    let open = open.expect("cannot open it");
    // SAFETY: the descriptor is open.
    unsafe { libc::fcntl(open.as_raw_fd(), libc::F_SETFD, 0) };
    open
}
