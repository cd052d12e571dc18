//! The API server's word on a container, and when it is waited for.
//!
//! Its runtime has told the names by then, or what is left to go by. kubelet runs
//! no pod that it has not from the API server, but for static pods, so that a pod
//! which is not known here yet will be in a moment: that is waited for, while the
//! API server answers at all. What ran waits to be judged meanwhile, as for the
//! runtime's word, and none of it is lost.

use super::Node;
use super::naming::Unnamed;
use crate::containers::{Description, Words, with_debuggers_as_one};
use crate::model::{CgroupId, ContainerKind, WorkloadId};
use std::time::{Duration, Instant};

/// How long the API server's word is waited for.
const API_WORD: Duration = Duration::from_secs(5);

impl Node {
    /// A container has the names that its runtime tells.
    pub(super) fn named(
        &mut self,
        cgroup: CgroupId,
        mut unnamed: Unnamed,
        mut description: Description,
    ) {
        let is_first = !unnamed.is_named;
        match self.api_words(cgroup, &description) {
            Some(Words::All(word)) => {
                word.complete(&mut description);
            }
            Some(words) => {
                // Of one that is gone less time is left.
                if is_first && !unnamed.gone {
                    unnamed.until = Instant::now() + API_WORD;
                }
                if self.api_tells() && Instant::now() < unnamed.until {
                    unnamed.is_named = true;
                    unnamed.told = Some(Box::new(description));
                    return self.name_later(cgroup, unnamed);
                }
                if let Words::Some(word) = words {
                    word.complete(&mut description);
                }
            }
            None => {}
        }
        with_debuggers_as_one(&mut description.workload, &mut description.in_pod);
        self.containers.describe(cgroup, description);
        self.settle(cgroup);
    }

    /// Looks whether what was waited for has come.
    pub(super) fn api_spoke(&mut self) {
        let waiting: Vec<CgroupId> = self
            .unnamed
            .iter()
            .filter(|(_, unnamed)| unnamed.told.is_some())
            .map(|(cgroup, _)| *cgroup)
            .collect();
        for cgroup in waiting {
            if let Some(mut unnamed) = self.unnamed.remove(&cgroup)
                && let Some(description) = unnamed.told.take()
            {
                self.named(cgroup, unnamed, *description);
            }
        }
    }

    fn api_tells(&self) -> bool {
        { self.kube.as_ref() }.is_some_and(crate::containers::Kube::tells_of_pods)
    }

    /// What the API server has said of a container; `None` where it is not asked,
    /// or has nothing to say: of what is no pod's, and of static pods, which it
    /// knows by another uid if at all.
    fn api_words(&self, cgroup: CgroupId, description: &Description) -> Option<Words> {
        let kube = self.kube.as_ref()?;
        let WorkloadId::Kubernetes {
            kind, container, ..
        } = &description.workload
        else {
            return None;
        };
        if kind == "StaticPod" {
            return None;
        }
        // The cgroup's own word before anybody else's.
        let name = &self.containers.lookup(cgroup)?.name;
        let uid = name.pod_uid.as_ref().or(description.pod_uid.as_ref())?;
        let is_sandbox = description.in_pod.kind == Some(ContainerKind::Sandbox);
        Some(kube.words(uid, (!is_sandbox).then_some(container)))
    }
}
