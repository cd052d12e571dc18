//! The agent under a real containerd, which is driven over CRI as kubelet does
//! it. `cargo xtask vm --kernel 6.1 kubernetes` runs these: containerd wants a
//! machine of its own.
//!
//! - [`containerd`]: the runtime, and images for it
//! - [`kubelet`]: who makes pods
//! - [`node`]: both, an agent's folders and a receiver
//! - [`naming`], [`lives`], [`daemonset`]: the tests

mod containerd;
mod daemonset;
mod kubelet;
mod lives;
mod messages;
mod naming;
mod node;

use crate::containers::scene::sha256;
use crate::harness::{Named, tests};

/// Every test here.
pub const TESTS: &[Named] = tests![
    daemonset: the_agent_runs_as_a_pod;
    naming: a_replica_of_a_deployment_is_named, a_static_pod_is_named_without_its_node,
        a_debug_container_is_reported_from_its_first_exec,
        containers_of_crun_are_named, two_hundred_containers_of_a_moment_are_named;
    lives: replicas_share_what_they_learn, init_containers_learn_for_themselves,
        a_restarted_container_is_of_the_same_workload, a_runtime_that_restarts_loses_nothing,
        an_agent_that_restarts_goes_on, a_new_image_is_held_to_the_same_list;
];
