//! What was learned of one workload.

use super::gap::Gaps;
use super::{Arguments, Around, Came, Ending, Evidence, Gap, Pending, Probation, Sample};
use crate::model::{
    ContainerId, Digest, Identity, Layer, Needs, Reason, Role, Untrusted, WorkloadId,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many entries a baseline holds. A container runs some dozens of
/// programs; what runs thousands is better described by a person's pattern.
pub const MAX_ENTRIES: usize = 4096;
/// How many containers a baseline names.
pub const MAX_CONTAINERS: usize = 256;
/// How many images a baseline names.
pub const MAX_IMAGES: usize = 64;
/// How many nodes a baseline names.
pub const MAX_NODES: usize = 256;

/// When learning began, and when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The first container's appearance.
    pub started: Timestamp,
    /// What has to hold before it ends, by the wall clock.
    pub ending: Ending,
}

/// Why learning ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EndedBecause {
    /// The window was over: how learning ended up to format 2.
    WindowEnded,
    /// All that has to hold did.
    Complete,
    /// A person ended it.
    ByHand,
    /// The maximum was reached before all held.
    MaximumReached,
}

impl EndedBecause {
    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WindowEnded => "window-ended",
            Self::Complete => "complete",
            Self::ByHand => "by-hand",
            Self::MaximumReached => "maximum-reached",
        }
    }
}

/// Whether learning goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It does.
    Learning,
    /// It has ended, and the baseline does not change any more.
    Finished {
        /// When.
        ended: Timestamp,
        /// Why.
        because: EndedBecause,
    },
}

/// A container that has appeared.
#[derive(Clone, Copy, Debug)]
pub struct Appearance<'a> {
    /// Which one.
    pub container: &'a ContainerId,
    /// Its image, where the runtime said it.
    pub image: Option<&'a str>,
    /// The image's digest, likewise.
    pub image_digest: Option<&'a str>,
    /// The node's name.
    pub node: &'a str,
    /// Whether the agent was there when it started.
    pub from_its_start: bool,
}

/// One or more execs of the same identity in one container.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The wall-clock time of the last of them.
    pub at: Timestamp,
    /// How many; 0 for a process that was found running, whose exec nobody saw.
    pub execs: u64,
    /// Where.
    pub container: &'a ContainerId,
    /// The container's image, where the runtime said it.
    pub image: Option<&'a str>,
    /// What else is known of it.
    pub around: Around<'a>,
    /// The digest of the file, or of the script, where it was read.
    pub digest: Option<Digest>,
    /// The arguments, where they are code ([`super::code_in_arguments`]);
    /// `None` for every other run, and where they are not known.
    pub code: Option<&'a [String]>,
}

/// What became of a sighting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "what was not learned has to be judged"]
pub enum Outcome {
    /// It is an entry now.
    New,
    /// It was one already.
    Known,
    /// There is no room: recorded as [`Gap::BeyondLimit`].
    Full,
    /// Learning has ended, or the kernel could not tell the layer
    /// ([`Layer::Unknown`] is never allowed, so never learned).
    Refused,
}

/// What was learned of one workload, with its evidence and its gaps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Baseline {
    pub(super) workload: WorkloadId,
    pub(super) window: Window,
    pub(super) state: State,
    pub(super) entries: BTreeMap<Identity, Evidence>,
    pub(super) containers: Sample<ContainerId, MAX_CONTAINERS>,
    pub(super) images: Sample<Arc<str>, MAX_IMAGES>,
    /// Their digests, where they are known: images that are none of them are new.
    pub(super) image_digests: Sample<Arc<str>, MAX_IMAGES>,
    pub(super) nodes: Sample<Arc<str>, MAX_NODES>,
    /// Containers that were seen from their start.
    pub(super) starts: u64,
    pub(super) gaps: Gaps,
    /// When something was last missed.
    pub(super) missed: Option<Timestamp>,
    /// When something was last new.
    pub(super) last_new: Option<Timestamp>,
    pub(super) pending: Pending,
    pub(super) probation: Option<Probation>,
}

impl Baseline {
    /// An empty baseline that learns from now on.
    pub fn new(workload: WorkloadId, window: Window) -> Self {
        Self {
            workload,
            window,
            state: State::Learning,
            entries: BTreeMap::new(),
            containers: Sample::default(),
            images: Sample::default(),
            image_digests: Sample::default(),
            nodes: Sample::default(),
            starts: 0,
            gaps: Gaps::default(),
            missed: None,
            last_new: None,
            pending: Pending::default(),
            probation: None,
        }
    }

    /// Notes that a container of the workload has appeared, whether or not it
    /// runs anything. Without effect once learning has ended.
    pub fn appeared(&mut self, appearance: &Appearance<'_>) {
        if self.state != State::Learning {
            return;
        }
        self.name_origin(appearance.container, appearance.image);
        if let Some(digest) = appearance.image_digest {
            self.image_digests.insert(&Arc::from(digest));
        }
        if self.nodes.get(appearance.node).is_none() {
            self.nodes.insert(&Arc::from(appearance.node));
        }
        self.starts += u64::from(appearance.from_its_start);
    }

    /// Learns what was seen.
    pub fn observe(&mut self, identity: &Identity, sighting: &Sighting<'_>) -> Outcome {
        let layers = [identity.layer, identity.path_layer()];
        if self.state != State::Learning || layers.contains(&Layer::Unknown) {
            return Outcome::Refused;
        }
        let image = self.name_origin(sighting.container, sighting.image);

        if let Some(evidence) = self.entries.get_mut(identity) {
            // A list of arguments that it was not run with before is new too.
            if evidence.add(sighting, image.as_ref()) {
                self.last_new = self.last_new.max(Some(sighting.at));
            }
            return Outcome::Known;
        }
        if self.entries.len() == MAX_ENTRIES {
            self.gaps.add(Gap::BeyondLimit {
                execs: sighting.execs,
            });
            return Outcome::Full;
        }
        let evidence = Evidence::new(sighting, image.as_ref());
        self.entries.insert(identity.clone(), evidence);
        self.last_new = self.last_new.max(Some(sighting.at));
        Outcome::New
    }

    /// Counts further execs of an entry, up to `at`. `false`, and nothing is
    /// counted, if it is none or learning has ended.
    pub fn count(&mut self, identity: &Identity, execs: u64, at: Timestamp) -> bool {
        let entry = match self.state {
            State::Learning => self.entries.get_mut(identity),
            State::Finished { .. } => None,
        };
        if let Some(evidence) = entry {
            evidence.count(execs, at);
            true
        } else {
            false
        }
    }

    /// Records what may have been missed until `now`. Without effect once
    /// learning has ended, and for a time before it began: neither is a part of
    /// what was learned.
    pub fn note(&mut self, gap: Gap, now: Timestamp) {
        if self.state != State::Learning {
            return;
        }
        match gap {
            Gap::AgentDown { from, to } => {
                let from = from.max(self.window.started);
                if from < to {
                    self.gaps.add(Gap::AgentDown { from, to });
                    self.missed = self.missed.max(Some(to));
                }
            }
            // Made good by a container that is seen from its start.
            Gap::PreExisting { .. } => self.gaps.add(gap),
            gap => {
                self.gaps.add(gap);
                self.missed = self.missed.max(Some(now));
            }
        }
    }

    /// Holds what was reported while it learned and may not be learned. Without
    /// effect once learning has ended.
    pub fn hold(&mut self, identity: &Identity, reason: Reason, at: Timestamp) {
        if self.state == State::Learning {
            self.pending.hold(identity, reason, at);
        }
    }

    /// Whose it is.
    pub fn workload(&self) -> &WorkloadId {
        &self.workload
    }

    /// When and how long it learns.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Whether it still learns.
    pub fn state(&self) -> State {
        self.state
    }

    /// What was learned; at most [`MAX_ENTRIES`].
    pub fn entries(&self) -> &BTreeMap<Identity, Evidence> {
        &self.entries
    }

    /// What the kernel must still report of an entry: its arguments while they
    /// are learned, who starts it while it was only ever put in, else nothing.
    pub fn needs(&self, identity: &Identity) -> Needs {
        let Some(evidence) = self.entries.get(identity) else {
            return Needs::NONE;
        };
        let args = matches!(evidence.arguments(), Arguments::Code(_));
        Needs::new(false, args, evidence.came() != Came::FromWithin, false)
    }

    /// The files of which single applets were learned, some more than once:
    /// the kernel has to ask for each of their applets.
    pub fn applet_files(&self) -> impl Iterator<Item = (&Untrusted, Layer)> {
        self.entries
            .keys()
            .filter(|identity| matches!(identity.role, Role::Applet(_)))
            .map(|identity| (&identity.file, identity.layer))
    }

    /// The workload's containers that appeared while it learned.
    pub fn containers(&self) -> &Sample<ContainerId, MAX_CONTAINERS> {
        &self.containers
    }

    /// Their images.
    pub fn images(&self) -> &Sample<Arc<str>, MAX_IMAGES> {
        &self.images
    }

    /// What may be missing, in a fixed order.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.gaps.iter()
    }

    /// When something was last learned that was new.
    pub fn last_new(&self) -> Option<Timestamp> {
        self.last_new
    }

    /// How many containers were seen from their start.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// The nodes it was learned on.
    pub fn nodes(&self) -> &Sample<Arc<str>, MAX_NODES> {
        &self.nodes
    }

    /// What waits for a person to look at it.
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Names a container and its image; returns the one shared copy of the
    /// image's name.
    fn name_origin(&mut self, container: &ContainerId, image: Option<&str>) -> Option<Arc<str>> {
        self.containers.insert(container);
        let image = image?;
        if let Some(shared) = self.images.get(image) {
            return Some(Arc::clone(shared));
        }
        let shared = Arc::from(image);
        self.images.insert(&shared);
        Some(shared)
    }
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
