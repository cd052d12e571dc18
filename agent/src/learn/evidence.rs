//! What a baseline knows of one entry.

use super::{Arguments, Sample, Sighting};
use crate::model::{ContainerId, Digest};
use jiff::Timestamp;
use std::sync::Arc;

/// How many containers an entry names.
pub const MAX_CONTAINERS_PER_ENTRY: usize = 64;
/// How many images an entry names.
pub const MAX_IMAGES_PER_ENTRY: usize = 16;
/// How many digests an entry names.
pub const MAX_DIGESTS_PER_ENTRY: usize = 8;

/// Where, when, how often and with what one identity was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) execs: u64,
    pub(super) containers: Sample<ContainerId, MAX_CONTAINERS_PER_ENTRY>,
    pub(super) images: Sample<Arc<str>, MAX_IMAGES_PER_ENTRY>,
    pub(super) digests: Sample<Digest, MAX_DIGESTS_PER_ENTRY>,
    pub(super) arguments: Arguments,
}

impl Evidence {
    pub(super) fn new(sighting: &Sighting<'_>, image: Option<&Arc<str>>) -> Self {
        let mut evidence = Self {
            first_seen: sighting.at,
            last_seen: sighting.at,
            execs: 0,
            containers: Sample::default(),
            images: Sample::default(),
            digests: Sample::default(),
            arguments: Arguments::of(sighting.code),
        };
        evidence.add(sighting, image);
        evidence
    }

    /// When it was first seen.
    pub fn first_seen(&self) -> Timestamp {
        self.first_seen
    }

    /// When it was last seen.
    pub fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// How often it ran; 0 for what was only found running, and stays at
    /// `u64::MAX` once there.
    pub fn execs(&self) -> u64 {
        self.execs
    }

    /// The containers it was seen in.
    pub fn containers(&self) -> &Sample<ContainerId, MAX_CONTAINERS_PER_ENTRY> {
        &self.containers
    }

    /// The images it was seen under.
    pub fn images(&self) -> &Sample<Arc<str>, MAX_IMAGES_PER_ENTRY> {
        &self.images
    }

    /// What its file contained, the script's where it is one; the file may not
    /// have been read.
    pub fn digests(&self) -> &Sample<Digest, MAX_DIGESTS_PER_ENTRY> {
        &self.digests
    }

    /// What it was run with.
    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    pub(super) fn add(&mut self, sighting: &Sighting<'_>, image: Option<&Arc<str>>) {
        self.count(sighting.execs, sighting.at);
        self.containers.insert(sighting.container);
        if let Some(image) = image {
            self.images.insert(image);
        }
        if let Some(digest) = &sighting.digest {
            self.digests.insert(digest);
        }
        self.arguments.merge(&Arguments::of(sighting.code));
    }

    pub(super) fn count(&mut self, execs: u64, at: Timestamp) {
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
        self.execs = self.execs.saturating_add(execs);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.execs = self.execs.saturating_add(other.execs);
        self.containers.merge(&other.containers);
        self.images.merge(&other.images);
        self.digests.merge(&other.digests);
        self.arguments.merge(&other.arguments);
    }
}
