//! The cgroup v2 hierarchy of this node: where it is mounted, what is in it.

use super::mounts::{Mount, parse_mountinfo};
use super::namespace::{CgroupNamespace, folders_up, has_this_process};
use super::processes::v2_path;
use super::runtime_state::RuntimeFiles;
use crate::model::CgroupId;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where systemd and the container runtimes expect cgroups.
const USUAL_PLACE: &str = "/sys/fs/cgroup";
/// How deep cgroups are followed. Runtimes need eight levels; below a
/// container's own cgroup nothing has to be found.
const DEPTH_MAX: usize = 64;
/// How many folders of v1 hierarchies are looked at for containers.
const V1_FOLDERS_MAX: usize = 50_000;

/// How cgroups are laid out on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// v2 alone, where everybody expects it.
    Unified,
    /// v2 beside v1 hierarchies; containers may be in either.
    Hybrid,
}

/// Where a node's containers are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Placement {
    /// There is v2 alone.
    Unified,
    /// In v2, on a hybrid node. Others may be in v1.
    InV2,
    /// In v1 alone: the folder of one of them.
    InV1(PathBuf),
    /// There is none yet, on a hybrid node.
    Nowhere,
}

/// The cgroup v2 hierarchy of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hierarchy {
    mount_point: PathBuf,
    mode: Mode,
    v1_mount_points: Vec<PathBuf>,
    /// How far its root is above that of this process's cgroup namespace.
    up: usize,
    namespace: CgroupNamespace,
}

/// Why the node's containers could not be seen.
#[derive(Debug, thiserror::Error)]
pub enum HierarchyError {
    /// `/proc/self/mountinfo` could not be read.
    #[error("cannot read /proc/self/mountinfo: {0}; is /proc mounted?")]
    Mountinfo(#[source] io::Error),
    /// There is no cgroup v2.
    #[error(
        "cgroup v2 is not mounted; boot with systemd.unified_cgroup_hierarchy=1, \
         or mount it: mount -t cgroup2 none /sys/fs/cgroup"
    )]
    NotMounted,
    /// Only a part of the hierarchy is visible from here.
    #[error(
        "the cgroup v2 mount at {} shows only a part of the node; \
         let it see the host's /sys/fs/cgroup, at any path",
        .0.display()
    )]
    OnlyAPart(PathBuf),
    /// The containers are where the agent cannot see them.
    #[error(
        "containers run in the cgroup v1 hierarchy ({}) and none in cgroup v2 ({}); \
         execwarden needs cgroup v2: boot with systemd.unified_cgroup_hierarchy=1",
        .found.display(), .v2.display()
    )]
    ContainersInV1 {
        /// The folder of one of them.
        found: PathBuf,
        /// Where cgroup v2 is mounted.
        v2: PathBuf,
    },
    /// A cgroup could not be read.
    #[error("cannot read the cgroup {}: {source}", .path.display())]
    Unreadable {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Hierarchy {
    /// The hierarchy of this node, checked to be the whole of it.
    pub fn of_this_node() -> Result<Self, HierarchyError> {
        let text = fs::read("/proc/self/mountinfo").map_err(HierarchyError::Mountinfo)?;
        let candidates = Self::candidates(&text);
        let first = candidates.first().ok_or(HierarchyError::NotMounted)?;
        let part = HierarchyError::OnlyAPart(first.mount_point.clone());
        let mut found = candidates.into_iter().find(Self::is_whole).ok_or(part)?;
        found.namespace = found.namespace_of_this_process();
        Ok(found)
    }

    fn namespace_of_this_process(&self) -> CgroupNamespace {
        let own = fs::read("/proc/self/cgroup").unwrap_or_default();
        let cgroups = walk(&self.mount_point).map(|(_, path)| path);
        CgroupNamespace::of_this_process(
            v2_path(&own).unwrap_or_default(),
            self.up,
            cgroups,
            |path| has_this_process(&self.folder(path)),
        )
        .unwrap_or_else(|| {
            tracing::warn!(
                "this process is in none of the cgroups below {}; what runs already is not known",
                self.mount_point.display()
            );
            CgroupNamespace::default()
        })
    }

    /// The hierarchy that the text of a `mountinfo` names: the one at
    /// /sys/fs/cgroup, else the first that may show the hierarchy from its root.
    pub fn find(mountinfo: &[u8]) -> Result<Self, HierarchyError> {
        Self::candidates(mountinfo)
            .into_iter()
            .next()
            .ok_or(HierarchyError::NotMounted)
    }

    /// Every mount of cgroup v2 that could be used, best first.
    fn candidates(mountinfo: &[u8]) -> Vec<Self> {
        let mounts = parse_mountinfo(mountinfo);
        let is_visible = |mount: &&Mount| {
            // A later mount at the same place hides an earlier one.
            mounts
                .iter()
                .rfind(|other| other.mount_point == mount.mount_point)
                .is_some_and(|top| std::ptr::eq(top, *mount))
        };
        let v1_mount_points: Vec<PathBuf> = mounts
            .iter()
            .filter(|mount| mount.fs_type == b"cgroup")
            .filter(is_visible)
            .map(|mount| mount.mount_point.clone())
            .collect();
        let mut found: Vec<Self> = mounts
            .iter()
            .filter(|mount| mount.fs_type == b"cgroup2")
            .filter(is_visible)
            .filter_map(|mount| {
                let usual = mount.mount_point == Path::new(USUAL_PLACE);
                Some(Self {
                    mount_point: mount.mount_point.clone(),
                    mode: if usual || v1_mount_points.is_empty() {
                        Mode::Unified
                    } else {
                        Mode::Hybrid
                    },
                    v1_mount_points: v1_mount_points.clone(),
                    up: folders_up(&mount.root)?,
                    namespace: CgroupNamespace::default(),
                })
            })
            .collect();
        found.sort_by_key(|one| one.mount_point != Path::new(USUAL_PLACE));
        found
    }

    /// Every cgroup but the root has `cgroup.events`; in a cgroup namespace of
    /// its own a process takes some other cgroup for the root. Without
    /// `cgroup.procs` something else is mounted over it.
    fn is_whole(&self) -> bool {
        self.mount_point.join("cgroup.procs").exists()
            && !self.mount_point.join("cgroup.events").exists()
    }

    /// How this process's cgroup namespace shows it.
    pub fn namespace(&self) -> &CgroupNamespace {
        &self.namespace
    }

    /// The path of this process's own cgroup below the hierarchy's root, if it can
    /// be told.
    pub fn own(&self) -> Option<Vec<u8>> {
        let cgroups = fs::read("/proc/self/cgroup").ok()?;
        let path = self.namespace.path_of(v2_path(&cgroups)?);
        has_this_process(&self.folder(&path)).then_some(path)
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// How this node's cgroups are laid out.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The folder of a cgroup, given its path below the hierarchy's root.
    pub fn folder(&self, path: &[u8]) -> PathBuf {
        below(&self.mount_point, path)
    }

    /// The id of the cgroup at `path` below the hierarchy's root.
    pub fn id_of(&self, path: &[u8]) -> io::Result<CgroupId> {
        fs::metadata(self.folder(path)).map(|meta| CgroupId(meta.ino()))
    }

    /// Every cgroup with its path below the root, the root (`/`) first and
    /// parents before their children. What vanishes meanwhile is left out.
    pub fn scan(&self) -> Result<Vec<(CgroupId, Vec<u8>)>, HierarchyError> {
        let unreadable = |source| HierarchyError::Unreadable {
            path: self.mount_point.clone(),
            source,
        };
        let root = fs::metadata(&self.mount_point).map_err(unreadable)?;
        // Is it readable at all? What fails below the root only vanished.
        fs::read_dir(&self.mount_point).map_err(unreadable)?;
        let mut found = vec![(CgroupId(root.ino()), b"/".to_vec())];
        found.extend(walk(&self.mount_point));
        Ok(found)
    }

    /// Where the containers are that `files` knows.
    pub fn placement(&self, files: &RuntimeFiles) -> Placement {
        if self.mode == Mode::Unified {
            return Placement::Unified;
        }
        if walk(&self.mount_point).any(|(_, path)| files.is_container(&path)) {
            return Placement::InV2;
        }
        let in_v1 = self.v1_mount_points.iter().find_map(|v1| {
            let (_, path) = walk(v1)
                .take(V1_FOLDERS_MAX)
                .find(|(_, path)| files.is_container(path))?;
            Some(below(v1, &path))
        });
        in_v1.map_or(Placement::Nowhere, Placement::InV1)
    }

    /// Refuses a hybrid node whose containers are in v1 alone, where the agent
    /// does not see them. Warns if there are none to tell by.
    pub fn check_placement(&self, files: &RuntimeFiles) -> Result<(), HierarchyError> {
        match self.placement(files) {
            Placement::Unified | Placement::InV2 => {}
            Placement::InV1(found) => {
                return Err(HierarchyError::ContainersInV1 {
                    found,
                    v2: self.mount_point.clone(),
                });
            }
            Placement::Nowhere => tracing::warn!(
                v2 = %self.mount_point.display(),
                "this node has cgroup v1 beside v2 and no container yet; \
                 only containers in v2 will be seen"
            ),
        }
        Ok(())
    }
}

/// The folders below `root`, parents before their children, as paths that
/// begin with `/`.
fn walk(root: &Path) -> impl Iterator<Item = (CgroupId, Vec<u8>)> {
    let root = root.to_owned();
    let mut queue = VecDeque::from(children(&root, b""));
    std::iter::from_fn(move || {
        let (id, path) = queue.pop_front()?;
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        if depth < DEPTH_MAX {
            queue.extend(children(&root, &path));
        }
        Some((id, path))
    })
}

/// The folders in the one at `path`; none if it is gone. The id is the inode in
/// the folder's entry, so that one which is gone a moment later still has it.
fn children(root: &Path, path: &[u8]) -> Vec<(CgroupId, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(below(root, path)) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| {
            let child = [path, b"/", entry.file_name().as_bytes()].concat();
            (CgroupId(entry.ino()), child)
        })
        .collect()
}

/// The folder of a cgroup in the hierarchy that is mounted at `root`.
fn below(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)))
}

#[cfg(test)]
#[path = "hierarchy_tests.rs"]
mod tests;
