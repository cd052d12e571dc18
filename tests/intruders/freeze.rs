//! freeze ID: freezes the BPF map of this number, for good.

mod libc;

use std::ffi::{c_int, c_long};

/// The same number on x86-64 alone; arm64 has another.
#[cfg(target_arch = "x86_64")]
const SYS_BPF: c_long = 321;
#[cfg(target_arch = "aarch64")]
const SYS_BPF: c_long = 280;
/// `BPF_MAP_GET_FD_BY_ID` and `BPF_MAP_FREEZE` of linux/bpf.h.
const GET_FD_BY_ID: c_int = 14;
const FREEZE: c_int = 22;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

fn main() {
    let args = libc::arguments("freeze ID", 1);
    let id: u32 = args[0].to_str().unwrap().parse().expect("ID is a number");
    let fd = bpf(GET_FD_BY_ID, [id, 0, 0]);
    bpf(FREEZE, [u32::try_from(fd).unwrap(), 0, 0]);
}

/// Both take a number at the beginning of their attributes.
fn bpf(command: c_int, attributes: [u32; 3]) -> c_long {
    // SAFETY: the attributes have the size that is told, and live until the call
    // returns.
    let told = unsafe { syscall(SYS_BPF, command, attributes.as_ptr(), size_of_val(&attributes)) };
    if told < 0 {
        libc::die(&format!("bpf({command}): {}", std::io::Error::last_os_error()));
    }
    told
}
