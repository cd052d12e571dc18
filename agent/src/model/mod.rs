//! The words of the project as types: who ran ([`WorkloadId`], [`CgroupId`]),
//! what ran ([`Identity`], [`Layer`]), and what is said of it ([`Reason`]).
//!
//! Values only: nothing here knows a kernel, a clock or a socket.

mod duration;
mod exec;
mod identity;
mod ids;
mod reason;
mod untrusted;
mod workload;

pub use duration::{DurationError, format_duration, parse_duration};
pub use exec::{Exec, Origin};
pub use identity::{Identity, Layer, UnknownLayer};
pub use ids::{CgroupId, ContainerId, Slot};
pub use reason::Reason;
pub use untrusted::Untrusted;
pub use workload::{Runtime, WorkloadId};
