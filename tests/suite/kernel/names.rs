//! One file under many names, and many files under one.

use super::container::Place;
use super::files::{Folder, file};
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::model::{Identity, Layer};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use testbed::{Image, Rootfs, intruders};

/// How many spellings the intruder of this name knows.
const SPELLINGS: u64 = 22;

pub fn b02_a_listed_name_covers_only_the_images_own_file() -> Result<()> {
    type Disguise = fn(evil: &Path, listed: &Path) -> Result<()>;
    let disguises: [(&str, Disguise, Identity); 5] = [
        (
            "symlink",
            |_, listed| {
                fs::remove_file(listed)?;
                // As the container resolves it.
                Ok(symlink("/opt/evil", listed)?)
            },
            Identity::image("/opt/evil"),
        ),
        (
            "hard link",
            |evil, listed| {
                fs::remove_file(listed)?;
                Ok(fs::hard_link(evil, listed)?)
            },
            file("/opt/listed", Layer::Upper),
        ),
        (
            "rename",
            |evil, listed| Ok(fs::rename(evil, listed)?),
            file("/opt/listed", Layer::Upper),
        ),
        (
            "copy",
            |evil, listed| {
                fs::remove_file(listed)?;
                fs::copy(evil, listed)?;
                Ok(())
            },
            file("/opt/listed", Layer::Upper),
        ),
        (
            "copy into the listed file",
            |evil, listed| {
                fs::copy(evil, listed)?;
                Ok(())
            },
            file("/opt/listed", Layer::Upper),
        ),
    ];
    watching(|watch| {
        for (what, disguise, expected) in disguises {
            let image = Image::busybox()?;
            for path in ["/opt/listed", "/opt/evil"] {
                image.program(&intruders::build("hello")?, path)?;
            }
            let rootfs = Rootfs::over(&image)?;
            let place = Place {
                root: Some(&rootfs),
                ..Place::default()
            };
            let mut web = watch.container_at(ENFORCE, &place)?;
            watch.allow(&web, &Identity::image("/opt/listed"))?;
            web.exec(&["/opt/listed"])?;

            disguise(&rootfs.inside("/opt/evil"), &rootfs.inside("/opt/listed"))?;
            web.exec(&["/opt/listed"])?;

            let seen = watch.only_seen(&web)?.exec.identity;
            ensure!(seen == expected, "{what}: {seen:?}");
        }
        Ok(())
    })
}

pub fn b03_a_forged_name_is_evidence_and_no_key() -> Result<()> {
    watching(|watch| {
        for road in ["path", "descriptor"] {
            let folder = Folder::new()?;
            let listed = folder.hello("listed")?;
            let evil = folder.hello("evil")?;
            let argv0 = folder.intruder("argv0", "argv0")?;
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &Identity::image(&listed))?;
            watch.allow(&web, &Identity::image(&argv0))?;

            let printed = web.sh(&format!("{argv0} {road} {listed} {evil}"), 2)?;

            ensure!(printed == format!("hello from {listed}"), "{printed}");
            let seen = watch.only_seen(&web)?.exec.identity;
            ensure!(seen == Identity::image(&evil), "{road}: {seen:?}");
        }
        Ok(())
    })
}

pub fn b09_every_spelling_of_a_file_is_one_identity() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let spellings = folder.intruder("spellings", "spellings")?;
        let link = folder.at("link");
        symlink(&hello, &link)?;
        symlink(folder.path(), folder.at("around"))?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&spellings))?;

        let printed = web.sh(&format!("{spellings} {hello}"), 1 + SPELLINGS)?;
        web.exec(&[&link])?;
        web.exec(&[&folder.at("around/around/hello")])?;

        ensure!(printed == SPELLINGS.to_string(), "did not run: {printed}");
        let seen = watch.only_seen(&web)?;
        ensure!(
            seen.exec.identity == Identity::image(&hello),
            "{:?}",
            seen.exec
        );
        ensure!(seen.count == SPELLINGS + 2, "{} times", seen.count);

        // And one verdict, as soon as it is allowed.
        watch.allow(&web, &Identity::image(&hello))?;
        web.sh(&format!("{spellings} {hello}"), 1 + SPELLINGS)?;

        ensure!(watch.only_seen(&web)?.count == SPELLINGS + 2);
        Ok(())
    })
}

pub fn b09_a_hard_link_is_another_name() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let other = folder.at("other");
        fs::hard_link(&hello, &other)?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;

        // The same inode, on the fast path by its first name.
        web.exec(&[&hello])?;
        web.exec(&[&hello])?;
        web.exec(&[&other])?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == Identity::image(&other), "{seen:?}");
        Ok(())
    })
}
