//! What a person says of a workload: `[PART=]WORKLOAD`.

use crate::allowlist::parse::workload_name;
use crate::model::{Runtime, WorkloadId};
use std::str::FromStr;

/// A person's word: `[PART=]WORKLOAD`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// Which part is meant; without it, all.
    pub(super) part: Option<String>,
    pub(super) target: Target,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Workload(WorkloadId),
    /// A controller, for formats that know the container.
    Controller {
        namespace: String,
        kind: String,
        name: String,
    },
}

/// A text that names no workload.
#[derive(Debug, thiserror::Error)]
pub enum BadAssignment {
    /// Neither form.
    #[error(
        "{0:?} is no workload; write NAMESPACE/KIND/NAME/CONTAINER, RUNTIME/NAME or unit/NAME as \
         `status` does, or NAMESPACE/KIND/NAME where the file names the container"
    )]
    NoWorkload(String),
    /// A part of it is no name.
    #[error("{0}")]
    BadName(String),
}

impl FromStr for Assignment {
    type Err = BadAssignment;

    fn from_str(text: &str) -> Result<Self, BadAssignment> {
        let (part, workload) = match text.split_once('=') {
            Some((part, workload)) => (Some(part.to_owned()), workload),
            None => (None, text),
        };
        Ok(Self {
            part,
            target: workload.parse()?,
        })
    }
}

impl FromStr for Target {
    type Err = BadAssignment;

    fn from_str(text: &str) -> Result<Self, BadAssignment> {
        let name =
            |name: &str, one_part| workload_name(name, one_part).map_err(BadAssignment::BadName);
        let parts: Vec<&str> = text.split('/').collect();
        let is_kind = |word: &str| word.starts_with(|c: char| c.is_ascii_uppercase());
        match &parts[..] {
            // A kind begins with a capital, a name of docker's never does.
            [namespace, kind, controller, rest @ ..] if is_kind(kind) && rest.len() <= 1 => {
                let (namespace, kind, controller) = (
                    name(namespace, true)?,
                    name(kind, true)?,
                    name(controller, true)?,
                );
                Ok(match rest {
                    [container] => Self::Workload(WorkloadId::Kubernetes {
                        namespace,
                        kind,
                        name: controller,
                        container: name(container, true)?,
                    }),
                    _ => Self::Controller {
                        namespace,
                        kind,
                        name: controller,
                    },
                })
            }
            ["unit", unit] => Ok(Self::Workload(WorkloadId::Unit {
                unit: name(unit, true)?,
            })),
            [word, _, ..] => match runtime(word) {
                Some(runtime) => Ok(Self::Workload(WorkloadId::Runtime {
                    runtime,
                    name: name(&text[word.len() + 1..], false)?,
                })),
                None => Err(BadAssignment::NoWorkload(text.to_owned())),
            },
            _ => Err(BadAssignment::NoWorkload(text.to_owned())),
        }
    }
}

fn runtime(word: &str) -> Option<Runtime> {
    [
        Runtime::Containerd,
        Runtime::CriO,
        Runtime::Docker,
        Runtime::Podman,
        Runtime::Runc,
    ]
    .into_iter()
    .find(|runtime| runtime.as_str() == word)
}

impl Assignment {
    /// Whether it is about the part of this name: by itself, or as one
    /// container of a resource.
    pub(super) fn means(&self, name: &str) -> bool {
        self.part.as_deref().is_some_and(|part| {
            let container = name.strip_prefix(part);
            container.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_written_as_status_writes_it() {
        for (text, workload) in [
            (
                "shop/Deployment/checkout/api",
                "shop/Deployment/checkout/api",
            ),
            ("docker/Deployment/x/y", "docker/Deployment/x/y"),
            ("docker/shop/web", "docker/shop/web"),
            ("runc/web", "runc/web"),
            ("cri-o/a/b/c", "cri-o/a/b/c"),
            ("unit/cron.service", "unit/cron.service"),
        ] {
            let target: Target = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert!(
                matches!(&target, Target::Workload(w) if w.to_string() == workload),
                "{text}: {target:?}"
            );
        }
        for text in [
            "",
            "web",
            "shop/deployment/checkout/api",
            "unit/a/b",
            "a/B/c/d/e",
            "runc/",
            "a/B//d",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
