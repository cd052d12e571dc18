//! The document as types: one workload and what it may run.

use super::conditions::Digests;
use super::process::Process;
use super::removed::Removed;
use crate::model::WorkloadId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// The only `apiVersion` there is.
pub const API_VERSION: &str = "execwarden.dev/v1alpha1";
/// The only `kind`.
pub const KIND: &str = "ProcessAllowlist";
/// The most entries `processes` and `removed` have together.
pub const MAX_ENTRIES: usize = 20_000;
/// The most entries with a wildcard. Matching one costs more than a lookup,
/// and they are written by hand.
pub const MAX_WILDCARDS: usize = 1_000;
/// The largest document, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The annotation by which the agent knows its own documents.
pub const WRITTEN_BY: &str = "execwarden.dev/written-by";
/// The value of [`WRITTEN_BY`].
pub const AGENT: &str = "execwarden";

/// One ProcessAllowlist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// What a Kubernetes resource has.
    pub metadata: Metadata,
    /// What a person decides.
    pub spec: Spec,
    /// The evidence for it, written by the agent. Nothing is decided by it.
    pub status: Option<Status>,
}

impl Document {
    /// A document that the agent writes: named after the workload and marked
    /// as the agent's own, so that [`super::write_document`] may replace it.
    /// Its digests are there to be read; a person says that they count.
    pub fn by_agent(
        workload: WorkloadId,
        processes: BTreeSet<Process>,
        status: Option<Status>,
    ) -> Self {
        Self {
            metadata: Metadata {
                name: workload.document_name(),
                annotations: BTreeMap::from([(WRITTEN_BY.to_owned(), AGENT.to_owned())]),
                ..Metadata::default()
            },
            spec: Spec {
                workload,
                mode: Mode::default(),
                action: Some(Action::default()),
                unverified: Unverified::default(),
                digests: Some(Digests::Record),
                processes,
                removed: BTreeSet::new(),
            },
            status,
        }
    }

    /// Whether the agent wrote it.
    pub fn is_by_agent(&self) -> bool {
        self.metadata
            .annotations
            .get(WRITTEN_BY)
            .is_some_and(|by| by == AGENT)
    }
}

/// The parts of Kubernetes' `metadata` that a file in Git has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// 1 to 253 characters of `[a-z0-9.-]`.
    pub name: String,
    /// The namespace of the resource; the workload's own stands in the spec.
    pub namespace: Option<String>,
    /// Any text.
    pub labels: BTreeMap<String, String>,
    /// Any text.
    pub annotations: BTreeMap<String, String>,
}

/// What a person decides about a workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// What it is about.
    pub workload: WorkloadId,
    /// What is done with it.
    pub mode: Mode,
    /// What a deviation leads to; `None` leaves it to the operator.
    pub action: Option<Action>,
    /// What becomes of what only the agent can decide.
    pub unverified: Unverified,
    /// Whether the digests of its entries are compared, where they do not say
    /// so themselves; `None` where nobody says anything.
    pub digests: Option<Digests>,
    /// What it may run.
    pub processes: BTreeSet<Process>,
    /// What a person struck: never learned again.
    pub removed: BTreeSet<Removed>,
}

/// What is done with a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What the allowlist does not cover is reported.
    #[default]
    Enforce,
    /// What the allowlist does not cover is learned.
    Learn,
    /// Nothing is asked of it.
    Off,
}

impl Mode {
    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Learn => "learn",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no mode.
#[derive(Debug, thiserror::Error)]
#[error("there is no mode {0:?}; the modes are enforce, learn and off")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Self, UnknownMode> {
        [Self::Enforce, Self::Learn, Self::Off]
            .into_iter()
            .find(|mode| mode.as_str() == word)
            .ok_or_else(|| UnknownMode(word.to_owned()))
    }
}

/// What a deviation leads to, in mode enforce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is reported.
    #[default]
    Alert,
    /// It is reported, and stopped before its first instruction.
    Block,
}

impl Action {
    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no action.
#[derive(Debug, thiserror::Error)]
#[error("there is no action {0:?}; the actions are alert and block")]
pub struct UnknownAction(String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        match word {
            "alert" => Ok(Self::Alert),
            "block" => Ok(Self::Block),
            _ => Err(UnknownAction(word.to_owned())),
        }
    }
}

/// What becomes of an exec that an entry may cover, as long as only the agent can
/// say whether it does: the entry has a condition or a `*`. It counts where the
/// action is [`Action::Block`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Unverified {
    /// It runs. What the agent then finds not to be covered is stopped from the
    /// next time on.
    #[default]
    Run,
    /// It is stopped. What the agent then finds to be covered runs from the next
    /// time on.
    Deny,
}

impl Unverified {
    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Deny => "deny",
        }
    }
}

/// A word that says nothing of what is unverified.
#[derive(Debug, thiserror::Error)]
#[error("what is unverified cannot be {0:?}; write run or deny")]
pub struct UnknownUnverified(String);

impl FromStr for Unverified {
    type Err = UnknownUnverified;

    fn from_str(word: &str) -> Result<Self, UnknownUnverified> {
        match word {
            "run" => Ok(Self::Run),
            "deny" => Ok(Self::Deny),
            _ => Err(UnknownUnverified(word.to_owned())),
        }
    }
}

/// The evidence behind a learned document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// What was watched.
    pub learned_from: LearnedFrom,
    /// When.
    pub window: Window,
    /// What was not seen, one sentence each: agent down, losses, containers
    /// that were already running. Empty only if nothing was missed.
    pub gaps: Vec<String>,
    /// Whether what was missed was made good, or nothing was; `None` while it
    /// learns, and in documents of versions that did not say.
    pub complete: Option<bool>,
    /// What ran meanwhile and is never learned, one sentence each: only a person
    /// can allow it.
    pub pending_review: Vec<String>,
}

/// What a baseline was learned from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LearnedFrom {
    /// How many containers.
    pub containers: u64,
    /// On how many nodes.
    pub nodes: u64,
    /// Under which images.
    pub images: BTreeSet<String>,
}

/// When a baseline was learned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// When learning began.
    pub started: Option<jiff::Timestamp>,
    /// When it ended; `None` while it goes on.
    pub ended: Option<jiff::Timestamp>,
    /// Why it ended, in a word.
    pub ended_because: Option<String>,
}
