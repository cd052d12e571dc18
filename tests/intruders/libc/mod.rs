//! What these programs need of the C library, declared by hand: they are built
//! without any crate. Numbers are Linux's for x86-64 and arm64 alike, unless
//! said otherwise.

use std::ffi::{CStr, CString, OsString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::Error;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

pub const AT_EMPTY_PATH: c_int = 0x1000;
pub const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
pub const F_SETFD: c_int = 2;
pub const O_PATH: c_int = 0o10000000;
pub const MFD_CLOEXEC: c_uint = 1;
pub const PR_SET_NAME: c_int = 15;
/// `__O_TMPFILE | O_DIRECTORY`; the second differs between the two.
#[cfg(target_arch = "x86_64")]
pub const O_TMPFILE: c_int = 0o20200000;
#[cfg(target_arch = "aarch64")]
pub const O_TMPFILE: c_int = 0o20040000;

unsafe extern "C" {
    pub fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    pub fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    pub fn prctl(option: c_int, ...) -> c_int;
    // glibc's child shares the memory with the caller until it has become the
    // program (CLONE_VM, CLONE_VFORK), and hands this very pointer to execve.
    fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        argv: *const *const c_char,
        environment: *const *const c_char,
    ) -> c_int;
    pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn execv(path: *const c_char, argv: *const *const c_char) -> c_int;
    fn execveat(
        folder: c_int,
        path: *const c_char,
        argv: *const *const c_char,
        environment: *const *const c_char,
        flags: c_int,
    ) -> c_int;
    static environ: *const *const c_char;
}

/// The arguments after the program's name; ends it if there are too few.
pub fn arguments(usage: &str, at_least: usize) -> Vec<CString> {
    let args: Vec<CString> = std::env::args_os()
        .skip(1)
        .map(|arg: OsString| CString::new(arg.into_vec()).expect("an argument has no zero byte"))
        .collect();
    if args.len() < at_least {
        die(&format!("usage: {usage}"));
    }
    args
}

/// The file of a new descriptor; ends the program if the call failed.
pub fn file(fd: c_int, call: &str) -> File {
    if fd < 0 {
        die(&format!("{call}: {}", Error::last_os_error()));
    }
    // SAFETY: it was just opened, and nobody else has it.
    unsafe { File::from_raw_fd(fd) }
}

/// Becomes the program in an open file, with an empty path: execveat with
/// AT_EMPTY_PATH, never by way of /proc.
pub fn exec_descriptor(fd: c_int, argv: &[CString]) -> ! {
    exec_at(fd, c"", argv, AT_EMPTY_PATH)
}

/// Becomes the program at a path that begins at an open folder.
pub fn exec_at(folder: c_int, path: &CStr, argv: &[CString], flags: c_int) -> ! {
    let argv = pointers(argv);
    // SAFETY: the strings end with a zero byte, the list with a null pointer.
    unsafe { execveat(folder, path.as_ptr(), argv.as_ptr(), environ, flags) };
    die(&format!("execveat: {}", Error::last_os_error()))
}

/// Runs a program to its end; the status that waitpid gives, or `None` if it
/// could not be started.
///
/// # Safety
/// Both strings end with a zero byte. The bytes before it may change meanwhile.
pub unsafe fn run(path: *const c_char, argv0: *const c_char) -> Option<c_int> {
    let argv = [argv0, ptr::null()];
    let environment = [ptr::null()];
    let (mut pid, mut status) = (0, 0);
    // SAFETY: the caller's word for the strings; the lists end with a null
    // pointer, and the numbers are written before the calls return.
    let ended = unsafe {
        posix_spawn(
            &mut pid,
            path,
            ptr::null(),
            ptr::null(),
            argv.as_ptr(),
            environment.as_ptr(),
        ) == 0
            && waitpid(pid, &mut status, 0) == pid
    };
    ended.then_some(status)
}

/// Becomes the program at a path.
pub fn exec_path(path: &CStr, argv: &[CString]) -> ! {
    let argv = pointers(argv);
    // SAFETY: as above.
    unsafe { execv(path.as_ptr(), argv.as_ptr()) };
    die(&format!("execv: {}", Error::last_os_error()))
}

/// Ends the program with a message.
pub fn die(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}
