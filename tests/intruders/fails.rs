//! fails: ends at once with status 1, which is how it says that it was it that
//! ran, and not `nothing`, which ends with 0.
#![no_main]

/// Called by the C library's start.
// SAFETY: there is no other `main`.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    1
}
