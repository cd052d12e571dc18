//! What only a machine of one's own can show: these tests change what a whole
//! kernel shares, or want it started in another way. `cargo xtask vm` runs them,
//! and says in `EXECWARDEN_BOOT` how it started the kernel.
//!
//! - [`roads`]: other roads to an exec than a 64-bit program that calls it
//! - [`v1`]: no cgroup v2
//! - [`modules`]: other security modules

mod modules;
mod roads;
mod v1;

use crate::containers;
use crate::harness::{Named, by_stand_in, tests};
use crate::kernel;

/// A kernel as distributions start it, with cgroup v2 alone.
pub const USUAL: &[Named] = tests![
    roads: b34_a_32_bit_program_and_what_it_runs_are_seen,
        b34_a_handler_of_core_dumps_is_seen_on_the_host,
        b34_a_helper_of_the_kernels_is_seen_on_the_host,
        b04_a_registered_format_is_its_file_and_its_interpreter,
        b04_a_format_with_its_interpreter_open_is_an_error;
    modules: a_kernel_that_has_bpf_lsm_asks_before_execs;
];

/// The same, judged by the stand-in; it cannot tell a file whose interpreter was
/// open.
pub const USUAL_BY_STAND_IN: &[Named] = by_stand_in![
    roads: b34_a_32_bit_program_and_what_it_runs_are_seen,
        b04_a_registered_format_is_its_file_and_its_interpreter;
];

/// Hierarchies of cgroup v1, and no other.
pub const V1: &[Named] = tests![
    v1: b18_the_agent_refuses_a_node_without_cgroup_v2;
];

/// Security modules that distributions do not start with, BPF's among them, and
/// the tests that would notice.
pub const MODULES: &[Named] = &[
    ("they_are_active", modules::they_are_active),
    (
        "verdicts",
        kernel::verdict::a_second_exec_is_known_without_asking_the_allowlist,
    ),
    (
        "layers",
        kernel::layers::a_file_of_the_image_is_image_and_one_written_later_is_upper,
    ),
    (
        "memory",
        kernel::fileless::b07_memfd_is_memory_whatever_its_name,
    ),
    (
        "scripts",
        kernel::scripts::an_allowed_script_allows_no_other_and_not_its_interpreter,
    ),
    (
        "blocking",
        kernel::refusals::what_may_run_under_no_name_is_refused_where_the_kernel_asks,
    ),
    (
        "containers",
        containers::modes::a_written_document_is_enforced,
    ),
];
