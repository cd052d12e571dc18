//! What is refused where the kernel asks before an exec, with BPF LSM active, and
//! dies on every other kernel; and what dies on both.

use super::container::Container;
use super::files::Folder;
use super::watch::{Watch, watching};
use agent_common::wire::mode::ENFORCE;
use agent_common::wire::stop;
use anyhow::{Context, Result, ensure};
use execwarden::kernel::Permit;
use execwarden::model::{Exec, Identity, Layer, Needs, Role, Stopped, Untrusted};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use testbed::{find_busybox, intruders, node};

/// A program that makes the file it is told to.
const TOUCH: &str = "/usr/bin/touch";
const BASH: &str = "/usr/bin/bash";

/// A container of which what is not listed is stopped. It has run something: its mount
/// namespace is known.
fn blocking(watch: &mut Watch) -> Result<Container> {
    const FIRST: &str = "/usr/bin/true";

    let mut web = watch.container(ENFORCE)?;
    watch.allow(&web, &Identity::image(FIRST))?;
    web.exec(&[FIRST])?;
    watch.stop(&web, stop::UNLISTED)?;
    Ok(web)
}

/// How a kernel stops what may run under no name and no condition.
fn usual() -> Stopped {
    match node::asks_before_execs() {
        true => Stopped::Refused,
        false => Stopped::Killed,
    }
}

/// Holds that so many execs of a container were known, and so many stopped, all of them
/// in this way; what the map has of them.
fn check(
    watch: &Watch,
    web: &Container,
    how: Stopped,
    [known, execs]: [u64; 2],
) -> Result<Vec<Exec>> {
    let seen = watch.seen(web);
    let stopped = seen.iter().filter(|entry| entry.exec.stopped == Some(how));
    let told: u64 = stopped.map(|entry| entry.count).sum();
    let counts = watch.kernel.accounting(web.slot());
    let seen: Vec<Exec> = seen.into_iter().map(|entry| entry.exec).collect();
    ensure!(
        told == execs && counts.blocked == execs && counts.deviating == execs,
        "not {execs} that were {how:?}: {counts:?}: {seen:#?}"
    );
    ensure!(counts.known == known && counts.errors == 0, "{counts:?}");
    Ok(seen)
}

pub fn what_may_run_under_no_name_is_refused_where_the_kernel_asks() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let mut web = blocking(watch)?;

        web.refused(&format!("{TOUCH} {mark} two"))?;
        let printed = web.refused(&format!("{TOUCH} {mark} two"))?;

        ensure!(!Path::new(&mark).exists(), "it ran");
        let seen = check(watch, &web, usual(), [1, 2])?;
        ensure!(seen.len() == 1, "{seen:#?}");
        let exec = &seen[0];
        let arguments = [TOUCH, &mark, "two"].map(Untrusted::from).to_vec();
        ensure!(exec.args.list == arguments && !exec.args.cut, "{exec:?}");
        ensure!(exec.identity == Identity::image(TOUCH), "{exec:?}");
        ensure!(exec.called.applet == Untrusted::from("touch"), "{exec:?}");
        ensure!(exec.ppid == web.pid() && exec.pid != web.pid(), "{exec:?}");
        let rung = watch.rung(&web)?;
        ensure!(rung.len() == 1 && rung[0] == *exec, "{rung:#?}");
        // Who was refused is what it was.
        let (name, told) = match node::asks_before_execs() {
            true => ("sh", "not permitted"),
            false => ("touch", "Killed"),
        };
        ensure!(printed.contains(told), "{printed}");
        ensure!(exec.comm == Untrusted::from(name), "{exec:?}");
        Ok(())
    })
}

pub fn who_is_refused_goes_on() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let (mark, after) = (folder.at("mark"), folder.at("after"));
        let mut web = blocking(watch)?;
        watch.allow(&web, &Identity::image(BASH))?;
        let line = format!("{BASH} -c 'shopt -s execfail; exec {TOUCH} {mark}; : > {after}'");

        match node::asks_before_execs() {
            true => web.sh(&line, 1).map(drop)?,
            false => web.stopped(&line)?,
        }
        web.count(1);

        ensure!(!Path::new(&mark).exists(), "it ran");
        ensure!(Path::new(&after).exists() == (usual() == Stopped::Refused));
        check(watch, &web, usual(), [2, 1])?;
        Ok(())
    })
}

pub fn b04_a_script_is_stopped_though_its_interpreter_may_run() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let good = folder.script("good.sh", "#!/bin/sh\n:\n")?;
        let evil = folder.script("evil.sh", &format!("#!/bin/sh\n: > {mark}\n"))?;
        let chained = folder.script("chained.sh", &format!("#!{evil}\n"))?;
        let shell = fs::canonicalize("/bin/sh")?.display().to_string();
        let mut web = blocking(watch)?;
        watch.allow(&web, &Identity::image(&shell))?;
        watch.allow(&web, &Identity::script(&shell, &good))?;

        web.exec(&[&good])?;
        web.refused(&evil)?;
        web.exec(&[&good])?;
        web.refused(&chained)?;

        ensure!(!Path::new(&mark).exists(), "it ran");
        let seen = check(watch, &web, usual(), [3, 2])?;
        let mut scripts: Vec<_> = { seen.iter() }
            .filter_map(|exec| match &exec.identity.role {
                Role::Script(script) => Some(&script.path),
                _ => None,
            })
            .collect();
        scripts.sort();
        ensure!(
            scripts == [&Untrusted::from(&*chained), &Untrusted::from(&*evil)],
            "{seen:#?}"
        );
        Ok(())
    })
}

pub fn b07_a_program_in_memory_is_stopped() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        for (road, arguments) in [
            ("memfd", format!("nginx {TOUCH} {mark}")),
            ("deleted", format!("{TOUCH} {mark}")),
        ] {
            let road = intruders::build(road)?.display().to_string();
            let mut web = blocking(watch)?;
            watch.allow(&web, &Identity::image(&road))?;

            web.stopped(&format!("{road} {arguments}"))?;
            // The road itself ran.
            web.count(1);

            ensure!(!Path::new(&mark).exists(), "{road}: it ran");
            let seen = check(watch, &web, usual(), [2, 1])?;
            let exec = &seen[0];
            // It calls execveat, or by a descriptor.
            ensure!(exec.identity.layer == Layer::Memory, "{exec:?}");
            let last = exec.args.list.last();
            ensure!(last == Some(&Untrusted::from(&*mark)), "{exec:?}");
        }
        Ok(())
    })
}

/// What a name or a condition may allow is not known before the exec.
pub fn what_only_a_name_or_a_condition_decides_dies() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mark = folder.at("mark");
        let multi = folder.at("busybox");
        let busybox = find_busybox().context("there is no static busybox")?;
        fs::copy(busybox, &multi)?;
        let mut web = blocking(watch)?;
        watch.stop(&web, stop::UNLISTED | stop::UNVERIFIED)?;
        watch.allow(&web, &Identity::applet(&multi, "true"))?;
        let identity = Identity::image(TOUCH);
        let permit = Permit {
            needs: Needs::ARGS,
            ..Permit::from(&identity)
        };
        watch.kernel.allow(web.slot(), &permit)?;

        web.exec(&[&multi, "true"])?;
        for line in [format!("{multi} touch {mark}"), format!("{TOUCH} {mark}")] {
            web.killed(&line)?;
        }

        ensure!(!Path::new(&mark).exists(), "it ran");
        check(watch, &web, Stopped::Killed, [2, 2])?;
        Ok(())
    })
}

pub fn what_is_no_program_of_this_machine_is_not_judged() -> Result<()> {
    watching(|watch| {
        const BPF: [u8; 2] = 247u16.to_le_bytes();

        let (folder, hello) = Folder::with_hello()?;
        let mut bytes = fs::read(&hello)?;
        bytes[18..20].copy_from_slice(&BPF);
        let foreign = folder.at("foreign");
        fs::write(&foreign, bytes)?;
        fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755))?;
        let mut web = blocking(watch)?;

        // The kernel knows no way to run it, and no other says that it does.
        web.sh(&format!("{foreign}; true"), 0)?;

        let seen = check(watch, &web, usual(), [1, 0])?;
        ensure!(seen.is_empty(), "{seen:#?}");
        Ok(())
    })
}

pub fn what_is_refused_is_told_with_as_many_arguments_as_fit() -> Result<()> {
    watching(|watch| {
        for (many, long) in [(3, 400), (200, 1), (1, 5000)] {
            let mut web = blocking(watch)?;
            let arguments = vec!["x".repeat(long); many].join(" ");

            web.refused(&format!("{TOUCH} {arguments}"))?;

            let seen = check(watch, &web, usual(), [1, 1])?;
            let args = &seen[0].args;
            // Before the exec, no more than 128 are looked at.
            let fits = long * many < 1000 && usual() == Stopped::Killed;
            ensure!(args.cut != fits && !args.unread, "{many}: {args:?}");
            ensure!(args.list[0] == Untrusted::from(TOUCH), "{args:?}");
        }
        Ok(())
    })
}
