//! What is stopped, and what is let through: the intruder would make a file, and
//! the file is not there.

use super::container::Container;
use super::files::Folder;
use super::paths::{deep, into};
use super::watch::{Watch, watching, watching_with};
use agent_common::wire::mode::ENFORCE;
use agent_common::wire::{layer, stop};
use anyhow::{Context, Result, ensure};
use execwarden::kernel::{Permit, Sizes};
use execwarden::model::{Identity, Needs};
use std::fs;
use std::path::Path;
use testbed::{find_busybox, node};

/// A program that makes the file it is told to.
const TOUCH: &str = "/usr/bin/touch";

/// A container of which what is not listed is stopped.
fn blocking(watch: &mut Watch) -> Result<Container> {
    let web = watch.container(ENFORCE)?;
    watch.stop(&web, stop::UNLISTED)?;
    Ok(web)
}

/// Holds a container's counts: known, deviating, errors, and how many of these
/// were stopped.
fn check(watch: &Watch, web: &Container, expected: [u64; 4]) -> Result<()> {
    let counts = watch.kernel.accounting(web.slot());
    let found = [
        counts.known,
        counts.deviating,
        counts.errors,
        counts.blocked,
    ];
    ensure!(found == expected, "not {expected:?} but {counts:?}");
    let seen = watch.seen(web);
    let stopped = seen.iter().filter(|entry| entry.exec.stopped.is_some());
    let stopped: u64 = stopped.map(|entry| entry.count).sum();
    ensure!(stopped == expected[3], "{stopped} in the map: {counts:?}");
    Ok(())
}

pub fn what_is_not_listed_dies_before_its_first_instruction() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let mut web = blocking(watch)?;

        web.stopped(&format!("{TOUCH} {mark}"))?;
        web.stopped(&format!("{TOUCH} {mark}"))?;

        ensure!(!Path::new(&mark).exists(), "it ran");
        check(watch, &web, [0, 2, 0, 2])?;
        // A container's first exec is never refused, and what was is told apart.
        let kinds = if node::asks_before_execs() { 2 } else { 1 };
        ensure!(watch.seen(&web).len() == kinds);
        let rung = watch.rung(&web)?;
        let is_stopped = rung.iter().all(|exec| exec.stopped.is_some());
        ensure!(rung.len() == kinds && is_stopped, "{rung:?}");

        watch.allow(&web, &Identity::image(TOUCH))?;
        web.exec(&[TOUCH, &mark])?;
        ensure!(Path::new(&mark).exists(), "it did not run");
        check(watch, &web, [1, 2, 0, 2])?;

        // One that is not stopped is told apart from those that were.
        watch.disallow(&web)?;
        watch.stop(&web, 0)?;
        watch.raise_generation(&web)?;
        web.exec(&[TOUCH, &mark])?;
        check(watch, &web, [1, 3, 0, 2])
    })
}

pub fn b22_an_applet_dies_that_is_not_listed() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let multi = folder.at("box");
        fs::copy(
            find_busybox().context("there is no static busybox")?,
            &multi,
        )?;
        let mut web = blocking(watch)?;
        watch.allow(&web, &Identity::applet(&multi, "true"))?;
        watch.allow(&web, &Identity::image("/usr/bin/bash"))?;
        let run = |name: &str, rest: &str| format!("bash -c 'exec -a {name} {multi} {rest}'");

        web.sh(&run("true", ""), 2)?;
        for line in [
            run("touch", &mark),
            run("busybox", &format!("touch {mark}")),
        ] {
            web.stopped(&line)?;
            // bash itself ran.
            web.count(1);
        }

        ensure!(!Path::new(&mark).exists(), "it ran");
        check(watch, &web, [4, 2, 0, 2])
    })
}

pub fn b26_what_cannot_be_identified_dies() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let names = [200; 40];
        let path = deep(&folder, &names)?;
        let mut web = blocking(watch)?;
        watch.allow(&web, &Identity::image(&path))?;

        web.sh(&into(&folder, &names), 0)?;
        web.stopped("./hello")?;
        watch.expected.path_too_long += 1;

        check(watch, &web, [0, 0, 1, 1])
    })
}

/// What only the agent can decide: the arguments of a program.
fn under_a_condition(watch: &mut Watch, stops: u32) -> Result<(Folder, Container)> {
    let folder = Folder::new()?;
    let web = watch.container(ENFORCE)?;
    watch.stop(&web, stops)?;
    let identity = Identity::image(TOUCH);
    let permit = Permit {
        needs: Needs::ARGS,
        ..Permit::from(&identity)
    };
    watch.kernel.allow(web.slot(), &permit)?;
    Ok((folder, web))
}

pub fn what_has_to_be_looked_at_runs_until_it_was_refused() -> Result<()> {
    watching(|watch| {
        let (folder, mut web) = under_a_condition(watch, stop::UNLISTED)?;
        let (good, evil) = (folder.at("good"), folder.at("evil"));

        web.exec(&[TOUCH, &good])?;
        web.exec(&[TOUCH, &evil])?;
        for entry in watch.seen(&web) {
            let is_good = entry.exec.args.list.contains(&good.as_str().into());
            match is_good {
                true => watch.kernel.clear(web.slot(), 1, &entry.key)?,
                false => watch.kernel.refuse(web.slot(), 1, &entry.key)?,
            }
        }
        fs::remove_file(&evil)?;
        web.exec(&[TOUCH, &good])?;
        web.stopped(&format!("{TOUCH} {evil}"))?;

        ensure!(!Path::new(&evil).exists(), "it ran");
        check(watch, &web, [1, 3, 0, 1])
    })
}

pub fn what_has_to_be_looked_at_dies_until_it_was_cleared() -> Result<()> {
    watching(|watch| {
        let stops = stop::UNLISTED | stop::UNVERIFIED;
        let (folder, mut web) = under_a_condition(watch, stops)?;
        let good = folder.at("good");

        web.stopped(&format!("{TOUCH} {good}"))?;
        ensure!(!Path::new(&good).exists(), "it ran");
        let entry = watch.only_seen(&web)?;
        watch.kernel.clear(web.slot(), 1, &entry.key)?;
        web.exec(&[TOUCH, &good])?;

        check(watch, &web, [1, 1, 0, 1])
    })
}

pub fn what_a_pattern_may_cover_is_told_by_its_layer() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let image = 1 << (stop::LAYERS + layer::IMAGE);
        let volume = 1 << (stop::LAYERS + layer::VOLUME);
        for (layers, runs) in [(image, true), (volume, false)] {
            let mut web = watch.container(ENFORCE)?;
            watch.stop(&web, stop::UNLISTED | layers)?;
            let line = format!("{TOUCH} {mark}");

            if !runs {
                web.stopped(&line)?;
                check(watch, &web, [0, 1, 0, 1])?;
                continue;
            }
            web.sh(&line, 1)?;
            let entry = watch.only_seen(&web)?;
            watch.kernel.refuse(web.slot(), 1, &entry.key)?;
            web.stopped(&line)?;
            check(watch, &web, [0, 2, 0, 1])?;
        }
        Ok(())
    })
}

pub fn the_runtimes_own_hand_is_let_through() -> Result<()> {
    watching(|watch| {
        let mut web = blocking(watch)?;
        // So that the container has its first process.
        web.stopped("/usr/bin/true")?;

        web.exec_as_stage("/usr/bin/true")?;
        web.stopped_from_outside("/usr/bin/true")?;
        check(watch, &web, [0, 3, 0, 2])?;
        watch.stop(&web, stop::UNLISTED | stop::BUT_PROBES)?;
        web.exec_from_outside("/usr/bin/true")?;
        web.stopped("/usr/bin/true")?;

        check(watch, &web, [0, 5, 0, 3])
    })
}

pub fn a_container_that_is_spared_runs_what_it_likes() -> Result<()> {
    watching(|watch| {
        let mut web = blocking(watch)?;
        web.stopped("/usr/bin/true")?;

        watch.kernel.spare(web.id(), true)?;
        web.exec(&["/usr/bin/true"])?;
        watch.kernel.spare(web.id(), false)?;
        web.stopped("/usr/bin/true")?;

        check(watch, &web, [0, 3, 0, 2])
    })
}

pub fn what_found_no_place_in_the_allowlist_dies() -> Result<()> {
    let sizes = Sizes {
        allow: 1,
        ..Sizes::default()
    };
    watching_with(sizes, |watch| {
        let folder = Folder::new()?;
        let (first, second) = (folder.hello("first")?, folder.hello("second")?);
        let mut web = blocking(watch)?;
        watch.allow(&web, &Identity::image(&first))?;
        let full = watch.allow(&web, &Identity::image(&second));
        ensure!(full.is_err(), "there was room for two");

        web.exec(&[&first])?;
        web.stopped(&second)?;

        check(watch, &web, [1, 1, 0, 1])
    })
}

pub fn b24_what_finds_ring_and_quota_full_dies_all_the_same() -> Result<()> {
    const EXECS: u64 = 400;
    let sizes = Sizes {
        ring: 4096,
        quota: EXECS / 2,
        ..Sizes::default()
    };
    watching_with(sizes, |watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let mut web = blocking(watch)?;
        for n in 0..EXECS {
            let copy = folder.at(&format!("copy-{n}"));
            fs::hard_link(TOUCH, &copy).or_else(|_| fs::copy(TOUCH, &copy).map(drop))?;
            web.stopped(&format!("{copy} {mark}"))?;
        }
        watch.expected.ring_full = true;

        ensure!(!Path::new(&mark).exists(), "one ran");
        let losses = watch.kernel.losses();
        ensure!(losses.ring_full > 0, "{losses:?}");
        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts.blocked == EXECS, "{counts:?}");
        let usage = watch.kernel.usage(web.slot());
        ensure!(usage.overflowed == EXECS / 2, "{usage:?}");
        Ok(())
    })
}
