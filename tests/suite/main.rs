//! The node's tests: the programs in the running kernel, and the agent with
//! real containers. One binary, one test after the other: they share the
//! machine's kernel, and count every exec.

mod containers;
mod harness;
mod kernel;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(&[("kernel", kernel::TESTS), ("containers", containers::TESTS)])
}
