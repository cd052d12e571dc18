//! reborn TIMES FOLDER: runs FOLDER/1 to FOLDER/TIMES one after the other, each
//! as the user of that number and each under the one process id that the first
//! had (clone3 with set_tid). Prints for each "NUMBER PID".

mod libc;

use std::ffi::{CString, c_long};

/// `struct clone_args` of linux/sched.h, in its version of 5.5.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}

/// The same number everywhere.
const SYS_CLONE3: c_long = 435;
const SIGCHLD: u64 = 17;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn setresuid(real: u32, effective: u32, saved: u32) -> i32;
}

fn main() {
    let args = libc::arguments("reborn TIMES FOLDER", 2);
    let times: u32 = args[0].to_str().unwrap().parse().expect("TIMES is a number");
    let folder = args[1].to_str().expect("the folder is no text");
    let mut pid = 0;
    for number in 1..=times {
        let program = CString::new(format!("{folder}/{number}")).unwrap();
        let mut born = bear(&program, number, pid);
        if born < 0 {
            // Somebody else has that number now: on with another.
            born = bear(&program, number, 0);
        }
        if born < 0 {
            libc::die(&format!("clone3: {}", std::io::Error::last_os_error()));
        }
        pid = born;
        let mut status = 0;
        // SAFETY: the number is written before the call returns.
        if unsafe { libc::waitpid(pid, &mut status, 0) } != pid || status != 0 {
            libc::die(&format!("{number} ended with {status:#x}"));
        }
        println!("{number} {pid}");
    }
}

/// Starts a program; under this process id, unless it is 0. Negative where that
/// could not be.
fn bear(program: &CString, user: u32, pid: i32) -> i32 {
    let set_tid = [pid];
    let args = CloneArgs {
        exit_signal: SIGCHLD,
        set_tid: if pid == 0 { 0 } else { set_tid.as_ptr() as u64 },
        set_tid_size: u64::from(pid != 0),
        ..CloneArgs::default()
    };
    // SAFETY: as fork: the child goes on with a copy of everything, in a
    // program of one thread.
    match unsafe { syscall(SYS_CLONE3, &args, size_of::<CloneArgs>()) } {
        0 => {
            // SAFETY: plain numbers.
            if unsafe { setresuid(user, user, user) } != 0 {
                libc::die("setresuid failed");
            }
            libc::exec_path(program, std::slice::from_ref(program))
        }
        born => born as i32,
    }
}
