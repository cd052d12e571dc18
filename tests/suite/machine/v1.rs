//! A node without cgroup v2.

use crate::containers::refusals::{agent, check};
use crate::containers::scene::Scene;
use anyhow::Result;

pub fn b18_the_agent_refuses_a_node_without_cgroup_v2() -> Result<()> {
    let scene = Scene::new()?;

    check(
        agent(&scene)?,
        "cgroup v2 is not mounted; boot with systemd.unified_cgroup_hierarchy=1, or mount it: ",
    )
}
