//! More than there is room for: what is lost is counted, and only what may be.

use super::container::Container;
use super::files::Folder;
use super::watch::{Watch, watching, watching_with};
use agent_common::wire::ExecRecord;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Context, Result, ensure};
use execwarden::kernel::Sizes;
use execwarden::model::Identity;
use std::collections::HashSet;
use std::fs;

pub fn b24_a_full_ring_loses_nothing() -> Result<()> {
    const EXECS: u64 = 5_000;
    let sizes = Sizes {
        ring: 4096,
        quota: EXECS,
        ..Sizes::default()
    };
    watching_with(sizes, |watch| {
        let folder = Folder::new()?;
        let mut web = watch.container(ENFORCE)?;

        run_distinct(&mut web, &folder, EXECS)?;
        watch.expected.ring_full = true;

        let losses = watch.kernel.losses();
        ensure!(losses.ring_full > 0, "{losses:?}");
        let seen = watch.seen(&web);
        let paths: HashSet<_> = seen.iter().map(|entry| &entry.exec.identity.file).collect();
        ensure!(paths.len() as u64 == EXECS, "{} distinct", paths.len());
        ensure!(seen.iter().all(|entry| entry.count == 1));
        Ok(())
    })
}

pub fn the_ring_remembers_how_full_it_was() -> Result<()> {
    const RING: u32 = 1 << 16;
    // Longer than any of these records, with its file and its folder.
    const RECORD: u64 = 2048;
    // More than it holds, even if each record were as small as can be.
    const EXECS: u64 = RING as u64 / size_of::<ExecRecord>() as u64;
    let sizes = Sizes {
        ring: RING,
        quota: EXECS,
        ..Sizes::default()
    };
    watching_with(sizes, |watch| {
        let folder = Folder::new()?;
        let mut web = watch.container(ENFORCE)?;
        let peak = |watch: &Watch| watch.kernel.losses().ring_peak;

        web.exec(&[&folder.hello("first")?])?;
        let first = peak(watch);
        ensure!(first >= size_of::<ExecRecord>() as u64, "{first}");
        // Who empties the ring does not lower the mark.
        watch.rung(&web)?;
        ensure!(peak(watch) >= first, "{} after {first}", peak(watch));

        run_distinct(&mut web, &folder, EXECS)?;
        watch.expected.ring_full = true;
        let losses = watch.kernel.losses();
        ensure!(losses.ring_full > 0, "{losses:?}");
        let left = u64::from(RING).checked_sub(losses.ring_peak);
        let left = left.context("more than there is room for")?;
        ensure!(left < RECORD, "{left} bytes were left: {losses:?}");

        watch.rung(&web)?;
        ensure!(peak(watch) >= losses.ring_peak, "{}", peak(watch));
        Ok(())
    })
}

pub fn b25_what_is_over_the_quota_is_counted_and_hides_nobody_else() -> Result<()> {
    const QUOTA: u64 = 16;
    let sizes = Sizes {
        quota: QUOTA,
        ..Sizes::default()
    };
    watching_with(sizes, |watch| {
        let folder = Folder::new()?;
        let hello = folder.hello("hello")?;
        let mut loud = watch.container(ENFORCE)?;
        let mut quiet = watch.container(ENFORCE)?;

        run_distinct(&mut loud, &folder, 40)?;
        quiet.exec(&[&hello])?;
        // What has its place keeps counting.
        let first = watch.seen(&loud)[0].exec.identity.file.clone();
        loud.exec(&[first.as_plain_str().unwrap_or("")])?;

        let usage = watch.kernel.usage(loud.slot());
        ensure!(usage.inserted == QUOTA, "{usage:?}");
        ensure!(usage.overflowed == 40 - QUOTA, "{usage:?}");
        let counts = watch.kernel.accounting(loud.slot());
        ensure!(counts.deviating == 41, "{counts:?}");
        ensure!(watch.only_seen(&quiet)?.count == 1);
        ensure!(watch.kernel.usage(quiet.slot()).overflowed == 0);
        Ok(())
    })
}

pub fn every_cpu_counts_and_one_of_them_is_first() -> Result<()> {
    watching(|watch| {
        let (_folder, web) = storms(watch)?;

        ensure!(watch.rung(&web)?.len() == 1, "told more than once");
        Ok(())
    })
}

/// Four storms at once in one container, two of a program that it may run and
/// two of one that it may not; fails unless each exec of them is counted once.
pub fn storms(watch: &mut Watch) -> Result<(Folder, Container)> {
    let folder = Folder::new()?;
    let (new, known) = (folder.hello("new")?, folder.hello("known")?);
    let storm = folder.intruder("storm", "storm")?;
    let mut web = watch.container(ENFORCE)?;
    for path in [&known, &storm] {
        watch.allow(&web, &Identity::image(path))?;
    }

    let storms = format!("{storm} 300 {new} & {storm} 300 {known} &");
    let ended = web.sh(&format!("{storms} {storms} wait"), 4 + 4 * 300)?;

    ensure!(ended == ["300"; 4].join("\n"), "{ended}");
    let told = watch.only_seen(&web)?.count;
    let counts = watch.kernel.accounting(web.slot());
    ensure!(
        (counts.known, counts.deviating, told) == (604, 600, 600),
        "{told} in the map: {counts:?}"
    );
    Ok((folder, web))
}

pub fn no_run_of_a_program_is_missed() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mut web = watch.container(ENFORCE)?;

        run_distinct(&mut web, &folder, 100)?;

        ensure!(watch.kernel.missed() == 0);
        Ok(())
    })
}

/// Runs one file under that many names.
fn run_distinct(container: &mut Container, folder: &Folder, execs: u64) -> Result<()> {
    let file = folder.hello("file")?;
    let names = folder.at("names");
    fs::create_dir(&names)?;
    for number in 0..execs {
        fs::hard_link(&file, format!("{names}/{number}"))?;
    }
    container.sh(
        &format!("for name in {names}/*; do $name >&8 || return; done"),
        execs,
    )?;
    Ok(())
}
