//! The bundle that a container is made from, found through who makes it: runc
//! and crun work in its folder.

use super::files::parse_json;
use super::names::Names;
use crate::process;
use procfs::process::Process;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::PathBuf;

pub(super) const CONFIG: &str = "config.json";

/// What a bundle says of the container that is made from it.
#[derive(Debug)]
pub struct Bundle(pub(super) Names);

impl Bundle {
    /// The bundle in the working folder of the process that made a container's
    /// cgroup, which began at `start_ns` since boot. `None` where there is no
    /// bundle, as in that of systemd.
    ///
    /// The folder is what the kernel's own link leads to: a path would lead
    /// somewhere else, or nowhere, in another mount namespace than the maker's.
    pub fn of_maker(pid: u32, start_ns: u64) -> Option<Self> {
        let maker = process::find(pid, start_ns)?;
        let folder = working_folder(&maker).ok()?;
        let path = path_of(&folder);
        let file = open_plain(&folder, CONFIG);
        let config: BundleConfig = parse_json(&path.join(CONFIG), file)?;
        let of_folder = path
            .file_name()
            .and_then(|name| name.to_str())
            .map(Names::of_folder);
        Some(Self(config.names().or(of_folder.unwrap_or_default())))
    }
}

/// An OCI bundle's `config.json`, as far as it is used.
#[derive(Deserialize)]
pub(super) struct BundleConfig {
    annotations: Option<BTreeMap<String, String>>,
}

impl BundleConfig {
    pub(super) fn names(self) -> Names {
        Names::from_annotations(&self.annotations.unwrap_or_default())
    }
}

/// As a place only: nothing of it is read.
fn working_folder(process: &Process) -> io::Result<OwnedFd> {
    process
        .open_relative_flags("cwd", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)
        .map(OwnedFd::from)
        .map_err(io::Error::other)
}

/// Its path in its own mount namespace; empty if the kernel does not tell.
fn path_of(folder: &OwnedFd) -> PathBuf {
    fs::read_link(in_proc(folder)).unwrap_or_default()
}

/// Opens a regular file in a folder, which may be anybody's: no link is followed,
/// and nothing else than a regular file is opened for more than a look.
fn open_plain(folder: &OwnedFd, name: &str) -> io::Result<File> {
    let place = rustix::fs::openat2(
        folder,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    // The same inode, through the descriptor.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(in_proc(&place), flags, Mode::empty())?;
    Ok(file.into())
}

fn in_proc(descriptor: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Runtime;
    use crate::process::tests::start_ns;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::{Child, Command};

    const TITLED: &str = r#"{"annotations":{"org.opencontainers.image.title":"shop"}}"#;

    /// A process that works in a folder; ended when dropped.
    struct Maker(Child);

    impl Maker {
        fn in_folder(folder: &Path) -> Self {
            let mut command = Command::new("sleep");
            let child = command.arg("1000").current_dir(folder).spawn();
            Self(child.unwrap())
        }

        fn bundle(&self) -> Option<Bundle> {
            Bundle::of_maker(self.0.id(), start_ns(self.0.id()))
        }
    }

    impl Drop for Maker {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn workload(bundle: Option<Bundle>) -> Option<String> {
        let Bundle(names) = bundle?;
        Some(names.workload(Runtime::Runc, "id1").to_string())
    }

    #[test]
    fn a_maker_works_in_the_bundle() {
        for (folder, config, expected) in [
            ("web", TITLED, Some("runc/shop")),
            ("web", "{}", Some("runc/web")),
            ("bundle", "{}", Some("runc/id1")),
            ("a b", "{}", Some("runc/id1")),
            ("web", "[]", None),
            ("web", "", None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join(folder);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(CONFIG), config).unwrap();

            let found = workload(Maker::in_folder(&folder).bundle());

            assert_eq!(found.as_deref(), expected, "{folder:?}: {config}");
        }
    }

    #[test]
    fn who_is_no_runtime_has_none() {
        let dir = tempfile::tempdir().unwrap();

        assert!(Maker::in_folder(dir.path()).bundle().is_none());
    }

    #[test]
    fn a_process_that_has_the_makers_id_by_now_is_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CONFIG), TITLED).unwrap();
        let another = Maker::in_folder(dir.path());
        let began = start_ns(another.0.id());

        let before = began - process::tick_ns();
        assert!(Bundle::of_maker(another.0.id(), before).is_none());
        assert!(another.bundle().is_some());
    }

    #[test]
    fn links_and_what_is_no_file_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere.json");
        fs::write(&elsewhere, TITLED).unwrap();
        let refused = |name: &str, make: &dyn Fn(&Path)| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            make(&folder.join(CONFIG));

            assert!(Maker::in_folder(&folder).bundle().is_none(), "{name}");
        };

        refused("link", &|at| symlink(&elsewhere, at).unwrap());
        refused("link-up", &|at| symlink("../elsewhere.json", at).unwrap());
        refused("folder", &|at| fs::create_dir(at).unwrap());
        refused("fifo", &|at| {
            rustix::fs::mknodat(rustix::fs::CWD, at, FileType::Fifo, Mode::RWXU, 0).unwrap();
        });
    }

    #[test]
    fn a_bundle_that_was_moved_or_taken_away_does_not_lead_astray() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("web")).unwrap();
        fs::write(at("web").join(CONFIG), "{}").unwrap();
        let maker = Maker::in_folder(&at("web"));

        fs::rename(at("web"), at("shop")).unwrap();
        // Another takes its place.
        fs::create_dir(at("web")).unwrap();
        fs::write(at("web").join(CONFIG), TITLED).unwrap();
        assert_eq!(workload(maker.bundle()).as_deref(), Some("runc/shop"));

        fs::remove_dir_all(at("shop")).unwrap();
        assert_eq!(workload(maker.bundle()), None);
    }
}
