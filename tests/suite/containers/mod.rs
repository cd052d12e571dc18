//! The agent with real containers.

use crate::harness::Named;

/// Every test here.
pub const TESTS: &[Named] = &[];
