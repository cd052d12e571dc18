//! The node's tests: the programs in the running kernel, and the agent with
//! real containers. One binary, one test after the other: they share the
//! machine's kernel, and count every exec.

#[path = "../kube/server.rs"]
#[expect(dead_code, reason = "its bad answers are for the tests beside it")]
mod api_server;
mod containers;
#[path = "../cri/runtime.rs"]
mod cri;
#[path = "../engine/server.rs"]
mod engine;
mod engines;
mod harness;
mod kernel;
mod kubernetes;
mod machine;
mod meddler;
mod software;
mod watchdog;

use engines::{DOCKER, PODMAN};
use execwarden::kernel::ExecHooks;
use harness::Group;
use software::SOFTWARE;
use std::env;
use std::process::ExitCode;

/// How `cargo xtask vm` started this machine; not set on any other.
const BOOT: &str = "EXECWARDEN_BOOT";

const KERNEL: [Group; 2] = [("kernel", kernel::TESTS), ("kernel", kernel::OTHERS)];
const STAND_IN: [Group; 2] = [
    ("stand_in", kernel::JUDGED_BY_STAND_IN),
    ("stand_in", kernel::BOTH),
];
const CONTAINERS: Group = ("containers", containers::TESTS);

fn main() -> ExitCode {
    let Some(boot) = env::var_os(BOOT) else {
        return harness::run(
            &[
                &KERNEL[..],
                &STAND_IN,
                &[CONTAINERS, SOFTWARE, PODMAN, DOCKER],
            ]
            .concat(),
        );
    };
    match boot.to_str() {
        Some("usual") => harness::run(&usual()),
        Some("modules") => harness::run(&[("modules", machine::MODULES)]),
        Some("kubernetes") => harness::run(&kubernetes::GROUPS),
        Some("without_lsm") => harness::run(&[("without_lsm", kernel::TESTS)]),
        Some("v1") => harness::run_as_it_is(&[("v1", machine::V1)]),
        _ => {
            eprintln!(
                "error: {BOOT} is {boot:?}; there are usual, modules, without_lsm, v1 and kubernetes"
            );
            ExitCode::FAILURE
        }
    }
}

/// Engines say the same on every kernel, and are not on the machine's disk.
fn usual() -> Vec<Group> {
    let mut groups = KERNEL.to_vec();
    groups.extend([CONTAINERS, ("machine", machine::USUAL)]);
    if ExecHooks::of_this_kernel() != ExecHooks::Program {
        groups.extend(STAND_IN);
        groups.push(("stand_in", machine::USUAL_BY_STAND_IN));
    }
    groups
}
