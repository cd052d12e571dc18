//! Two programs at every exec, of which one judges it.

use super::files::Folder;
use super::watch::Watch;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::kernel::{ExecHooks, Sizes};
use execwarden::model::Identity;

/// In whatever order the kernel calls them: that in which somebody, on the
/// whole node, came to ask for perf's form of the event.
pub fn an_exec_is_judged_once_whichever_comes_first() -> Result<()> {
    for stand_in_comes_first in [false, true] {
        let sizes = Sizes::default();
        let first = stand_in_comes_first
            .then(|| Watch::begin(sizes, ExecHooks::StandIn))
            .transpose()?;
        let mut watch = Watch::begin(sizes, ExecHooks::Both)?;
        let folder = Folder::new()?;
        let (new, known) = (folder.hello("new")?, folder.hello("known")?);
        let storm = folder.intruder("storm", "storm")?;
        let mut web = watch.container(ENFORCE)?;
        for path in [&known, &storm] {
            watch.allow(&web, &Identity::image(path))?;
        }

        let storms = format!("{storm} 300 {new} & {storm} 300 {known} &");
        web.sh(&format!("{storms} {storms} wait"), 4 + 4 * 300)?;

        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (604, 600), "{counts:?}");
        ensure!(watch.only_seen(&web)?.count == 600);
        drop(web);
        watch.end()?;
        drop(first);
    }
    Ok(())
}
