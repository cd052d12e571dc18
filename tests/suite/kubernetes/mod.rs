//! The agent under a real containerd, which is driven over CRI as kubelet does
//! it. `cargo xtask vm --kernel 6.1 kubernetes` runs these: containerd wants a
//! machine of its own, and one of kubelet's two drivers a systemd to ask.
//!
//! - [`containerd`]: the runtime, and images for it
//! - [`driver`]: who makes the cgroups of pods
//! - [`kubelet`]: who makes pods
//! - [`node`]: all of them, an agent's folders and a receiver
//! - [`naming`], [`lives`], [`blocking`], [`daemonset`]: the tests
//! - [`unit`]: the agent beside all that, as a unit of the same systemd's

mod blocking;
mod containerd;
mod daemonset;
mod driver;
mod kubelet;
mod lives;
mod messages;
mod naming;
mod node;
mod unit;

use crate::containers::scene::sha256;
use crate::harness::{Group, Named, Test, tests};
use driver::Driver;

/// Every test here.
pub const GROUPS: [Group; 3] = [
    ("kubernetes::systemd", BY_SYSTEMD),
    ("kubernetes::cgroupfs", BY_CGROUPFS),
    ("kubernetes", BY_ONE),
];

/// Those that are about what no driver has a part in.
const BY_ONE: &[Named] = tests![
    blocking: a_hundred_containers_start_and_an_intruder_does_not;
    unit: the_agent_runs_as_a_unit;
    naming: a_debug_container_is_reported_from_its_first_exec;
    lives: replicas_share_what_they_learn, init_containers_learn_for_themselves,
        a_restarted_container_is_of_the_same_workload,
        a_new_image_is_held_to_the_same_list;
];

/// Those that meet cgroups by their names, with each driver.
macro_rules! by_each_driver {
    ($($module:ident: $($test:ident),+;)*) => {
        const BY_CGROUPFS: &[Named] = &[$($((
            stringify!($test),
            (|| $module::$test(Driver::Cgroupfs)) as Test,
        )),+),*];
        const BY_SYSTEMD: &[Named] = &[$($((
            stringify!($test),
            (|| $module::$test(Driver::Systemd)) as Test,
        )),+),*];
    };
}

by_each_driver![
    daemonset: the_agent_runs_as_a_pod;
    naming: a_replica_of_a_deployment_is_named, a_static_pod_is_named_without_its_node,
        containers_of_crun_are_named, two_hundred_containers_of_a_moment_are_named;
    lives: a_runtime_that_restarts_loses_nothing, an_agent_that_restarts_goes_on;
];
