//! What tests, the demo and the benchmarks stand on: real containers on
//! overlayfs ([`Container`]), real syslog receivers ([`Rsyslogd`], [`syslog_ng`]), a real
//! monitoring system ([`Prometheus`]), the built agent as a process ([`Agent`]), real
//! software and its clients ([`software`]), and programs that do what an intruder
//! would ([`intruders`]).
//!
//! Everything here cleans up after itself when it is dropped. Call [`node::enter`]
//! first: it gives the process mounts of its own, which end with it.

pub mod agent;
pub mod cgroup;
pub mod container;
pub mod dashboard;
pub mod docker;
pub mod intruders;
pub mod manifests;
pub mod minisign;
pub mod node;
mod places;
pub mod podman;
pub mod prometheus;
pub mod promql;
pub mod rootfs;
pub mod rsyslogd;
pub mod software;
pub mod statistics;
pub mod syslog_ng;
mod until;

pub use agent::{Agent, Home, binary};
pub use cgroup::{Cgroup, is_ours, unique_name};
pub use container::Container;
pub use docker::Docker;
pub use places::{BpfFs, find_busybox, find_program, find_unpacked, target_folder};
pub use podman::Podman;
pub use prometheus::Prometheus;
pub use rootfs::{Image, Rootfs};
pub use rsyslogd::{Record, Rsyslogd};
pub use software::Software;
pub use statistics::Median;
pub use until::{patience, until};
