//! Two programs at every exec, of which one judges it.

use super::floods::storms;
use super::watch::Watch;
use anyhow::Result;
use execwarden::kernel::{ExecHooks, Sizes};

/// In whatever order the kernel calls them: that in which somebody, on the
/// whole node, came to ask for perf's form of the event.
pub fn an_exec_is_judged_once_whichever_comes_first() -> Result<()> {
    for stand_in_comes_first in [false, true] {
        let sizes = Sizes::default();
        let first = stand_in_comes_first
            .then(|| Watch::begin(sizes, ExecHooks::StandIn))
            .transpose()?;
        let mut watch = Watch::begin(sizes, ExecHooks::Both)?;

        let containers = storms(&mut watch)?;

        drop(containers);
        watch.end()?;
        drop(first);
    }
    Ok(())
}
