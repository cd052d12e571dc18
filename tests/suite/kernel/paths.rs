//! The path: from the mount namespace's root, whole or not at all.

use super::container::Place;
use super::files::Folder;
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::model::{Identity, Layer};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::copy;
use std::os::fd::OwnedFd;
use testbed::{Image, Rootfs, intruders};

/// The kernel's `PATH_MAX` without the zero byte.
const LONGEST: usize = 4095;

pub fn a_chroot_does_not_shorten_the_path() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let mut web = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image("/hello"))?;
        watch.allow(&web, &Identity::image("/usr/sbin/chroot"))?;

        web.sh(&format!("chroot {} /hello", folder.path().display()), 2)?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == Identity::image(&hello), "{seen:?}");
        Ok(())
    })
}

pub fn a_path_begins_at_the_containers_own_root() -> Result<()> {
    watching(|watch| {
        let image = Image::busybox()?;
        image.program(&intruders::build("hello")?, "/opt/hello")?;
        let rootfs = Rootfs::over(&image)?;
        let place = Place {
            root: Some(&rootfs),
            before: "mount -t tmpfs tmpfs /root; mkdir /root/a; mount -t tmpfs tmpfs /root/a; cp /opt/hello /root/a/",
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;

        web.exec(&["/opt/hello"])?;
        web.exec(&["/root/a/hello"])?;

        let rung = watch.rung(&web)?.into_iter().map(|exec| exec.identity.file);
        ensure!(rung.eq(["/opt/hello".into(), "/root/a/hello".into()]));
        Ok(())
    })
}

pub fn a_deep_or_long_path_is_whole() -> Result<()> {
    watching(|watch| {
        // Mounts are steps of the programs' 192 too.
        for names in [vec![1; 100], vec![1; 180], filled_to(LONGEST)?] {
            let folder = Folder::new()?;
            let path = deep(&folder, &names)?;
            let mut web = watch.container(ENFORCE)?;

            web.sh(&into(&folder, &names), 0)?;
            web.exec(&["./hello"])?;

            let rung = watch.rung(&web)?;
            ensure!(rung.len() == 1, "{} records", rung.len());
            ensure!(
                rung[0].identity == Identity::image(&path),
                "{} names, {} bytes: {:?}",
                names.len(),
                path.len(),
                rung[0]
            );
            let seen = watch.only_seen(&web)?.exec;
            ensure!(seen.path_cut == (path.len() > 512), "{} bytes", path.len());

            // It can be allowed like any other.
            watch.allow(&web, &Identity::image(&path))?;
            web.exec(&["./hello"])?;
            web.exec(&["./hello"])?;
            let counts = watch.kernel.accounting(web.slot());
            ensure!((counts.known, counts.deviating) == (2, 1), "{counts:?}");
        }
        Ok(())
    })
}

pub fn a_path_that_is_too_deep_or_too_long_is_an_error_and_never_known() -> Result<()> {
    watching(|watch| {
        let cases = [vec![1; 300], filled_to(LONGEST + 1)?, vec![200; 40]];
        for names in cases {
            let folder = Folder::new()?;
            let path = deep(&folder, &names)?;
            let mut web = watch.container(ENFORCE)?;
            watch.allow(&web, &Identity::image(&path))?;

            web.sh(&into(&folder, &names), 0)?;
            web.exec(&["./hello"])?;
            web.exec(&["./hello"])?;
            watch.expected.path_too_long += 2;

            let counts = watch.kernel.accounting(web.slot());
            ensure!((counts.seen, counts.errors) == (2, 2), "{counts:?}");
            let seen = watch.only_seen(&web)?;
            ensure!(seen.count == 2 && seen.exec.error, "{:?}", seen.exec);
            ensure!(
                seen.exec.identity.layer == Layer::Unknown,
                "{:?}",
                seen.exec
            );
            ensure!(watch.rung(&web)?.len() == 1);
        }
        Ok(())
    })
}

/// Lengths of folders' names with which `hello` in the last has a path of this
/// many bytes in a fresh folder.
fn filled_to(len: usize) -> Result<Vec<usize>> {
    // Every fresh folder's name is as long as the other's.
    let mut rest = len - Folder::new()?.path().as_os_str().len() - "/hello".len();
    let mut names = Vec::new();
    while rest > 0 {
        // No name of no bytes at the end.
        let name = (rest - 1).min(200);
        names.push(if rest - 1 - name == 1 { name - 1 } else { name });
        rest -= 1 + names[names.len() - 1];
    }
    Ok(names)
}

fn name(len: usize) -> String {
    "d".repeat(len)
}

/// Makes folders in each other with names of these lengths, and `hello` in the
/// last; its path, which may be longer than any call takes.
pub fn deep(folder: &Folder, names: &[usize]) -> Result<String> {
    let mut at: OwnedFd = File::open(folder.path())?.into();
    let mut path = folder.path().display().to_string();
    for len in names {
        let name = name(*len);
        rustix::fs::mkdirat(&at, &name, Mode::RWXU)?;
        at = rustix::fs::openat(&at, &name, OFlags::DIRECTORY, Mode::empty())?;
        path = format!("{path}/{name}");
    }
    let to = rustix::fs::openat(&at, "hello", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU)?;
    copy(
        &mut File::open(intruders::build("hello")?)?,
        &mut File::from(to),
    )?;
    Ok(format!("{path}/hello"))
}

/// The line that takes a shell there, a step at a time.
pub fn into(folder: &Folder, names: &[usize]) -> String {
    let mut line = format!("cd {}", folder.path().display());
    for len in names {
        line = format!("{line} && cd -P {}", name(*len));
    }
    line
}
