//! Cgroups come and go, and get their names.
//!
//! The kernel has put every new cgroup into `NEWBORN` before the first exec in
//! it can happen. A name that is not known at once is asked for again, shortly
//! and boundedly; until then the execs wait. None is dropped.
//!
//! A container of a pod is named by its runtime's own word
//! ([`ask_cri`](crate::containers::ask_cri)): the files tell the pod, but not its
//! labels, which tell the controller. One of docker's or podman's is named by
//! theirs ([`Engines`](crate::containers::Engines)), if they are asked. That word
//! is waited for as long as the execs can wait; after that the files have to do.

use super::Node;
use crate::containers::{
    Bundle, CgroupName, Confirmed, Description, Made, Question, Recognised, Reply, Since, recognise,
};
use crate::model::{CgroupId, ContainerId, Runtime, WorkloadId};
use agent_common::wire::Newborn;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The wait before the first further question; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(2);
/// How often a runtime's files are looked at: the last time after about a second.
/// After that only where the runtime is seen to be at it: see
/// [`Node::writes_on`].
const QUESTIONS: u32 = 10;
/// How long the word of a runtime is waited for, which may be starting anew
/// itself.
const WORD: Duration = Duration::from_secs(30);
/// The same for a container that is gone, and for all of them when the agent ends.
/// Less than what was seen of it is kept.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);
/// Where there is nothing to ask about.
const NEVER: Duration = Duration::from_secs(3600);

/// A cgroup whose runtime has not told what it is.
pub struct Unnamed {
    path: Vec<u8>,
    since: Since,
    /// Empty for a container that only lacks its description.
    ids: Vec<ContainerId>,
    /// Of the process that made it: what is left to go by if the runtime has
    /// forgotten the container before it could be asked.
    bundle: Option<Bundle>,
    /// What the files told before they went, of a container that waits for its
    /// runtime's word.
    described: Option<Description>,
    asked: u32,
    next: Instant,
    pub(super) gone: bool,
    /// Whether its runtime has a question about it.
    is_asked: bool,
    /// Until when its runtime's word is waited for, and then the API server's.
    pub(super) until: Instant,
    /// What its runtime has told, while the API server's word is waited for.
    pub(super) told: Option<Box<Description>>,
    /// Whether the API server's word was waited for already.
    pub(super) is_named: bool,
}

impl Node {
    /// Takes in the cgroups that came or went.
    pub(super) fn take_newborns(&mut self) {
        let mut newborns = match self.kernel.take_newborns() {
            Ok(newborns) => newborns,
            Err(error) => {
                tracing::error!(%error, "cannot take new cgroups");
                return;
            }
        };
        // Parents before children; what only ended comes first.
        newborns.sort_by_key(|(_, newborn)| newborn.made_ns);
        let ended: HashSet<CgroupId> = newborns
            .iter()
            .filter(|(cgroup, newborn)| {
                let is_news = newborn.made_ns != 0 || self.unnamed.contains_key(cgroup);
                newborn.removed_ns != 0 && is_news
            })
            .map(|(cgroup, _)| *cgroup)
            .collect();
        if !ended.is_empty() {
            self.gather_execs_of(&ended);
        }
        for (cgroup, newborn) in &newborns {
            if newborn.made_ns != 0 {
                // Of an older one the first exec was judged by an earlier agent.
                let since = match newborn.made_ns >= self.in_charge_ns {
                    true => Since::Made(newborn.made_ns),
                    false => Since::BeforeTheAgent,
                };
                self.take_newborn(*cgroup, newborn, since);
            }
        }
        for (cgroup, newborn) in &newborns {
            if newborn.removed_ns != 0 {
                self.cgroup_removed(*cgroup, newborn.removed_ns);
            }
        }
    }

    /// Takes in one that was made, or was there before.
    pub(super) fn take_newborn(&mut self, cgroup: CgroupId, newborn: &Newborn, since: Since) {
        let path = self.path_of(cgroup, newborn);
        self.cgroup_made(cgroup, &path, since);
        if let Some(unnamed) = self.unnamed.get_mut(&cgroup) {
            unnamed.bundle = Bundle::of_maker(newborn.maker, newborn.maker_start_ns);
        }
    }

    /// The path as the kernel had it; of a longer one, as the tree has it.
    fn path_of(&self, cgroup: CgroupId, newborn: &Newborn) -> Vec<u8> {
        let kept = &newborn.path[..(newborn.path_len as usize).min(newborn.path.len())];
        if newborn.cut == 0 {
            return kept.to_vec();
        }
        let tree = self.hierarchy.scan().unwrap_or_default();
        tree.into_iter()
            .find(|(id, _)| *id == cgroup)
            .map_or_else(|| kept.to_vec(), |(_, path)| path)
    }

    /// A cgroup is there.
    pub(super) fn cgroup_made(&mut self, cgroup: CgroupId, path: &[u8], since: Since) {
        if self.is_canarys_cgroup(cgroup) {
            return;
        }
        match self.containers.made(cgroup, path, since) {
            Made::Container => self.ask(cgroup, path, since, Vec::new(), None),
            Made::ChildOf(container) => self.adopt(cgroup, container),
            Made::ChildOfUnknown(above) => match self.hierarchy.id_of(&above) {
                Ok(parent) if parent != cgroup => {
                    self.cgroup_made(parent, &above, since);
                    if let Made::ChildOf(container) = self.containers.made(cgroup, path, since) {
                        self.adopt(cgroup, container);
                    }
                }
                // The container is gone and only its child was heard of.
                _ => {
                    if let Recognised::Container { name, .. } = recognise(path) {
                        self.is_container(cgroup, path, name, since, None);
                    }
                }
            },
            Made::Unconfirmed(ids) => self.ask(cgroup, path, since, ids, None),
            Made::Host => self.is_host(cgroup, path, true),
        }
    }

    fn is_container(
        &mut self,
        cgroup: CgroupId,
        path: &[u8],
        name: CgroupName,
        since: Since,
        bundle: Option<Bundle>,
    ) {
        self.containers.confirm(cgroup, path, name, since);
        self.ask(cgroup, path, since, Vec::new(), bundle);
    }

    fn ask(
        &mut self,
        cgroup: CgroupId,
        path: &[u8],
        since: Since,
        ids: Vec<ContainerId>,
        bundle: Option<Bundle>,
    ) {
        let unnamed = Unnamed {
            path: path.to_vec(),
            since,
            ids,
            bundle,
            described: None,
            asked: 0,
            next: Instant::now(),
            gone: false,
            is_asked: false,
            until: Instant::now() + WORD,
            told: None,
            is_named: false,
        };
        self.ask_runtime(cgroup, unnamed);
    }

    /// Waits for the word of the runtime and of the API server on what has no
    /// name, at most so long.
    pub(super) async fn hear_out(&mut self, words: &mut mpsc::Receiver<Reply>, patience: Duration) {
        let end = Instant::now() + patience;
        while self.awaits_words() && Instant::now() < end {
            let next = end.min(self.next_name());
            tokio::select! {
                Some(reply) = words.recv() => self.runtime_replied(reply),
                () = tokio::time::sleep_until(next.into()) => self.name_again(),
            }
        }
    }

    /// Whether a word is still to come, of a runtime or of the API server.
    fn awaits_words(&self) -> bool {
        let mut unnamed = self.unnamed.values();
        unnamed.any(|unnamed| unnamed.is_asked || unnamed.told.is_some())
    }

    /// Containers that have no name yet.
    pub(super) fn unnamed_containers(&self) -> u64 {
        let containers = self.unnamed.values();
        containers.filter(|unnamed| unnamed.ids.is_empty()).count() as u64
    }

    /// When the next question is due.
    pub(super) fn next_name(&self) -> Instant {
        let soonest = self.unnamed.values().map(|unnamed| unnamed.next).min();
        soonest.unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Asks again for what is due.
    pub(super) fn name_again(&mut self) {
        let now = Instant::now();
        let due: Vec<CgroupId> = self
            .unnamed
            .iter()
            .filter(|(_, unnamed)| unnamed.next <= now)
            .map(|(cgroup, _)| *cgroup)
            .collect();
        for cgroup in due {
            if let Some(unnamed) = self.unnamed.remove(&cgroup) {
                self.ask_runtime(cgroup, unnamed);
            }
        }
    }

    /// Asks once more for everything that still has no name, and takes that
    /// answer: the agent ends, and what waits for a name would be lost.
    pub(super) fn name_the_rest(&mut self) {
        let rest: Vec<CgroupId> = self.unnamed.keys().copied().collect();
        for cgroup in rest {
            self.ask_last(cgroup, Duration::ZERO);
        }
    }

    /// A container is gone: what its files say now is all they will.
    pub(super) fn ask_of_the_gone(&mut self, cgroup: CgroupId) {
        self.ask_last(cgroup, LAST_WORD);
    }

    fn ask_last(&mut self, cgroup: CgroupId, word: Duration) {
        if let Some(mut unnamed) = self.unnamed.remove(&cgroup) {
            unnamed.gone = true;
            unnamed.until = unnamed.until.min(Instant::now() + word);
            self.ask_runtime(cgroup, unnamed);
        }
    }

    /// The runtime's word on a container.
    pub(super) fn runtime_replied(&mut self, reply: Reply) {
        let Some(mut unnamed) = self.unnamed.remove(&reply.cgroup) else {
            return;
        };
        unnamed.is_asked = false;
        match reply.result {
            Ok(Some(description)) => {
                return self.named(reply.cgroup, unnamed, description);
            }
            // It is asked for the second time if the first was too early.
            Ok(None) if unnamed.gone || reply.is_final => {
                unnamed.until = Instant::now();
                return self.ask_runtime(reply.cgroup, unnamed);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "a container's name is asked for again");
            }
        }
        self.unnamed.insert(reply.cgroup, unnamed);
    }

    /// Whether a runtime's word is still to come, which is asked for.
    fn awaits_word(
        &self,
        cgroup: CgroupId,
        name: &CgroupName,
        description: &Description,
        unnamed: &mut Unnamed,
    ) -> bool {
        let is_of_a_pod =
            name.pod_uid.is_some() || matches!(description.workload, WorkloadId::Kubernetes { .. });
        let asker = match is_of_a_pod {
            true => Some(&self.cri),
            false => self.engines.of(&description.workload),
        };
        let Some(asker) = asker.filter(|asker| asker.is_there()) else {
            return false;
        };
        if Instant::now() >= unnamed.until {
            return false;
        }
        if !unnamed.is_asked {
            unnamed.is_asked = asker.ask(Question {
                cgroup,
                name: name.clone(),
            });
        }
        true
    }

    /// Whether a runtime is still writing down what the container is, which a
    /// busy machine may keep it from for seconds. What it ran waits meanwhile,
    /// and the first exec of the container's own asks again
    /// ([`Node::ask_now`]): by then it is written.
    fn writes_on(&self, name: &CgroupName, description: &Description, unnamed: &Unnamed) -> bool {
        !description.complete
            && !unnamed.gone
            && Instant::now() < unnamed.until
            && self.files.is_being_written(&name.id)
    }

    /// One question, and what follows from the answer.
    fn ask_runtime(&mut self, cgroup: CgroupId, mut unnamed: Unnamed) {
        unnamed.asked += 1;
        if let Some(description) = unnamed.told.take() {
            return self.named(cgroup, unnamed, *description);
        }
        let last = unnamed.gone || unnamed.asked >= QUESTIONS;
        if unnamed.ids.is_empty() {
            let Some(container) = self.containers.lookup(cgroup) else {
                return;
            };
            let name = &container.name;
            let mut description = self.files.describe(name);
            if !description.complete
                && let Some(before) = &unnamed.described
            {
                description = before.clone();
            }
            if last
                && !description.complete
                && let Some(bundle) = &unnamed.bundle
            {
                description = self.files.describe_by(bundle, name);
            }
            let waits = self.awaits_word(cgroup, name, &description, &mut unnamed)
                || (last && self.writes_on(name, &description, &unnamed));
            if (description.complete || last) && !waits {
                return self.named(cgroup, unnamed, description);
            }
            unnamed.described = description.complete.then_some(description);
        } else {
            match self.files.confirm(&unnamed.path, &unnamed.ids) {
                Confirmed::Yes(name) => {
                    let Unnamed {
                        path,
                        since,
                        bundle,
                        ..
                    } = unnamed;
                    return self.is_container(cgroup, &path, name, since, bundle);
                }
                Confirmed::No => return self.nobody_vouches(cgroup, unnamed),
                Confirmed::NotYet if last => return self.nobody_vouches(cgroup, unnamed),
                Confirmed::NotYet => {}
            }
        }
        self.name_later(cgroup, unnamed);
    }

    /// Looks again after a while, which doubles each time.
    pub(super) fn name_later(&mut self, cgroup: CgroupId, mut unnamed: Unnamed) {
        let times = 2u32.pow(unnamed.asked.min(QUESTIONS) - 1);
        unnamed.next = Instant::now() + FIRST_WAIT * times;
        self.unnamed.insert(cgroup, unnamed);
    }

    /// No runtime knows of it. What runs there decides: a process in a mount
    /// namespace of its own makes it a container, whoever made it.
    fn nobody_vouches(&mut self, cgroup: CgroupId, unnamed: Unnamed) {
        let own_namespace = self.waiting.get(&cgroup).is_some_and(|waiting| {
            waiting
                .iter()
                .any(|one| !one.exec.host_mntns && !one.exec.outer_mntns)
        });
        match unnamed.ids.first() {
            Some(id) if own_namespace => {
                let name = CgroupName {
                    runtime: Runtime::Runc,
                    id: id.clone(),
                    pod_uid: None,
                };
                let Unnamed {
                    path,
                    since,
                    bundle,
                    ..
                } = unnamed;
                self.is_container(cgroup, &path, name, since, bundle);
            }
            _ => self.is_host(cgroup, &unnamed.path, false),
        }
    }

    /// An exec in a cgroup without a name. A runtime has written down what the
    /// container is before its first process runs, and takes it away when that
    /// has ended, which may be a millisecond later: it is asked at once. Such
    /// questions are not among the [`QUESTIONS`]; there is one at most for each
    /// distinct exec.
    pub(super) fn ask_now(&mut self, cgroup: CgroupId) {
        let above = self.containers.lookup(cgroup);
        let container = above.map_or(cgroup, |container| container.cgroup);
        match self.unnamed.remove(&container) {
            Some(mut unnamed) => {
                unnamed.asked -= 1;
                self.ask_runtime(container, unnamed);
            }
            None => self.ask_once_more(cgroup),
        }
    }

    /// An exec in a cgroup that nobody vouched for, in a mount namespace of its
    /// own.
    fn ask_once_more(&mut self, cgroup: CgroupId) {
        if self.unnamed.contains_key(&cgroup) || self.containers.lookup(cgroup).is_some() {
            return;
        }
        let tree = self.hierarchy.scan().unwrap_or_default();
        if let Some((_, path)) = tree.into_iter().find(|(id, _)| *id == cgroup) {
            self.cgroup_made(cgroup, &path, Since::BeforeTheAgent);
        }
    }
}
