//! What was learned of one workload.

use super::gap::Gaps;
use super::{Arguments, Evidence, Gap, Sample};
use crate::model::{ContainerId, Digest, Identity, Layer, Needs, Role, Untrusted, WorkloadId};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many entries a baseline holds. A container runs some dozens of
/// programs; what runs thousands is better described by a person's pattern.
pub const MAX_ENTRIES: usize = 4096;
/// How many containers a baseline names.
pub const MAX_CONTAINERS: usize = 256;
/// How many images a baseline names.
pub const MAX_IMAGES: usize = 64;

/// When learning began, and how long it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The first container's appearance.
    pub started: Timestamp,
    /// The time to learn for, by the wall clock.
    pub length: Duration,
}

impl Window {
    /// What is left of it: all, if the clock was set back before its start.
    fn remaining(&self, now: Timestamp) -> Duration {
        let elapsed = now.duration_since(self.started);
        let elapsed = elapsed.max(SignedDuration::ZERO).unsigned_abs();
        self.length.saturating_sub(elapsed)
    }
}

/// Why learning ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EndedBecause {
    /// The window was over.
    WindowEnded,
    /// The operator ended it.
    Promoted,
}

impl EndedBecause {
    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WindowEnded => "window-ended",
            Self::Promoted => "promoted",
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
    pub(super) gaps: Gaps,
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
            gaps: Gaps::default(),
        }
    }

    /// Notes that a container of the workload has appeared, whether or not it
    /// runs anything. Without effect once learning has ended.
    pub fn appeared(&mut self, container: &ContainerId, image: Option<&str>) {
        if self.state == State::Learning {
            self.name_origin(container, image);
        }
    }

    /// Learns what was seen.
    pub fn observe(&mut self, identity: &Identity, sighting: &Sighting<'_>) -> Outcome {
        let layers = [identity.layer, identity.path_layer()];
        if self.state != State::Learning || layers.contains(&Layer::Unknown) {
            return Outcome::Refused;
        }
        let image = self.name_origin(sighting.container, sighting.image);

        if let Some(evidence) = self.entries.get_mut(identity) {
            evidence.add(sighting, image.as_ref());
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

    /// Records what may have been missed. Without effect once learning has
    /// ended, and for a time before it began: neither is a part of what was
    /// learned.
    pub fn note(&mut self, gap: Gap) {
        if self.state != State::Learning {
            return;
        }
        match gap {
            Gap::AgentDown { from, to } => {
                let from = from.max(self.window.started);
                if from < to {
                    self.gaps.add(Gap::AgentDown { from, to });
                }
            }
            gap => self.gaps.add(gap),
        }
    }

    /// Whether the window is over while it still learns.
    pub fn due(&self, now: Timestamp) -> bool {
        self.remaining(now) == Some(Duration::ZERO)
    }

    /// What is left of the window, or `None` once learning has ended.
    pub fn remaining(&self, now: Timestamp) -> Option<Duration> {
        match self.state {
            State::Learning => Some(self.window.remaining(now)),
            State::Finished { .. } => None,
        }
    }

    /// Ends learning because the window is over. The first end stands.
    pub fn finish(&mut self, now: Timestamp) {
        self.finish_because(now, EndedBecause::WindowEnded);
    }

    /// Ends learning. The first end stands.
    pub fn finish_because(&mut self, now: Timestamp, because: EndedBecause) {
        if self.state == State::Learning {
            self.state = State::Finished {
                ended: now,
                because,
            };
        }
    }

    /// Sets how long it learns, from the first container's appearance. Without
    /// effect once learning has ended.
    pub fn learn_for(&mut self, length: Duration) {
        if self.state == State::Learning {
            self.window.length = length;
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
    /// are learned, else nothing.
    pub fn needs(&self, identity: &Identity) -> Needs {
        match self.entries.get(identity).map(Evidence::arguments) {
            Some(Arguments::Code(_)) => Needs::ARGS,
            Some(Arguments::Any) | None => Needs::NONE,
        }
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

    /// Whether something may be missing.
    pub fn is_incomplete(&self) -> bool {
        self.gaps().next().is_some()
    }

    /// When something was last learned that was new.
    pub fn last_new(&self) -> Option<Timestamp> {
        self.entries.values().map(Evidence::first_seen).max()
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
