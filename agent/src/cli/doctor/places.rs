//! Where containers are, and what their runtimes tell of them.

use super::finding::Finding;
use crate::containers::{AskError, Engine, HierarchyError, KubeError, Placement};
use std::path::PathBuf;

/// What was found of containers and runtimes.
#[derive(Debug)]
pub(super) struct Facts {
    /// Where cgroup v2 is mounted and where the containers are, or why they
    /// cannot be seen.
    pub(super) cgroup: Result<(PathBuf, Placement), HierarchyError>,
    /// Runtimes' folders that are there.
    pub(super) folders: Vec<PathBuf>,
    /// Runtimes' folders that may not be read.
    pub(super) closed: Vec<PathBuf>,
    /// The runtime's CRI socket, and whether it answers; `None` where none is
    /// found.
    pub(super) cri: Option<(PathBuf, Result<(), AskError>)>,
    /// What docker and podman say.
    pub(super) engines: [(Engine, Asked); 2],
    /// The API server's address, if it answers all that is asked; `None` where it
    /// is not to be asked.
    pub(super) kube: Option<Result<String, KubeError>>,
}

/// What came of asking an engine.
#[derive(Debug)]
pub(super) enum Asked {
    /// It is not asked.
    Off,
    /// It would be, at its usual socket, which is not there.
    NotThere,
    /// It is, at this socket.
    At(PathBuf, Result<(), AskError>),
}

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![
        cgroup(&facts.cgroup),
        folders(&facts.folders, &facts.closed),
        cri(facts.cri.as_ref()),
    ];
    let engines = facts.engines.iter();
    findings.extend(engines.map(|(which, asked)| engine(*which, asked)));
    findings.extend(facts.kube.as_ref().map(kube));
    findings
}

fn cgroup(cgroup: &Result<(PathBuf, Placement), HierarchyError>) -> Finding {
    let name = "cgroup";
    let cost = "containers that are not in cgroup v2 are not seen";
    let blind = "no container can be seen; the agent does not start";
    let remedy = "boot with systemd.unified_cgroup_hierarchy=1";
    let (mount_point, placement) = match cgroup {
        Ok((mount_point, placement)) => (mount_point.display(), placement),
        Err(error) => {
            let remedy = match error {
                HierarchyError::NotMounted | HierarchyError::ContainersInV1 { .. } => remedy,
                HierarchyError::OnlyAPart(_) => "let it see the host's /sys/fs/cgroup, at any path",
                HierarchyError::Mountinfo(_) | HierarchyError::Unreadable { .. } => {
                    "let it see /proc and /sys/fs/cgroup"
                }
            };
            return Finding::missing(name, error.to_string(), blind, remedy);
        }
    };
    match placement {
        Placement::Unified => Finding::ok(name, format!("v2 at {mount_point}"), cost),
        Placement::InV2 => Finding::limit(
            name,
            format!("hybrid: v1, and v2 at {mount_point}, which has containers"),
            cost,
            remedy,
        ),
        Placement::Nowhere => Finding::limit(
            name,
            format!("hybrid: v1, and v2 at {mount_point}; no container in either yet"),
            cost,
            remedy,
        ),
        Placement::InV1(found) => Finding::missing(
            name,
            format!(
                "hybrid, and containers are in v1 alone: {}",
                found.display()
            ),
            blind,
            remedy,
        ),
    }
}

fn folders(found: &[PathBuf], closed: &[PathBuf]) -> Finding {
    let name = "runtime-files";
    let cost = "containers are named by their ids: each is a workload of its own, and learns anew";
    if !closed.is_empty() {
        return Finding::limit(
            name,
            format!("may not be read: {}", list(closed)),
            cost,
            "run this as root",
        );
    }
    if found.is_empty() {
        return Finding::limit(
            name,
            "no runtime has left any",
            cost,
            "none are there before the first container; in a container, let the agent see \
             the host's /run and say where (--host-root); name another folder of runc's with --runc-root",
        );
    }
    Finding::ok(name, list(found), cost)
}

/// A node without pods needs none.
fn cri(found: Option<&(PathBuf, Result<(), AskError>)>) -> Finding {
    let name = "cri";
    let cost = "a pod's controller is guessed from the pod's name, thirty seconds after its \
                start; until then nothing of it is reported";
    let guess = "the controllers of pods are guessed from the pods' names";
    match found {
        None => Finding::ok(name, "no socket found; only pods have need of one", guess),
        Some((socket, Err(AskError::NotCri))) => {
            let found = "does not speak CRI; only pods have need of that";
            Finding::ok(name, format!("{} {found}", socket.display()), guess)
        }
        Some((socket, Ok(()))) => Finding::ok(name, format!("{} answers", socket.display()), cost),
        Some((socket, Err(problem))) => Finding::limit(
            name,
            format!("{}: {problem}", socket.display()),
            cost,
            "see whether the runtime runs; name another socket with --cri",
        ),
    }
}

/// Its files have its containers' names as well, but for podman's labels.
fn engine(engine: Engine, asked: &Asked) -> Finding {
    let name = engine.as_str();
    let files = match engine {
        Engine::Docker => "its containers are named by its files",
        Engine::Podman => {
            "its containers are named by its files, which do not tell replicas of a service"
        }
    };
    let cost = format!(
        "{files}, thirty seconds after their start; until then nothing of them is reported"
    );
    match asked {
        Asked::Off => Finding::ok(name, format!("not asked; --{name} names its socket"), files),
        Asked::NotThere => Finding::ok(name, "no socket found", files),
        Asked::At(socket, Ok(())) => {
            Finding::ok(name, format!("{} answers", socket.display()), cost)
        }
        Asked::At(socket, Err(problem)) => Finding::limit(
            name,
            format!("{}: {problem}", socket.display()),
            cost,
            format!("see whether it runs; name another socket with --{name}, or off"),
        ),
    }
}

fn kube(found: &Result<String, KubeError>) -> Finding {
    let name = "kube";
    let cost = "pods go by their runtime's word: the kinds of their containers are not known, \
                nor what their namespaces ask for";
    match found {
        Ok(server) => Finding::ok(name, format!("{server} answers"), cost),
        Err(problem) => Finding::limit(
            name,
            problem.to_string(),
            cost,
            "see that KUBECONFIG, or the pod's service account, leads to it, and may get, list \
             and watch pods and namespaces, and get replicasets and jobs",
        ),
    }
}

/// The first few, and how many more there are.
fn list(paths: &[PathBuf]) -> String {
    const NAMED: usize = 8;

    let (named, others) = paths.split_at(paths.len().min(NAMED));
    let named: Vec<_> = named
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let named = named.join(", ");
    if others.is_empty() {
        named
    } else {
        format!("{named} and {} more", others.len())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::finding::tests::find;
    use super::super::finding::{self, State};
    use super::*;

    pub(in crate::cli::doctor) fn healthy() -> Facts {
        Facts {
            cgroup: Ok(("/sys/fs/cgroup".into(), Placement::Unified)),
            folders: vec!["/run/runc".into()],
            closed: Vec::new(),
            cri: Some(("/run/containerd/containerd.sock".into(), Ok(()))),
            engines: [
                (Engine::Docker, Asked::NotThere),
                (Engine::Podman, Asked::Off),
            ],
            kube: Some(Ok("https://10.96.0.1/".to_owned())),
        }
    }

    fn check(facts: &Facts, name: &str, state: State, found: &str) {
        finding::tests::check(&findings(facts), name, state, found);
    }

    #[test]
    fn what_counts_is_whether_containers_can_be_seen() {
        for (placement, state) in [
            (Placement::Unified, State::Ok),
            (Placement::InV2, State::Limit),
            (Placement::Nowhere, State::Limit),
            (Placement::InV1("/v1/web".into()), State::Missing),
        ] {
            let facts = Facts {
                cgroup: Ok(("/v2".into(), placement)),
                ..healthy()
            };
            check(&facts, "cgroup", state, "v");
        }
        let part = HierarchyError::OnlyAPart("/sys/fs/cgroup".into());
        let unread = HierarchyError::Mountinfo(std::io::ErrorKind::NotFound.into());
        for (error, remedy) in [
            (HierarchyError::NotMounted, "boot with"),
            (part, "/sys/fs/cgroup"),
            (unread, "/proc"),
        ] {
            let found = error.to_string();
            let facts = Facts {
                cgroup: Err(error),
                ..healthy()
            };
            check(&facts, "cgroup", State::Missing, &found);
            let told = find(&findings(&facts), "cgroup").remedy.clone();
            assert!(told.is_some_and(|told| told.contains(remedy)), "{found}");
        }
    }

    #[test]
    fn names_need_files_that_can_be_read() {
        check(&healthy(), "runtime-files", State::Ok, "/run/runc");
        let nothing = Facts {
            folders: Vec::new(),
            cri: None,
            ..healthy()
        };
        check(&nothing, "runtime-files", State::Limit, "no runtime");
        check(&nothing, "cri", State::Ok, "no socket found");
        check(&healthy(), "cri", State::Ok, "containerd.sock answers");
        let silent = Facts {
            cri: Some(("/run/crio/crio.sock".into(), Err(AskError::Slow))),
            ..healthy()
        };
        check(
            &silent,
            "cri",
            State::Limit,
            "crio.sock: the runtime did not",
        );
        let of_docker = Facts {
            cri: Some(("/run/c.sock".into(), Err(AskError::NotCri))),
            ..healthy()
        };
        check(&of_docker, "cri", State::Ok, "does not speak CRI");
        check(&healthy(), "kube", State::Ok, "https://10.96.0.1/ answers");
        let away = Facts {
            kube: Some(Err(KubeError::Slow)),
            ..healthy()
        };
        check(&away, "kube", State::Limit, "too slow");
        let many = Facts {
            folders: (0..4096).map(|n| format!("/run/user/{n}").into()).collect(),
            ..healthy()
        };
        check(&many, "runtime-files", State::Ok, "/7 and 4088 more");
        let closed = Facts {
            closed: vec!["/run/crun".into()],
            ..healthy()
        };
        check(&closed, "runtime-files", State::Limit, "/run/crun");
    }

    #[test]
    fn an_engine_that_is_asked_should_answer() {
        for (asked, state, found) in [
            (Asked::Off, State::Ok, "not asked"),
            (Asked::NotThere, State::Ok, "no socket"),
            (
                Asked::At("/d.sock".into(), Ok(())),
                State::Ok,
                "/d.sock answers",
            ),
            (
                Asked::At("/d.sock".into(), Err(AskError::Slow)),
                State::Limit,
                "/d.sock: the runtime did not answer",
            ),
        ] {
            let mut facts = healthy();
            facts.engines[0].1 = asked;
            check(&facts, "docker", state, found);
        }
    }
}
