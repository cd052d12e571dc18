//! nothing: ends at once, without even a runtime's start: what is measured
//! around it is the exec and not the program.
#![no_main]

/// Called by the C library's start.
// SAFETY: there is no other `main`.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    0
}
