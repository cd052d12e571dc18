//! The layer of a program that was running before anybody looked.
//!
//! The kernel side tells layers at the exec; for what was executed earlier the
//! mounts of the process tell as much as they can.

use super::{LiveProcess, Root};
use crate::model::Layer;
use procfs::process::{MountInfo, Process};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Where the folder of a writable layer may be seen: from here; where the agent
/// has a root of its own, from that of the node's first process; and where that
/// one may not be looked at, from that of the kernel's own threads.
const ROOTS: [&str; 3] = ["/", "/proc/1/root", "/proc/2/root"];

/// The layer of the process's executable; `None` where it cannot be told, or
/// where it is one that is never learned (no name, written later, or lying where
/// everybody may write).
pub fn live_layer(process: &LiveProcess) -> Option<Layer> {
    if process.exe_deleted {
        return None;
    }
    let pid = i32::try_from(process.pid).ok()?;
    let mounts = Process::new(pid).ok()?.mountinfo().ok()?;
    let exe = Path::new(OsStr::from_bytes(process.exe.as_bytes()));
    let mounts: Vec<MountInfo> = mounts.into_iter().collect();
    let layer = layer(exe, &mounts, |upper| upper.symlink_metadata().is_ok())?;
    let is_added = matches!(layer, Layer::Tmpfs | Layer::Volume);
    let root = || Root::of_process(process.pid);
    let is_learned = !is_added || root().is_some_and(|root| !root.has_open_folder(&process.exe));
    is_learned.then_some(layer)
}

fn layer(exe: &Path, mounts: &[MountInfo], exists: impl Fn(&Path) -> bool) -> Option<Layer> {
    // The last of the longest: later mounts lie over earlier ones.
    let mount = mounts
        .iter()
        .filter(|mount| exe.starts_with(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.components().count())?;
    if matches!(mount.fs_type.as_str(), "tmpfs" | "ramfs" | "hugetlbfs") {
        return Some(Layer::Tmpfs);
    }
    if mount.mount_point != Path::new("/") {
        return Some(Layer::Volume);
    }
    if mount.fs_type != "overlay" {
        return Some(Layer::Image);
    }
    let upper = Path::new(mount.super_options.get("upperdir")?.as_ref()?);
    let from_root = upper.strip_prefix("/").ok()?;
    let below = exe.strip_prefix("/").ok()?;
    // Without a look at the upper folder nothing is known of it.
    let upper = ROOTS
        .iter()
        .map(|root| Path::new(root).join(from_root))
        .find(|upper| exists(upper))?;
    (!exists(&upper.join(below))).then_some(Layer::Image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::FromRead as _;
    use procfs::process::MountInfos;

    const MOUNTS: &str = "\
1 0 0:30 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
2 1 0:31 / /tmp rw - tmpfs tmpfs rw
3 1 8:1 /data /data rw - ext4 /dev/sda1 rw
";

    fn check(exe: &str, existing: &[&str], expected: Option<Layer>) {
        let mounts = MountInfos::from_read(MOUNTS.as_bytes()).unwrap();
        let mounts: Vec<MountInfo> = mounts.into_iter().collect();

        let found = layer(Path::new(exe), &mounts, |path| {
            existing.iter().any(|name| path == Path::new(name))
        });

        assert_eq!(found, expected, "{exe}");
    }

    #[test]
    fn the_mounts_tell_the_layer() {
        check("/bin/sh", &["/u"], Some(Layer::Image));
        check("/bin/sh", &["/u", "/u/bin/sh"], None);
        check("/bin/sh", &[], None);
        check("/bin/sh", &["/proc/1/root/u"], Some(Layer::Image));
        check(
            "/bin/sh",
            &["/proc/1/root/u", "/proc/1/root/u/bin/sh"],
            None,
        );
        check("/tmp/x", &["/u"], Some(Layer::Tmpfs));
        check("/data/x", &["/u"], Some(Layer::Volume));
    }
}
