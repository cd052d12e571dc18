//! Systemd units as workloads.

use super::expect::brief;
use super::scene::{ELEMENT, PATIENCE, Scene, window, workload_in};
use anyhow::{Context, Result, ensure};
use testbed::{Cgroup, unique_name};

pub fn a_unit_learns_and_is_enforced() -> Result<()> {
    let scene = Scene::new()?;
    let service = format!("{}.service", unique_name());
    let agent = scene.agent(&["--host", "--automatic", &window(3)])?;
    let unit = Cgroup::named(&format!("/system.slice/{service}"))?;
    let workload = format!("unit/{service}");
    let run = |program: &str| -> Result<()> {
        let output = unit.command(program).output().context("cannot start sh")?;
        ensure!(output.status.success(), "{program}: {output:?}");
        Ok(())
    };

    run("/bin/true")?;
    let learning = agent.status()?;
    let enforced = agent.wait_for("the unit to be enforced", PATIENCE, |status| {
        workload_in(status, &workload).is_some_and(|unit| unit["mode"] == "enforce")
    })?;
    run("/bin/true")?;
    run("/bin/date")?;

    for (status, mode) in [(&learning, "learn"), (&enforced, "enforce")] {
        let found = workload_in(status, &workload).map(|unit| &unit["mode"]);
        ensure!(found.is_some_and(|found| found == mode), "{found:?}");
    }
    scene.finish_with(agent, |records| {
        let told: Vec<_> = records
            .iter()
            .filter(|record| record.parameter(ELEMENT, "workload") == Some(&workload))
            .map(brief)
            .collect();
        ensure!(told == ["unlisted /usr/bin/date"], "{told:?}");
        Ok(())
    })
}
