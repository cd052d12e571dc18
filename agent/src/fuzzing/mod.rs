//! What fuzzing tries: one function per target, here or, where it needs what
//! nobody else may see, beside what it tries.
//!
//! A target takes bytes that a fuzzer chose and panics where something does not
//! hold. `fuzz/` runs each with new bytes, and a test here with those in
//! `fuzz/corpus`; fuzz/README.md says what each target holds.

mod allowlist;
mod cgroup_path;
mod foreign;
mod kernel_event;
mod source;

pub use crate::alert::fuzzing::{alert_json, alert_rfc5424};
pub use crate::containers::cri::fuzzing::cri_reply;
pub use crate::control::server::fuzzing::control_request;
pub use allowlist::allowlist;
pub use cgroup_path::cgroup_path;
pub use foreign::foreign;
pub use kernel_event::kernel_event;
pub(crate) use source::Source;

#[cfg(test)]
mod corpora;
