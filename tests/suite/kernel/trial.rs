//! What `execwarden doctor` does to the kernel: nothing that stays.

use super::files::Folder;
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Context, Result, ensure};
use execwarden::kernel::{Sizes, try_programs};
use execwarden::model::Identity;
use std::collections::BTreeMap;
use std::fs;

pub fn what_is_only_tried_disturbs_nobody_and_leaves_nothing() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        let held = held_of_bpf()?;

        web.exec(&[&hello])?;
        let trials = try_programs(Sizes::default())?;
        web.exec(&[&hello])?;

        let tried = trials.programs.iter().map(|trial| trial.tracepoint);
        let refusal = trials.refusal.is_ok().then_some("bprm_check_security");
        // What an option alone brings is not tried.
        let attached = watch.kernel.programs().into_iter();
        let attached = attached.filter(|program| program.tracepoint != "mmap_file");
        ensure!(
            { tried.chain(refusal) }.eq(attached.map(|program| program.tracepoint)),
            "{trials:?}"
        );
        let is_ok = trials.programs.iter().all(|trial| trial.outcome.is_ok());
        ensure!(is_ok, "{trials:?}");
        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts.seen == 2 && counts.known == 2, "{counts:?}");
        // Programs, maps and links live as long as somebody holds them.
        let left = held_of_bpf()?;
        ensure!(left == held, "before: {held:?}, after: {left:?}");
        Ok(())
    })
}

/// How many programs, maps and links this process holds, by their kind.
fn held_of_bpf() -> Result<BTreeMap<String, usize>> {
    let mut held = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").context("cannot read /proc/self/fd")? {
        // The folder's own descriptor is gone when it is looked at.
        let Ok(file) = fs::read_link(entry?.path()) else {
            continue;
        };
        let name = file.to_string_lossy();
        if name.starts_with("anon_inode:") && name.contains("bpf") {
            *held.entry(name.into_owned()).or_default() += 1;
        }
    }
    ensure!(!held.is_empty(), "the test's own programs are not found");
    Ok(held)
}
