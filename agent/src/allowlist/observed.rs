//! What an allowlist is asked about.

use crate::model::{Exec, Identity, Inspection};

/// One exec with all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// What was run: that of `exec`, its role decided.
    pub identity: &'a Identity,
    /// What the kernel saw.
    pub exec: &'a Exec,
    /// What the files contained.
    pub inspection: &'a Inspection,
}
