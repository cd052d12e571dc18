//! What is known of the pods of this node. Pure: knows no clock and no socket.

use super::facts::{Controller, Link, PodFacts};
use super::word::{Word, Words};
use crate::containers::Wishes;
use crate::containers::pod_owner::Owner;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// The most pods that are kept. kubelet runs 110 where nobody says otherwise.
pub(super) const MAX_PODS: usize = 2048;
/// The most namespaces that are kept: of those that ask for something.
pub(super) const MAX_NAMESPACES: usize = 8192;
/// Pods that are gone from the API server and still here: the last of their
/// containers may not have its name yet.
const MAX_GONE: usize = 256;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Store {
    pods: HashMap<String, PodFacts>,
    /// Uids of pods that are gone, oldest first.
    gone: VecDeque<String>,
    namespaces: HashMap<String, Wishes>,
    /// Whether they were listed, or cannot be: then there is nothing to wait for.
    has_namespaces: bool,
    links: HashMap<Link, Resolved>,
    left_out: u64,
}

/// What is behind a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Resolved {
    /// This one.
    Owner(Owner),
    /// It cannot be told, for now or for good.
    Untold,
}

impl Store {
    /// Takes a pod in, or what has changed of it.
    pub(super) fn pod(&mut self, facts: PodFacts) {
        if self.pods.len() >= MAX_PODS && !self.pods.contains_key(&facts.uid) {
            self.forget_the_gone(0);
        }
        if self.pods.len() >= MAX_PODS && !self.pods.contains_key(&facts.uid) {
            self.left_out += 1;
            return;
        }
        self.gone.retain(|uid| *uid != facts.uid);
        self.pods.insert(facts.uid.clone(), facts);
    }

    /// A pod is gone from the API server.
    pub(super) fn pod_gone(&mut self, uid: &str) {
        if self.pods.contains_key(uid) && !self.gone.iter().any(|gone| gone == uid) {
            self.gone.push_back(uid.to_owned());
        }
        self.forget_the_gone(MAX_GONE);
    }

    /// These are all the pods that there are.
    pub(super) fn all_pods(&mut self, all: Vec<PodFacts>) {
        let there: BTreeSet<&str> = all.iter().map(|facts| &*facts.uid).collect();
        let gone = self.pods.keys().filter(|uid| !there.contains(&***uid));
        let gone: Vec<String> = gone.cloned().collect();
        for uid in gone {
            self.pod_gone(&uid);
        }
        for facts in all {
            self.pod(facts);
        }
    }

    fn forget_the_gone(&mut self, keep: usize) {
        while self.gone.len() > keep {
            if let Some(uid) = self.gone.pop_front() {
                self.pods.remove(&uid);
            }
        }
        if self.links.len() > MAX_PODS {
            let pods = self.pods.values();
            let used: BTreeSet<&Link> = pods.filter_map(link).collect();
            self.links.retain(|link, _| used.contains(link));
        }
    }

    /// What a namespace asks for; most ask for nothing.
    pub(super) fn namespace(&mut self, name: String, wishes: Wishes) {
        if wishes == Wishes::default() {
            self.namespaces.remove(&name);
        } else if self.namespaces.len() < MAX_NAMESPACES || self.namespaces.contains_key(&name) {
            self.namespaces.insert(name, wishes);
        } else {
            self.left_out += 1;
        }
    }

    /// A namespace is gone.
    pub(super) fn namespace_gone(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    /// These are all the namespaces that there are.
    pub(super) fn all_namespaces(&mut self, all: Vec<(String, Wishes)>) {
        self.namespaces.clear();
        self.has_namespaces = true;
        for (name, wishes) in all {
            self.namespace(name, wishes);
        }
    }

    /// They cannot be listed, for now or for good.
    pub(super) fn no_namespaces(&mut self) {
        self.has_namespaces = true;
    }

    /// The links of which nobody knows what is behind them: at most so many.
    pub(super) fn unresolved(&self, most: usize) -> Vec<Link> {
        let links: BTreeSet<&Link> = self
            .pods
            .values()
            .filter_map(link)
            .filter(|link| !self.links.contains_key(*link))
            .collect();
        links.into_iter().take(most).cloned().collect()
    }

    /// What is behind a link.
    pub(super) fn resolved(&mut self, link: Link, found: Resolved) {
        self.links.insert(link, found);
    }

    /// Those that could not be told are to be asked for again.
    pub(super) fn ask_again(&mut self) -> bool {
        let before = self.links.len();
        self.links.retain(|_, found| *found != Resolved::Untold);
        self.links.len() < before
    }

    /// How many pods are there.
    pub(super) fn pods(&self) -> u64 {
        (self.pods.len() - self.gone.len()) as u64
    }

    /// How many there was no room for.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What is known of a container of a pod; of the pod's own, without a name.
    pub(super) fn words(&self, uid: &str, container: Option<&str>) -> Words {
        let Some(pod) = self.pods.get(uid) else {
            return Words::None;
        };
        let (owner, is_told) = match &pod.controller {
            Controller::Is(owner) => (Some(owner.clone()), true),
            Controller::Behind(link) => match self.links.get(link) {
                Some(Resolved::Owner(owner)) => (Some(owner.clone()), true),
                Some(Resolved::Untold) => (None, true),
                None => (None, false),
            },
        };
        let kind = container.and_then(|name| pod.containers.get(name).copied());
        let word = Word {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            owner,
            kind,
            wishes: pod.wishes.clone(),
            defaults: self.namespaces.get(&pod.namespace).cloned(),
        };
        let is_all = is_told && self.has_namespaces && kind.is_some() == container.is_some();
        match is_all {
            true => Words::All(word),
            false => Words::Some(word),
        }
    }
}

fn link(pod: &PodFacts) -> Option<&Link> {
    match &pod.controller {
        Controller::Is(_) => None,
        Controller::Behind(link) => Some(link),
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
