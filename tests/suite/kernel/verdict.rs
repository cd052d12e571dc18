//! Known, new, deviating: what is counted, what is told, what is remembered.

use super::files::Folder;
use super::watch::watching;
use agent_common::wire::mode::{ENFORCE, LEARN, OFF};
use anyhow::{Result, ensure};
use execwarden::kernel::Permit;
use execwarden::model::{ExecCounts, Identity, Origin};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(5);

pub fn a_known_exec_is_counted_and_nothing_more() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;

        web.exec(&[&hello])?;
        web.exec(&[&hello])?;

        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts == known(2), "{counts:?}");
        ensure!(watch.rung(&web)?.is_empty(), "it rang the bell");
        ensure!(watch.seen(&web).is_empty(), "it is in the map");
        Ok(())
    })
}

pub fn a_second_exec_is_known_without_asking_the_allowlist() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;

        watch.disallow(&web)?;
        web.exec(&[&hello])?;

        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts == known(2), "{counts:?}");
        Ok(())
    })
}

pub fn a_known_exec_stays_known_in_another_directory() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;

        watch.disallow(&web)?;
        // On another mount than the file, and back.
        web.sh(&format!("cd /proc && {hello}"), 1)?;
        web.sh(&format!("cd / && {hello}"), 1)?;

        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts == known(3), "{counts:?}");
        Ok(())
    })
}

pub fn a_new_exec_is_told_once_and_then_counted() -> Result<()> {
    watching(|watch| {
        let learning = ExecCounts {
            seen: 6,
            learning: 6,
            ..ExecCounts::default()
        };
        for (mode, expected) in [(LEARN, learning), (ENFORCE, deviating(6))] {
            let (folder, hello) = Folder::with_hello()?;
            let other = folder.hello("other")?;
            let mut web = watch.container(mode)?;

            for _ in 0..5 {
                web.exec(&[&hello])?;
            }
            web.exec(&[&other])?;

            let rung = watch.rung(&web)?.into_iter().map(|exec| exec.identity);
            ensure!(rung.eq([&hello, &other].map(|path| Identity::image(path))));
            let mut times: Vec<_> = watch.seen(&web).iter().map(|entry| entry.count).collect();
            times.sort_unstable();
            ensure!(times == [1, 5], "{times:?}");
            let counts = watch.kernel.accounting(web.slot());
            ensure!(counts == expected, "{counts:?}");
        }
        Ok(())
    })
}

pub fn each_container_is_told_of_on_its_own() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        let mut twin = watch.container(ENFORCE)?;
        watch.allow(&twin, &Identity::image(&hello))?;

        web.exec(&[&hello])?;
        twin.exec(&[&hello])?;

        ensure!(watch.only_seen(&web)?.count == 1);
        ensure!(
            watch.seen(&twin).is_empty(),
            "the other's list is not its own"
        );
        Ok(())
    })
}

pub fn a_deviation_carries_its_evidence() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let script = folder.script("a-script-of-some-length", &format!("#!{hello}\n"))?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image("/usr/bin/setpriv"))?;

        let pid = web.sh(
            &format!("setpriv --ruid 1000 --clear-groups {script} & echo $!; wait $!"),
            2,
        )?;

        let exec = watch.only_seen(&web)?.exec;
        ensure!(
            watch.rung(&web)? == [exec.clone()],
            "the ring and the map differ"
        );
        let lines: Vec<_> = pid.lines().collect();
        ensure!(
            lines.first() == Some(&exec.pid.to_string().as_str()),
            "{pid}"
        );
        ensure!(exec.ppid == web.pid(), "the parent is {}", exec.ppid);
        ensure!((exec.uid, exec.euid) == (1000, 0), "{exec:?}");
        ensure!(exec.comm.as_bytes() == b"a-script-of-som", "{exec:?}");
        ensure!(exec.parent_comm.as_bytes() == b"sh", "{exec:?}");
        ensure!(exec.cgroup == web.id(), "{exec:?}");
        ensure!(
            exec.origin == Origin::Container && !exec.from_outside,
            "{exec:?}"
        );
        ensure!(
            exec.identity == Identity::script(&hello, &script),
            "{exec:?}"
        );
        ensure!(
            !(exec.tty || exec.pending || exec.escaped || exec.host_mntns || exec.error),
            "{exec:?}"
        );
        Ok(())
    })
}

pub fn an_exec_by_a_hand_from_outside_is_marked() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;

        web.exec_from_outside(&hello)?;

        let exec = watch.only_seen(&web)?.exec;
        ensure!(
            exec.origin == Origin::Injected && exec.from_outside,
            "{exec:?}"
        );
        ensure!(exec.ppid == std::process::id(), "{exec:?}");
        Ok(())
    })
}

pub fn a_written_file_is_judged_anew() -> Result<()> {
    type Change = fn(&str) -> Result<()>;
    // In place, with another size and with the same; and no content at all.
    let changes: [(&str, Change); 3] = [
        ("a byte more", |path| {
            Ok(OpenOptions::new()
                .append(true)
                .open(path)?
                .write_all(b"x")?)
        }),
        ("the same byte", |path| {
            Ok(OpenOptions::new()
                .write(true)
                .open(path)?
                .write_all(b"\x7f")?)
        }),
        ("the same mode", |path| {
            let mode = fs::metadata(path)?.permissions();
            Ok(fs::set_permissions(path, mode)?)
        }),
    ];
    watching(|watch| {
        for (what, change) in changes {
            let (_folder, hello) = Folder::with_hello()?;
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &Identity::image(&hello))?;
            web.exec(&[&hello])?;

            watch.disallow(&web)?;
            // The clock of change times has ticks of milliseconds.
            let made = changed(&hello)?;
            testbed::until("a new change time", DEADLINE, || {
                change(&hello)?;
                Ok((changed(&hello)? != made).then_some(()))
            })?;
            web.exec(&[&hello])?;

            ensure!(watch.seen(&web).len() == 1, "{what} is still known");
        }
        Ok(())
    })
}

pub fn a_file_that_was_only_looked_at_stays_known() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;

        // Linux 6.13 notes in the change time that somebody has asked for it.
        watch.disallow(&web)?;
        fs::metadata(&hello)?;
        fs::read(&hello)?;
        web.exec(&[&hello])?;

        let counts = watch.kernel.accounting(web.slot());
        ensure!(counts == known(2), "{counts:?}");
        Ok(())
    })
}

pub fn a_new_generation_forgets_every_verdict() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let stays = folder.hello("stays")?;
        let mut web = watch.container(ENFORCE)?;
        for path in [&hello, &stays] {
            watch.allow(&web, &Identity::image(path))?;
            web.exec(&[path])?;
        }

        let allowed = Identity::image(&stays);
        watch
            .kernel
            .replace_allowed(web.slot(), [Permit::from(&allowed)])?;
        watch.raise_generation(&web)?;
        web.exec(&[&hello])?;
        web.exec(&[&stays])?;

        ensure!(watch.only_seen(&web)?.exec.identity == Identity::image(&hello));
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (3, 1), "{counts:?}");
        Ok(())
    })
}

pub fn what_is_known_is_marked_once_for_each_generation() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let idle = folder.hello("idle")?;
        let script = folder.script("script", &format!("#!{hello}\n"))?;
        let mut web = watch.container(ENFORCE)?;
        let identities = [
            Identity::image(&hello),
            Identity::image(&idle),
            Identity::script(&hello, &script),
        ];
        for identity in &identities {
            watch.allow(&web, identity)?;
        }
        let slot = web.slot();
        let marked = |watch: &mut super::watch::Watch| -> Vec<(Identity, u32)> {
            let mut found = watch.kernel.take_sighted();
            found.sort_by(|a, b| a.identity.cmp(&b.identity));
            let of_it = found.into_iter().filter(|one| one.slot == slot);
            of_it.map(|one| (one.identity, one.generation)).collect()
        };
        ensure!(marked(watch).is_empty(), "nothing has run");

        web.exec(&[&hello])?;
        web.exec(&[&script])?;
        let both = |generation| {
            let [program, _, script] = identities.clone();
            [(program, generation), (script, generation)]
        };
        let found = marked(watch);
        ensure!(found == both(1), "{found:?}");
        web.exec(&[&hello])?;
        ensure!(marked(watch).is_empty(), "it was told of twice");

        // Another hour.
        watch.raise_generation(&web)?;
        ensure!(marked(watch).is_empty(), "nothing has run since");
        web.exec(&[&script])?;
        web.exec(&[&hello])?;
        web.exec(&[&hello])?;
        let found = marked(watch);
        ensure!(found == both(2), "{found:?}");
        ensure!(watch.seen(&web).is_empty(), "it was reported");
        Ok(())
    })
}

pub fn what_is_switched_off_is_counted_as_ignored() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(OFF)?;

        web.exec(&[&hello])?;

        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.seen, counts.ignored) == (1, 1), "{counts:?}");
        ensure!(watch.seen(&web).is_empty());
        Ok(())
    })
}

fn changed(path: &str) -> Result<(i64, i64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.ctime(), metadata.ctime_nsec()))
}

fn known(execs: u64) -> ExecCounts {
    ExecCounts {
        seen: execs,
        known: execs,
        ..ExecCounts::default()
    }
}

fn deviating(execs: u64) -> ExecCounts {
    ExecCounts {
        seen: execs,
        deviating: execs,
        ..ExecCounts::default()
    }
}
