//! The programs in the running kernel, seen through their maps and their ring.

use crate::harness::{Named, tests};

mod verdict;

/// Every test here.
pub const TESTS: &[Named] = tests![
    verdict: the_programs_load_and_attach;
];
