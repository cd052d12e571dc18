//! The programs in the running kernel, seen through their maps and their ring.
//! Every test loads its own, and ends with the counts held against the execs
//! that it made: exactly.

mod container;
mod files;
mod verdict;
mod watch;

use crate::harness::{Named, tests};

/// Every test here.
pub const TESTS: &[Named] = tests![
    verdict:
        a_known_exec_is_counted_and_nothing_more,
        a_second_exec_is_known_without_asking_the_allowlist,
        a_new_exec_is_told_once_and_then_counted,
        a_deviation_carries_its_evidence,
        a_written_file_is_judged_anew,
        a_file_that_was_only_looked_at_stays_known,
        a_new_generation_forgets_every_verdict,
        what_is_switched_off_is_counted_as_ignored;
];
