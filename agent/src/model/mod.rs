//! The words of the project as types: who ran ([`WorkloadId`], [`CgroupId`]),
//! what ran ([`Identity`], [`Layer`]), and what is said of it ([`Reason`]).
//!
//! Values only: nothing here knows a kernel, a clock or a socket.

mod canary;
mod container_kind;
mod digest;
mod duration;
mod exec;
mod exec_counts;
mod identity;
mod ids;
mod inspection;
mod libraries;
mod needs;
mod own_name;
mod put_in;
mod reason;
mod tampering;
mod untrusted;
mod workload;

pub use canary::CanaryResult;
pub use container_kind::ContainerKind;
pub use digest::{BadDigest, Digest};
pub use duration::{DurationError, format_duration, parse_duration};
pub use exec::{Ancestor, Args, Called, Exec, FileState, Origin, Stopped};
pub use exec_counts::ExecCounts;
pub use identity::{Identity, Layer, Role, Script, UnknownLayer};
pub use ids::{CgroupId, ContainerId, Slot};
pub use inspection::{Content, Inspection};
pub use libraries::Libraries;
pub use needs::Needs;
pub use own_name::{is_own_name, last_component, own_names};
pub use put_in::PutIn;
pub use reason::Reason;
pub use tampering::{Meddling, Tampering};
pub use untrusted::Untrusted;
pub use workload::{Runtime, WorkloadId};
