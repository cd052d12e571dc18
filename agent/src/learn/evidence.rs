//! What a baseline knows of one entry.

use super::{Arguments, Sample, Sighting};
use crate::model::{ContainerId, Digest, Untrusted};
use jiff::Timestamp;
use std::sync::Arc;

/// How many containers an entry names.
pub const MAX_CONTAINERS_PER_ENTRY: usize = 64;
/// How many images an entry names.
pub const MAX_IMAGES_PER_ENTRY: usize = 16;
/// How many digests an entry names.
pub const MAX_DIGESTS_PER_ENTRY: usize = 8;
/// How many nodes an entry names.
pub const MAX_NODES_PER_ENTRY: usize = 16;
/// How many users an entry names.
pub const MAX_USERS_PER_ENTRY: usize = 16;
/// How many programs an entry names that started it.
pub const MAX_PARENTS_PER_ENTRY: usize = 8;
/// How many lists of arguments an entry shows as an example.
pub const MAX_EXAMPLES_PER_ENTRY: usize = 3;
/// The longest such list, in bytes, as it is shown.
pub const MAX_EXAMPLE: usize = 256;

/// How a run came into the container, or several of one identity: the one that is
/// furthest from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Came {
    /// Somebody put it in: a probe, a hook, `kubectl exec`.
    PutIn,
    /// From what somebody put in.
    FromPutIn,
    /// From the container itself, or nobody knows.
    #[default]
    FromWithin,
}

/// What was around a sighting, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Around<'a> {
    /// The node's name.
    pub node: Option<&'a str>,
    /// The real user id.
    pub user: Option<u32>,
    /// The parent's program.
    pub parent: Option<&'a Untrusted>,
    /// How it came into the container.
    pub came: Came,
    /// The arguments behind the name; `None` where they are not to be kept, too.
    pub arguments: Option<&'a [Untrusted]>,
}

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
    pub(super) nodes: Sample<Arc<str>, MAX_NODES_PER_ENTRY>,
    pub(super) users: Sample<u32, MAX_USERS_PER_ENTRY>,
    pub(super) parents: Sample<Untrusted, MAX_PARENTS_PER_ENTRY>,
    pub(super) examples: Sample<String, MAX_EXAMPLES_PER_ENTRY>,
    pub(super) came: Came,
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
            nodes: Sample::default(),
            users: Sample::default(),
            parents: Sample::default(),
            examples: Sample::default(),
            came: sighting.around.came,
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

    /// The nodes it was seen on.
    pub fn nodes(&self) -> &Sample<Arc<str>, MAX_NODES_PER_ENTRY> {
        &self.nodes
    }

    /// The real user ids that ran it.
    pub fn users(&self) -> &Sample<u32, MAX_USERS_PER_ENTRY> {
        &self.users
    }

    /// The programs that started it.
    pub fn parents(&self) -> &Sample<Untrusted, MAX_PARENTS_PER_ENTRY> {
        &self.parents
    }

    /// What it was run with, as examples: escaped, the beginning of each.
    pub fn examples(&self) -> &Sample<String, MAX_EXAMPLES_PER_ENTRY> {
        &self.examples
    }

    /// How it came into the container: [`Came::PutIn`] if it always was put in, as a
    /// probe is.
    pub fn came(&self) -> Came {
        self.came
    }

    /// Adds what was seen; whether that told something new of its arguments.
    pub(super) fn add(&mut self, sighting: &Sighting<'_>, image: Option<&Arc<str>>) -> bool {
        self.count(sighting.execs, sighting.at);
        self.containers.insert(sighting.container);
        if let Some(image) = image {
            self.images.insert(image);
        }
        if let Some(digest) = &sighting.digest {
            self.digests.insert(digest);
        }
        let Around {
            node,
            user,
            parent,
            came,
            arguments,
        } = sighting.around;
        self.came = self.came.max(came);
        if let Some(node) = node
            && self.nodes.get(node).is_none()
        {
            self.nodes.insert(&Arc::from(node));
        }
        if let Some(user) = user {
            self.users.insert(&user);
        }
        if let Some(parent) = parent {
            self.parents.insert(parent);
        }
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
            self.examples.insert(&example(arguments));
        }
        self.arguments.merge(&Arguments::of(sighting.code))
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
        self.nodes.merge(&other.nodes);
        self.users.merge(&other.users);
        self.parents.merge(&other.parents);
        self.examples.merge(&other.examples);
        self.came = self.came.max(other.came);
    }
}

/// The arguments on one line, escaped, as far as they go into [`MAX_EXAMPLE`].
fn example(arguments: &[Untrusted]) -> String {
    let mut line = String::new();
    for argument in arguments {
        if !line.is_empty() {
            line.push(' ');
        }
        line += &argument.escaped(MAX_EXAMPLE);
        if line.len() > MAX_EXAMPLE {
            line.truncate(line.floor_char_boundary(MAX_EXAMPLE));
            line.push('…');
            break;
        }
    }
    line
}
