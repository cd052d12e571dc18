//! What a baseline knows of one entry.

use super::{Sample, Sighting};
use crate::model::ContainerId;
use jiff::Timestamp;
use std::sync::Arc;

/// How many containers an entry names.
pub const MAX_CONTAINERS_PER_ENTRY: usize = 64;
/// How many images an entry names.
pub const MAX_IMAGES_PER_ENTRY: usize = 16;

/// Where, when and how often one identity was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) execs: u64,
    pub(super) containers: Sample<ContainerId, MAX_CONTAINERS_PER_ENTRY>,
    pub(super) images: Sample<Arc<str>, MAX_IMAGES_PER_ENTRY>,
}

impl Evidence {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            first_seen: at,
            last_seen: at,
            execs: 0,
            containers: Sample::default(),
            images: Sample::default(),
        }
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

    pub(super) fn add(&mut self, sighting: &Sighting<'_>, image: Option<&Arc<str>>) {
        self.count(sighting.execs, sighting.at);
        self.containers.insert(sighting.container);
        if let Some(image) = image {
            self.images.insert(image);
        }
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
    }
}
