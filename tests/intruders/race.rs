//! race TIMES PATH: runs the program at PATH that often, while a second thread
//! turns the path's last byte from `0` to `1` and back without a pause. The
//! program at PATH0 has to end with status 0, the one at PATH1 with 1.
//!
//! Prints how often each ran, and how often it was not the one whose path was
//! in the buffer when the call began: "ZEROS ONES CROSSED".

#[path = "libc/mod.rs"]
mod libc;

use std::ffi::c_char;
use std::sync::atomic::{AtomicU8, Ordering};

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(times), Some(path)) = (args.next().and_then(|it| it.parse().ok()), args.next())
    else {
        eprintln!("usage: race TIMES PATH");
        std::process::exit(2);
    };
    let buffer: &'static [AtomicU8] = path
        .bytes()
        .chain(*b"0\0")
        .map(AtomicU8::new)
        .collect::<Vec<_>>()
        .leak();
    let last = &buffer[path.len()];
    std::thread::spawn(|| {
        loop {
            last.fetch_xor(b'0' ^ b'1', Ordering::Relaxed);
        }
    });

    let (mut ran, mut crossed) = ([0u32; 2], 0u32);
    for _ in 0..times {
        let meant = last.load(Ordering::Relaxed) - b'0';
        let status = run(buffer.as_ptr().cast());
        ran[usize::from(status)] += 1;
        crossed += u32::from(status != meant);
    }
    println!("{} {} {crossed}", ran[0], ran[1]);
}

/// The status, 0 or 1, with which the program at the path ended.
fn run(path: *const c_char) -> u8 {
    // SAFETY: the path ends with a zero byte whatever its last letter is.
    let status = unsafe { libc::run(path, c"raced".as_ptr()) };
    // Ended by itself: the low byte is zero, the next one is the status.
    match status {
        Some(0) => 0,
        Some(0x100) => 1,
        _ => panic!("it did not run, or ended with {status:x?}"),
    }
}
