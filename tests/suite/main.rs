//! The node's tests: the programs in the running kernel, and the agent with
//! real containers. One binary, one test after the other: they share the
//! machine's kernel, and count every exec.

mod containers;
mod harness;
mod kernel;
mod machine;
mod watchdog;

use harness::Group;
use std::env;
use std::process::ExitCode;

/// How `cargo xtask vm` started this machine; not set on any other.
const BOOT: &str = "EXECWARDEN_BOOT";

const KERNEL: Group = ("kernel", kernel::TESTS);
const CONTAINERS: Group = ("containers", containers::TESTS);

fn main() -> ExitCode {
    let Some(boot) = env::var_os(BOOT) else {
        return harness::run(&[KERNEL, CONTAINERS]);
    };
    match boot.to_str() {
        Some("usual") => harness::run(&[KERNEL, CONTAINERS, ("machine", machine::USUAL)]),
        Some("modules") => harness::run(&[("modules", machine::MODULES)]),
        Some("v1") => harness::run_as_it_is(&[("v1", machine::V1)]),
        _ => {
            eprintln!("error: {BOOT} is {boot:?}; there are usual, modules and v1");
            ExitCode::FAILURE
        }
    }
}
