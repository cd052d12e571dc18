//! Which container an exec belongs to: its cgroup's, whatever is nested in it,
//! whoever left it, and however many came before.

use super::container::{Container, Place};
use super::files::Folder;
use super::watch::{Watch, watching};
use agent_common::wire::mode::ENFORCE;
use agent_common::wire::{SLOT_HOST, cgroup_state};
use anyhow::{Context, Result, ensure};
use execwarden::model::{CgroupId, Identity, Layer, Slot};
use procfs::process::Process;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::thread;
use testbed::Cgroup;

pub fn an_exec_before_anybody_knows_the_container_is_kept_with_its_cgroup() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut early = watch.unnamed()?;
        let mut other = watch.unnamed()?;

        early.exec(&[&hello])?;
        early.exec(&[&hello])?;
        other.exec(&[&hello])?;

        let seen = watch.only_seen(&early)?;
        ensure!(seen.count == 2, "{} times", seen.count);
        ensure!(seen.exec.pending, "{:?}", seen.exec);
        ensure!(seen.exec.cgroup == early.id(), "{:?}", seen.exec);
        ensure!(seen.exec.identity == Identity::image(&hello));
        ensure!(watch.only_seen(&other)?.exec.pending);
        Ok(())
    })
}

pub fn b16_a_child_cgroup_belongs_to_its_container() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        let mut children = Vec::new();
        for depth in 1..=5 {
            children.push(web.cgroup().child(&vec!["child"; depth].join("/"))?);
        }

        for (times, child) in (1..).zip(&children) {
            join(&mut web, child)?;
            web.exec(&[&hello])?;

            let seen = watch.only_seen(&web)?;
            ensure!(seen.count == times, "level {times}: {} times", seen.count);
            ensure!(!seen.exec.pending && !seen.exec.escaped, "{:?}", seen.exec);
            ensure!(seen.exec.cgroup == CgroupId(children[0].id()?));
        }

        // And is judged by its container's list.
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (1, 5), "{counts:?}");
        leave(&mut web, children)
    })
}

pub fn b16_a_child_cgroup_older_than_its_containers_name_belongs_to_it() -> Result<()> {
    // The programs saw it made: the agent says whose it is.
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.unnamed()?;
        let child = web.cgroup().child("child")?;
        let id = CgroupId(child.id()?);

        watch.name(&mut web, ENFORCE)?;
        watch
            .kernel
            .set_container(id, web.id(), web.slot(), None, false)?;
        join(&mut web, &child)?;
        web.exec(&[&hello])?;

        ensure!(!watch.only_seen(&web)?.exec.pending);
        leave(&mut web, vec![child])
    })?;
    // It was there before the programs were: found by walking up.
    let cgroup = Cgroup::new()?;
    let child = cgroup.child("child")?;
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        watch.kernel.forget_cgroup(CgroupId(child.id()?))?;
        let mut web = watch.unnamed_at(cgroup, &Place::default())?;
        watch.name(&mut web, ENFORCE)?;

        join(&mut web, &child)?;
        web.exec(&[&hello])?;

        ensure!(!watch.only_seen(&web)?.exec.pending);
        leave(&mut web, vec![child])
    })
}

pub fn b15_who_leaves_the_container_is_judged_as_the_container() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let outside = host_cgroup(watch)?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;

        let procs = outside.path().join("cgroup.procs");
        web.sh(&format!("echo $$ > {}", procs.display()), 0)?;
        watch.expected.escapes = 1;
        web.exec(&[&hello])?;

        let escapes = watch.escapes();
        ensure!(escapes.len() == 1, "{escapes:?}");
        ensure!(escapes[0].container == web.id(), "{escapes:?}");
        ensure!(escapes[0].to == CgroupId(outside.id()?), "{escapes:?}");
        ensure!(escapes[0].pid == web.pid(), "{escapes:?}");
        ensure!(escapes[0].comm.as_bytes() == b"sh", "{escapes:?}");
        // What is on the list is a deviation outside.
        let seen = watch.only_seen(&web)?.exec;
        ensure!(seen.escaped, "{seen:?}");
        ensure!(seen.cgroup == CgroupId(outside.id()?), "{seen:?}");
        let counts = watch.kernel.accounting(web.slot());
        ensure!((counts.known, counts.deviating) == (1, 1), "{counts:?}");
        leave(&mut web, vec![outside])
    })
}

pub fn b15_who_leaves_from_the_hosts_namespace_is_told_by_its_ancestors() -> Result<()> {
    watching(|watch| {
        let outside = host_cgroup(watch)?;
        let place = Place {
            host_namespace: true,
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;

        // It has no path to the hierarchy in there but through this process.
        let procs = outside.path().join("cgroup.procs");
        let procs = format!("/proc/{}/root{}", std::process::id(), procs.display());
        web.sh(&format!("/bin/sh -c 'echo $$ > {procs}'"), 1)?;
        watch.expected.escapes = 1;

        let escapes = watch.escapes();
        ensure!(escapes.len() == 1, "{escapes:?}");
        ensure!(escapes[0].container == web.id(), "{escapes:?}");
        ensure!(watch.only_seen(&web)?.exec.identity.layer == Layer::Host);
        Ok(())
    })
}

pub fn b15_who_is_left_behind_is_no_runtimes_stage() -> Result<()> {
    watching(|watch| {
        let outside = host_cgroup(watch)?;
        let (folder, hello) = Folder::with_hello()?;
        let left_behind = folder.intruder("left_behind", "left_behind")?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&left_behind))?;
        let procs = outside.path().join("cgroup.procs");

        web.sh(&format!("{left_behind} {} {hello}", procs.display()), 2)?;
        watch.expected.escapes = 1;

        let seen = watch.only_seen(&web)?.exec;
        ensure!(seen.identity == Identity::image(&hello), "{seen:?}");
        ensure!(!seen.outer_mntns && seen.from_outside, "{seen:?}");
        Ok(())
    })
}

/// Made by a thread, which began later than its process.
pub fn a_new_cgroup_is_told_of_with_who_made_it() -> Result<()> {
    watching(|watch| {
        let cgroup = thread::spawn(Cgroup::new).join().expect("no panic")?;
        let id = CgroupId(cgroup.id()?);

        let mut newborns = watch.kernel.take_newborns()?;
        newborns.retain(|(cgroup, _)| *cgroup == id);
        let (_, newborn) = newborns.pop().context("it is not told of")?;
        let own = Process::myself()?.stat()?;
        let tick = 1_000_000_000 / procfs::ticks_per_second();
        let made_by = (newborn.maker, newborn.maker_start_ns / tick);
        ensure!(
            made_by == (std::process::id(), own.starttime),
            "{made_by:?}: {own:?}"
        );

        drop(cgroup);
        Ok(())
    })
}

pub fn b17_cgroup_ids_are_not_reused() -> Result<()> {
    const TIMES: usize = 10_000;
    const PER_DRAIN: usize = 500;
    const PER_EXEC: usize = 500;
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let parent = host_cgroup(watch)?;
        let before = watch.kernel.cgroups().len();
        let mut ids = HashSet::new();
        for number in 0..TIMES {
            // All of one name.
            let cgroup = parent.child("one")?;
            let id = CgroupId(cgroup.id()?);
            ensure!(ids.insert(id), "{id} came twice");
            if number % PER_EXEC == 0 {
                // Every other one has a name, and a list that has the file.
                let mut web = watch.unnamed_at(cgroup, &Place::default())?;
                let named = number % (2 * PER_EXEC) == 0;
                if named {
                    watch.name(&mut web, ENFORCE)?;
                    watch.allow(&web, &Identity::image(&hello))?;
                }
                web.exec(&[&hello])?;

                let seen = watch.seen(&web);
                ensure!(seen.len() == usize::from(!named), "{} seen", seen.len());
                ensure!(seen.iter().all(|entry| entry.exec.pending));
                if named {
                    let counts = watch.kernel.accounting(web.slot());
                    ensure!((counts.seen, counts.known) == (1, 1), "{counts:?}");
                }
            }
            if number % PER_DRAIN == PER_DRAIN - 1 {
                forget_the_gone(watch)?;
            }
        }
        forget_the_gone(watch)?;

        // Other tests of the machine may have some of their own.
        let left: HashSet<_> = watch
            .kernel
            .cgroups()
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        ensure!(
            left.is_disjoint(&ids),
            "{} of them are left",
            left.len() - before
        );
        Ok(())
    })
}

pub fn children_of_a_container_go_with_their_folder() -> Result<()> {
    watching(|watch| {
        let web = watch.container(ENFORCE)?;
        let child = web.cgroup().child("child")?;
        let id = CgroupId(child.id()?);
        let known = watch.kernel.cgroup(id).context("the child is not known")?;
        ensure!(known.state == cgroup_state::CONTAINER && known.container == web.id().0);

        drop(child);

        ensure!(watch.kernel.cgroup(id).is_none(), "it is still known");
        Ok(())
    })
}

pub fn cgroups_of_a_v1_hierarchy_are_none_of_ours() -> Result<()> {
    watching(|watch| {
        let at = Folder::new()?;
        let options = Some(c"pids");
        if mount("pids", at.path(), "cgroup", MountFlags::empty(), options).is_err() {
            println!("there is no v1 hierarchy on this machine: nothing to ignore");
            return Ok(());
        }
        let mounted = Mounted(at.path());
        let name = format!("execwarden-test-{}-v1", std::process::id());
        watch.kernel.take_newborns()?;

        fs::create_dir(mounted.0.join(&name))?;
        fs::remove_dir(mounted.0.join(&name))?;

        let ours = watch
            .kernel
            .take_newborns()?
            .into_iter()
            .filter(|(_, born)| born.path[..born.path_len as usize].ends_with(name.as_bytes()))
            .count();
        ensure!(ours == 0, "the v1 cgroup was taken in");
        Ok(())
    })
}

/// A cgroup outside containers.
fn host_cgroup(watch: &mut Watch) -> Result<Cgroup> {
    let cgroup = Cgroup::new()?;
    let id = CgroupId(cgroup.id()?);
    watch.kernel.set_host(id, Slot(SLOT_HOST), true)?;
    Ok(cgroup)
}

/// Moves the container's shell to another cgroup, as a process inside would.
fn join(container: &mut Container, cgroup: &Cgroup) -> Result<()> {
    let procs = cgroup.path().join("cgroup.procs");
    container.sh(&format!("echo $$ > {}", procs.display()), 0)?;
    Ok(())
}

/// Ends the container's shell, which keeps these in use.
fn leave(container: &mut Container, cgroups: Vec<Cgroup>) -> Result<()> {
    container.end();
    drop(cgroups);
    Ok(())
}

/// What the agent does with newborn cgroups that have ended.
fn forget_the_gone(watch: &mut Watch) -> Result<()> {
    for (id, newborn) in watch.kernel.take_newborns()? {
        if newborn.removed_ns != 0 {
            watch.kernel.forget_cgroup(id)?;
            watch.kernel.forget_namespaces(id)?;
        }
    }
    Ok(())
}

/// A mount, gone when dropped.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}
