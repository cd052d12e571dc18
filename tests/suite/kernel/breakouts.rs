//! What lies outside the container: the working directory, the file, the mount
//! namespace; and whose hand started an exec.

use super::container::Place;
use super::files::{Folder, file};
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::model::{Identity, Layer, Origin};
use std::path::Path;

pub fn b36_a_directory_of_the_hosts_is_never_known() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        // The leaked descriptor: a directory through a mount of the host's.
        let place = Place {
            host_file: Some(Path::new("/")),
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;
        web.exec(&[&hello])?;
        let before = watch.kernel.accounting(web.slot()).known;
        ensure!(before == 2, "{before} were known");

        web.sh(&format!("cd /proc/self/fd/7 && {hello}"), 1)?;
        let run = folder.script("run.sh", &format!("#!{hello}\n"))?;
        watch.allow(&web, &Identity::script(&hello, &run))?;
        web.sh(&format!("cd /proc/self/fd/7 && {run}"), 1)?;

        let seen = watch.seen(&web);
        ensure!(seen.len() == 2, "{} were told", seen.len());
        for seen in seen {
            ensure!(
                seen.exec.outside_cwd && !seen.exec.outside_file,
                "{:?}",
                seen.exec
            );
        }
        // And back in its own directories.
        web.sh(&format!("cd / && {hello}"), 1)?;
        web.sh(&format!("cd /dev && {hello}"), 1)?;
        ensure!(watch.kernel.accounting(web.slot()).known == 4);
        Ok(())
    })
}

pub fn b36_a_file_of_the_hosts_is_outside() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let place = Place {
            host_file: Some(Path::new(&hello)),
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        watch.allow(&web, &Identity::image(&hello))?;

        web.exec(&["/proc/self/fd/7"])?;

        let seen = watch.only_seen(&web)?.exec;
        ensure!(seen.outside_file && !seen.outside_cwd, "{seen:?}");
        ensure!(seen.identity.layer == Layer::Host, "{seen:?}");
        Ok(())
    })
}

pub fn b36_outside_a_listed_layer_is_not_enough() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        // Another container's file, by way of one of its processes.
        let other = watch.container(ENFORCE)?;
        let mut web = watch.container(ENFORCE)?;
        for layer in [Layer::Image, Layer::Volume, Layer::Tmpfs] {
            watch.allow(&web, &file(&hello, layer))?;
        }

        for _ in 0..2 {
            web.exec(&[&format!("/proc/{}/root{hello}", other.pid())])?;
        }

        let seen = watch.only_seen(&web)?;
        ensure!(seen.count == 2 && seen.exec.outside_file, "{:?}", seen.exec);
        Ok(())
    })
}

pub fn b36_in_the_hosts_namespace_ones_own_file_is_not_enough() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let place = Place {
            host_namespace: true,
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        for layer in [Layer::Image, Layer::Volume] {
            watch.allow(&web, &file(&hello, layer))?;
        }

        web.exec(&[&hello])?;
        ensure!(watch.only_seen(&web)?.exec.host_mntns);

        // As the host's it may.
        watch.allow(&web, &file(&hello, Layer::Host))?;
        web.exec(&[&hello])?;
        ensure!(watch.kernel.accounting(web.slot()).known == 1);
        Ok(())
    })
}

pub fn b13_a_namespace_of_its_own_is_not_outside() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        watch.allow(&web, &Identity::image("/usr/bin/unshare"))?;
        watch.allow(&web, &Identity::image("/usr/bin/nsenter"))?;

        web.sh(&format!("unshare --mount {hello}"), 2)?;
        // Into one namespace of the container from another.
        web.sh(
            &format!("unshare --mount nsenter --mount=/proc/$$/ns/mnt {hello}"),
            3,
        )?;

        ensure!(watch.seen(&web).is_empty());
        ensure!(watch.kernel.accounting(web.slot()).known == 5);
        Ok(())
    })
}

pub fn b21_what_was_put_into_the_container_is_injected() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let mut web = watch.container(ENFORCE)?;
        for (name, expected) in [("own", Origin::Container), ("put-in", Origin::Injected)] {
            let hello = folder.hello(name)?;
            match expected {
                Origin::Injected => web.exec_from_outside(&hello)?,
                _ => drop(web.sh(&format!("( ( {hello} ) )"), 1)?),
            }
            let seen = watch.seen(&web);
            let exec = seen
                .iter()
                .find(|seen| seen.exec.identity == Identity::image(&hello));
            let exec = &exec.expect("was told").exec;
            ensure!(exec.origin == expected, "{exec:?}");
            ensure!(
                exec.from_outside == (expected == Origin::Injected),
                "{exec:?}"
            );
            let init = exec.ancestors.iter().find(|ancestor| ancestor.init);
            match expected {
                Origin::Injected => ensure!(init.is_none(), "{exec:?}"),
                _ => {
                    let pid = init.map(|init| (init.pid, init.inside));
                    ensure!(pid == Some((web.pid(), true)), "{exec:?}");
                }
            }
        }
        Ok(())
    })
}
