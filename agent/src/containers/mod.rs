//! Where containers are, and what they are called.

mod cgroup_path;

pub use cgroup_path::{CgroupName, Recognised, recognise};
