//! The state that runc and crun keep of a running container.

use super::files::read_json;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where both expect cgroup v2; the paths in runc's state begin so.
const V2_MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// What is used of it.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct OciState {
    /// The folder with the container's `config.json`.
    pub(super) bundle: Option<PathBuf>,
    /// The annotations of that `config.json`, where the state repeats them.
    pub(super) annotations: BTreeMap<String, String>,
    /// The container's cgroup, below the root of the v2 hierarchy; on a node
    /// with v1 alone, of the v1 hierarchies.
    pub(super) cgroup: Option<String>,
}

impl OciState {
    /// Reads a container's state folder. `None` while the runtime has not
    /// written it: it makes the folder first, then the cgroup, then the state.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let runc = || read_json::<RuncState>(&folder.join("state.json")).map(Self::from);
        let crun = || read_json::<CrunStatus>(&folder.join("status")).map(Self::from);
        runc().or_else(crun)
    }

    /// Whether its cgroup is `path`.
    pub(super) fn is_at(&self, path: &[u8]) -> bool {
        self.cgroup
            .as_ref()
            .is_some_and(|cgroup| cgroup.as_bytes() == path)
    }
}

/// runc's `state.json` (libcontainer `State`).
#[derive(Deserialize)]
struct RuncState {
    config: RuncConfig,
    /// By controller; v2 has the empty name.
    #[serde(default)]
    cgroup_paths: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RuncConfig {
    /// `key=value`: the annotations, and `bundle=<path>`.
    #[serde(default)]
    labels: Vec<String>,
}

impl From<RuncState> for OciState {
    fn from(state: RuncState) -> Self {
        let mut annotations: BTreeMap<String, String> = state
            .config
            .labels
            .iter()
            .filter_map(|label| label.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let bundle = annotations.remove("bundle").map(PathBuf::from);
        let in_v2 = || {
            let path = state.cgroup_paths.get("")?;
            V2_MOUNTS.iter().find_map(|mount| path.strip_prefix(mount))
        };
        // All v1 hierarchies have the same path, each below its own mount.
        let in_v1 = || {
            state.cgroup_paths.values().find_map(|path| {
                let below = path.strip_prefix("/sys/fs/cgroup/")?;
                Some(&below[below.find('/')?..])
            })
        };
        let cgroup = in_v2().or_else(in_v1).map(str::to_owned);
        Self {
            bundle,
            annotations,
            cgroup,
        }
    }
}

/// crun's `status`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CrunStatus {
    bundle: PathBuf,
    cgroup_path: Option<String>,
    /// The systemd unit; empty without systemd.
    #[serde(default)]
    scope: String,
}

impl From<CrunStatus> for OciState {
    fn from(status: CrunStatus) -> Self {
        let cgroup = status.cgroup_path.map(|path| {
            // In a systemd scope crun puts the processes one level deeper; the
            // scope is the container.
            match path.strip_suffix("/container") {
                Some(scope) if !status.scope.is_empty() => scope.to_owned(),
                _ => path,
            }
        });
        Self {
            bundle: Some(status.bundle),
            annotations: BTreeMap::new(),
            cgroup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn check(file: &str, text: &str, expected: Option<OciState>) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(file), text).unwrap();

        assert_eq!(OciState::read(dir.path()), expected, "{text}");
    }

    #[test]
    fn reads_what_runc_writes() {
        check(
            "state.json",
            r#"{"id":"web","config":{"rootfs":"/b/rootfs",
                "labels":["org.opencontainers.image.title=shop","odd","bundle=/b"]},
                "cgroup_paths":{"":"/sys/fs/cgroup/a/web"}}"#,
            Some(OciState {
                bundle: Some("/b".into()),
                annotations: [("org.opencontainers.image.title".into(), "shop".into())].into(),
                cgroup: Some("/a/web".into()),
            }),
        );
    }

    #[test]
    fn a_hybrid_node_has_the_v2_path_beside_the_others() {
        check(
            "state.json",
            r#"{"config":{},"cgroup_paths":{
                "pids":"/sys/fs/cgroup/pids/web","":"/sys/fs/cgroup/unified/web"}}"#,
            Some(OciState {
                cgroup: Some("/web".into()),
                ..OciState::default()
            }),
        );
    }

    #[test]
    fn under_v1_alone_the_path_is_that_of_its_hierarchies() {
        check(
            "state.json",
            r#"{"config":{},"cgroup_paths":{
                "name=systemd":"/sys/fs/cgroup/systemd/a/web","pids":"/sys/fs/cgroup/pids/a/web"}}"#,
            Some(OciState {
                cgroup: Some("/a/web".into()),
                ..OciState::default()
            }),
        );
    }

    #[test]
    fn reads_what_crun_writes() {
        check(
            "status",
            r#"{"pid":7,"cgroup-path":"/a/web","scope":"","bundle":"/b","created":"…"}"#,
            Some(OciState {
                bundle: Some("/b".into()),
                cgroup: Some("/a/web".into()),
                ..OciState::default()
            }),
        );
    }

    #[test]
    fn the_scope_is_the_container_where_crun_goes_below_it() {
        for (scope, cgroup) in [("a.scope", "/a.scope"), ("", "/a.scope/container")] {
            check(
                "status",
                &format!(
                    r#"{{"cgroup-path":"/a.scope/container","scope":"{scope}","bundle":"/b"}}"#
                ),
                Some(OciState {
                    bundle: Some("/b".into()),
                    cgroup: Some(cgroup.into()),
                    ..OciState::default()
                }),
            );
        }
    }

    #[test]
    fn what_is_not_written_yet_or_broken_is_no_state() {
        check("other", "", None);
        for text in ["", "{", "[]", r#"{"config":7}"#, r#"{"bundle":[]}"#] {
            check("state.json", text, None);
            check("status", text, None);
        }
    }
}
