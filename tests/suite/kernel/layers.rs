//! Where a file comes from, one layer at a time.

use super::container::Place;
use super::files::{Folder, file};
use super::watch::watching;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::kernel::Btf;
use execwarden::model::{Identity, Layer};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testbed::{Image, Rootfs, intruders};

pub fn a_file_of_the_image_is_image_and_one_written_later_is_upper() -> Result<()> {
    watching(|watch| {
        let (image, rootfs) = overlay()?;
        fs::copy(rootfs.inside("/opt/hello"), rootfs.inside("/opt/later"))?;
        let mut web = watch.container_at(ENFORCE, &root(&rootfs))?;
        watch.allow(&web, &Identity::image("/opt/hello"))?;
        watch.allow(&web, &Identity::image("/opt/later"))?;

        web.exec(&["/opt/hello"])?;
        web.exec(&["/opt/later"])?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == file("/opt/later", Layer::Upper), "{seen:?}");
        drop((web, rootfs, image));
        Ok(())
    })
}

pub fn a_known_file_of_the_image_deviates_once_it_is_changed() -> Result<()> {
    watching(|watch| {
        let (_image, rootfs) = overlay()?;
        let mut web = watch.container_at(ENFORCE, &root(&rootfs))?;
        watch.allow(&web, &Identity::image("/opt/hello"))?;
        web.exec(&["/opt/hello"])?;
        web.exec(&["/opt/hello"])?;

        // Not a byte of it: overlayfs copies it up all the same.
        fs::set_permissions(
            rootfs.inside("/opt/hello"),
            fs::Permissions::from_mode(0o555),
        )?;
        web.exec(&["/opt/hello"])?;

        let seen = watch.only_seen(&web)?;
        ensure!(seen.exec.identity == file("/opt/hello", Layer::Upper));
        ensure!(seen.count == 1, "{}", seen.count);
        Ok(())
    })
}

pub fn another_mount_is_a_volume_even_of_the_same_disk() -> Result<()> {
    watching(|watch| {
        let (folder, hello) = Folder::with_hello()?;
        let volume = Folder::new()?;
        let before = format!(
            "mount --bind {} {}",
            folder.path().display(),
            volume.path().display()
        );
        let place = Place {
            before: &before,
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        let inside = volume.at("hello");
        watch.allow(&web, &Identity::image(&hello))?;
        watch.allow(&web, &Identity::image(&inside))?;

        web.exec(&[&hello])?;
        web.exec(&[&inside])?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == file(&inside, Layer::Volume), "{seen:?}");
        Ok(())
    })
}

pub fn an_overlay_that_the_container_mounts_is_no_image() -> Result<()> {
    watching(|watch| {
        let (image, rootfs) = overlay()?;
        let at = Folder::new()?;
        let before = format!(
            "mount -t overlay -o lowerdir={}:{} overlay {}",
            image.inside("/opt").display(),
            image.inside("/tmp").display(),
            at.path().display()
        );
        let place = Place {
            before: &before,
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        let inside = at.at("hello");
        watch.allow(&web, &Identity::image("/usr/bin/true"))?;
        watch.allow(&web, &Identity::image(&inside))?;

        web.exec(&["/usr/bin/true"])?;
        web.exec(&[&inside])?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == file(&inside, Layer::Volume), "{seen:?}");
        drop(rootfs);
        Ok(())
    })
}

pub fn a_file_on_a_tmpfs_is_tmpfs() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let at = Folder::new()?;
        let inside = at.at("hello");
        let before = format!(
            "mount -t tmpfs tmpfs {} && cp {hello} {inside}",
            at.path().display()
        );
        let place = Place {
            before: &before,
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        watch.allow(&web, &Identity::image(&inside))?;

        web.exec(&[&inside])?;

        let seen = watch.only_seen(&web)?.exec.identity;
        ensure!(seen == file(&inside, Layer::Tmpfs), "{seen:?}");
        Ok(())
    })
}

pub fn a_file_through_a_mount_of_the_host_is_host() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let place = Place {
            host_file: Some(hello.as_ref()),
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        watch.allow(&web, &Identity::image(&hello))?;

        web.exec(&["/proc/self/fd/7"])?;
        web.exec(&[&hello])?;

        let seen = watch.only_seen(&web)?.exec;
        ensure!(seen.identity == file(&hello, Layer::Host), "{seen:?}");
        ensure!(!seen.host_mntns, "the process itself stands elsewhere");
        Ok(())
    })
}

pub fn a_process_in_the_hosts_namespace_is_marked() -> Result<()> {
    watching(|watch| {
        let (_folder, hello) = Folder::with_hello()?;
        let place = Place {
            host_namespace: true,
            ..Place::default()
        };
        let mut web = watch.container_at(ENFORCE, &place)?;
        watch.allow(&web, &Identity::image(&hello))?;

        web.exec(&[&hello])?;

        let seen = watch.only_seen(&web)?.exec;
        ensure!(seen.identity == file(&hello, Layer::Host), "{seen:?}");
        ensure!(seen.host_mntns, "{seen:?}");
        Ok(())
    })
}

/// The agent relies on it where the kernel does not tell (before 5.11). There,
/// the tests above show that it holds.
pub fn overlayfs_keeps_its_upper_dentry_behind_the_inode() -> Result<()> {
    let bytes = fs::read("/sys/kernel/btf/vmlinux")?;
    let vmlinux = Btf::parse(&bytes)?;
    let bytes = fs::read("/sys/kernel/btf/overlay").ok();
    let module = bytes
        .as_deref()
        .map(|bytes| Btf::parse_module(bytes, &vmlinux))
        .transpose()?;
    let told = module.as_ref().unwrap_or(&vmlinux);
    if !told.has_struct("ovl_inode") {
        println!("this kernel does not tell");
        return Ok(());
    }

    let inode = told.offset_of("ovl_inode", "vfs_inode")?;
    let upper = told.offset_of("ovl_inode", "__upperdentry")?;

    let size = vmlinux.size_of_struct("inode")?;
    ensure!(upper == inode + size, "{upper}, not {inode} + {size}");
    Ok(())
}

fn overlay() -> Result<(Image, Rootfs)> {
    let image = Image::busybox()?;
    image.program(&intruders::build("hello")?, "/opt/hello")?;
    let rootfs = Rootfs::over(&image)?;
    Ok((image, rootfs))
}

fn root(rootfs: &Rootfs) -> Place<'_> {
    Place {
        root: Some(rootfs),
        ..Place::default()
    }
}
