//! How this process's cgroup namespace shows the hierarchy.
//!
//! In a namespace of its own (a pod that is not privileged has one) the kernel
//! names every cgroup as seen from the namespace's root: its own is `/`, the
//! hierarchy's is `/../../..`. Only names change; the hierarchy itself can be
//! mounted as a whole.

use std::path::Path;

/// The names that `/proc/<pid>/cgroup` has for cgroups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CgroupNamespace {
    /// The path of its root from the hierarchy's, by folders; empty in the
    /// host's namespace.
    root: Vec<Vec<u8>>,
}

impl CgroupNamespace {
    /// The one whose root is the cgroup at `path`.
    fn rooted_at(path: &[u8]) -> Self {
        Self {
            root: folders(path).map(<[u8]>::to_vec).collect(),
        }
    }

    /// This process's, given its own name in it, how far below the hierarchy's
    /// root its root is, and all cgroups there are. `None` if this process is
    /// in none of them.
    pub(super) fn of_this_process(
        own_name: &[u8],
        depth: usize,
        cgroups: impl Iterator<Item = Vec<u8>>,
        is_own: impl Fn(&[u8]) -> bool,
    ) -> Option<Self> {
        if depth == 0 {
            return Some(Self::default());
        }
        let below = folders(own_name).count();
        cgroups
            .filter(|path| folders(path).count() == depth + below)
            .find(|path| is_own(path))
            .map(|own| {
                let mut found = Self::rooted_at(&own);
                found.root.truncate(depth);
                found
            })
    }

    /// The path from the hierarchy's root of what is called `name` in here.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut path: Vec<&[u8]> = self.root.iter().map(Vec::as_slice).collect();
        for folder in folders(name) {
            match folder {
                b".." => drop(path.pop()),
                folder => path.push(folder),
            }
        }
        let path: Vec<u8> = path
            .iter()
            .flat_map(|folder| [b"/", *folder].concat())
            .collect();
        if path.is_empty() { b"/".to_vec() } else { path }
    }

    /// What the cgroup at `path` from the hierarchy's root is called in here.
    pub(super) fn name_of(&self, path: &[u8]) -> Vec<u8> {
        let shared = folders(path)
            .zip(&self.root)
            .take_while(|(one, other)| one == other)
            .count();
        let up = std::iter::repeat_n(&b".."[..], self.root.len() - shared);
        let name: Vec<u8> = up
            .chain(folders(path).skip(shared))
            .flat_map(|folder| [b"/", folder].concat())
            .collect();
        if name.is_empty() { b"/".to_vec() } else { name }
    }
}

/// How many folders up a mount's root lies, as its `mountinfo` names it: 0 for
/// `/`, 2 for `/../..`; `None` for a folder beside or below.
pub(super) fn folders_up(root: &[u8]) -> Option<usize> {
    folders(root).try_fold(0, |up, folder| (folder == b"..").then_some(up + 1))
}

fn folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|folder| !folder.is_empty())
}

/// Whether a cgroup's folder has this process in it.
pub(super) fn has_this_process(folder: &Path) -> bool {
    super::processes_in(folder).contains(&std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_named_as_the_kernel_does_it() {
        let pod = CgroupNamespace::rooted_at(b"/kubepods/pod1/agent");
        for (path, name) in [
            ("/", "/../../.."),
            ("/system.slice/sshd", "/../../../system.slice/sshd"),
            ("/kubepods/pod2/web", "/../../pod2/web"),
            ("/kubepods/pod1", "/.."),
            ("/kubepods/pod1/agent", "/"),
            ("/kubepods/pod1/agent/below", "/below"),
        ] {
            assert_eq!(pod.name_of(path.as_bytes()), name.as_bytes(), "{path}");
            assert_eq!(pod.path_of(name.as_bytes()), path.as_bytes(), "{name}");
        }
        for path in ["/", "/a", "/a/b"] {
            let host = CgroupNamespace::default();
            assert_eq!(host.name_of(path.as_bytes()), path.as_bytes());
            assert_eq!(host.path_of(path.as_bytes()), path.as_bytes());
        }
    }

    #[test]
    fn the_root_is_found_by_the_cgroup_that_has_this_process() {
        let cgroups = ["/", "/a", "/a/b", "/a/c", "/a/c/in"];
        let found = |own_name: &str, depth, own: &str| {
            CgroupNamespace::of_this_process(
                own_name.as_bytes(),
                depth,
                cgroups.iter().map(|path| path.as_bytes().to_vec()),
                |path| path == own.as_bytes(),
            )
        };

        assert_eq!(
            found("/", 2, "/a/c"),
            Some(CgroupNamespace::rooted_at(b"/a/c"))
        );
        assert_eq!(
            found("/in", 2, "/a/c/in"),
            Some(CgroupNamespace::rooted_at(b"/a/c"))
        );
        assert_eq!(found("/a/b", 0, "/a/b"), Some(CgroupNamespace::default()));
        assert_eq!(found("/", 2, "/nowhere"), None);
    }

    #[test]
    fn a_mount_of_the_whole_hierarchy_is_told_from_a_part() {
        for (root, up) in [
            ("/", Some(0)),
            ("/..", Some(1)),
            ("/../../..", Some(3)),
            ("/../x", None),
            ("/x", None),
        ] {
            assert_eq!(folders_up(root.as_bytes()), up, "{root}");
        }
    }
}
