//! A baseline as a plain value that can be written and read back.
//!
//! Reading checks everything that [`Baseline`] promises: what is read may be
//! another version's, or damaged.

mod entry;
mod held;
mod identity;
mod tables;

use super::gap::Gaps;
use super::probation::Probation;
use super::{Baseline, EndedBecause, Ending, MAX_ENTRIES, MAX_FOUND, Sample, State, Window};
use crate::model::{ContainerId, WorkloadId};
pub(crate) use identity::Bytes;

use entry::{EntryRecord, entries, read_entries};
use held::{HeldRecord, held, read_pending};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;
use std::time::Duration;
use tables::{Listed, Names, Tables, listed, look_up, sample};

/// A written baseline that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// A reference beyond the table of names.
    #[error("there is no name number {0}")]
    NoSuchName(u32),
    /// A container's id that no runtime would have given.
    #[error("{0:?} is not a container's id")]
    BadContainer(String),
    /// Bytes that are written neither as text nor as pairs of hex digits.
    #[error("{0:?} is not an even number of hex digits")]
    BadHex(String),
    /// An entry with an end before its start.
    #[error("entry {0} has evidence that contradicts itself")]
    BadEvidence(usize),
    /// An applet and a script, or the details of a script without one.
    #[error("entry {0} is more than one thing, or a part of one")]
    BadRole(usize),
    /// Text that is no SHA-256.
    #[error("entry {0} has {1:?} for a SHA-256")]
    BadDigest(usize, String),
    /// The same identity twice.
    #[error("entry {0} was there before")]
    Duplicate(usize),
    /// More than a baseline holds.
    #[error("there are more {0} than a baseline holds")]
    TooMany(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    workload: WorkloadId,
    started: Timestamp,
    /// The minimum time.
    length: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet: Option<Duration>,
    /// Before format 3 none was asked for.
    #[serde(default)]
    starts_asked: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum: Option<Duration>,
    state: StateRecord,
    #[serde(default)]
    starts: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missed: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_new: Option<Timestamp>,
    /// The table of containers' ids.
    container_names: Vec<String>,
    /// The table of images' names.
    image_names: Vec<String>,
    /// The table of nodes' names.
    #[serde(default)]
    node_names: Vec<String>,
    containers: Listed<u32>,
    images: Listed<u32>,
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    image_digests: Listed<String>,
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    nodes: Listed<u32>,
    gaps: GapsRecord,
    entries: Vec<EntryRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<HeldRecord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pending_more: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probation: Option<ProbationRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum StateRecord {
    Learning,
    WindowEnded(Timestamp),
    Complete(Timestamp),
    ByHand(Timestamp),
    MaximumReached(Timestamp),
}

impl From<State> for StateRecord {
    fn from(state: State) -> Self {
        let State::Finished { ended, because } = state else {
            return Self::Learning;
        };
        match because {
            EndedBecause::WindowEnded => Self::WindowEnded(ended),
            EndedBecause::Complete => Self::Complete(ended),
            EndedBecause::ByHand => Self::ByHand(ended),
            EndedBecause::MaximumReached => Self::MaximumReached(ended),
        }
    }
}

impl From<StateRecord> for State {
    fn from(state: StateRecord) -> Self {
        let (ended, because) = match state {
            StateRecord::Learning => return Self::Learning,
            StateRecord::WindowEnded(ended) => (ended, EndedBecause::WindowEnded),
            StateRecord::Complete(ended) => (ended, EndedBecause::Complete),
            StateRecord::ByHand(ended) => (ended, EndedBecause::ByHand),
            StateRecord::MaximumReached(ended) => (ended, EndedBecause::MaximumReached),
        };
        Self::Finished { ended, because }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GapsRecord {
    down: Listed<(Timestamp, Timestamp)>,
    pre_existing: Listed<u32>,
    events_lost: u64,
    execs_beyond: u64,
    record_lost: bool,
    more: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbationRecord {
    images: Vec<String>,
    until: Timestamp,
    found: Vec<EntryRecord>,
}

impl From<&Baseline> for Record {
    fn from(baseline: &Baseline) -> Self {
        let mut tables = Tables::default();
        let entries = entries(&baseline.entries, &mut tables);
        let probation = baseline
            .probation
            .as_ref()
            .map(|probation| ProbationRecord {
                images: probation.images.iter().map(ToString::to_string).collect(),
                until: probation.until,
                found: self::entries(&probation.found, &mut tables),
            });
        let ending = baseline.window.ending;
        Self {
            workload: baseline.workload.clone(),
            started: baseline.window.started,
            length: ending.minimum,
            quiet: ending.quiet,
            starts_asked: ending.starts,
            maximum: ending.maximum,
            state: baseline.state.into(),
            starts: baseline.starts,
            missed: baseline.missed,
            last_new: baseline.last_new,
            containers: tables.containers.list(&baseline.containers),
            images: tables.images.list(&baseline.images),
            image_digests: listed(&baseline.image_digests, ToString::to_string),
            nodes: tables.nodes.list(&baseline.nodes),
            gaps: GapsRecord {
                down: listed(&baseline.gaps.down, |span| *span),
                pre_existing: tables.containers.list(&baseline.gaps.pre_existing),
                events_lost: baseline.gaps.events_lost,
                execs_beyond: baseline.gaps.execs_beyond,
                record_lost: baseline.gaps.record_lost,
                more: baseline.gaps.more,
            },
            container_names: tables.containers.names(ContainerId::as_str),
            image_names: tables.images.names(|image| image),
            node_names: tables.nodes.names(|node| node),
            entries,
            pending: held(&baseline.pending),
            pending_more: baseline.pending.more,
            probation,
        }
    }
}

impl TryFrom<Record> for Baseline {
    type Error = RecordError;

    fn try_from(record: Record) -> Result<Self, RecordError> {
        let shared = |names: Vec<String>| names.into_iter().map(Arc::from).collect::<Vec<_>>();
        let names = Names {
            containers: record
                .container_names
                .into_iter()
                .map(|id| ContainerId::new(&id).ok_or(RecordError::BadContainer(id)))
                .collect::<Result<_, _>>()?,
            images: shared(record.image_names),
            nodes: shared(record.node_names),
        };
        let Names {
            containers, images, ..
        } = &names;
        let entries = read_entries(record.entries, MAX_ENTRIES, &names)?;
        // Before format 3 it was not written.
        let newest = entries.values().map(|evidence| evidence.first_seen).max();
        Ok(Self {
            workload: record.workload,
            window: Window {
                started: record.started,
                ending: Ending {
                    minimum: record.length,
                    quiet: record.quiet,
                    starts: record.starts_asked,
                    maximum: record.maximum,
                },
            },
            state: record.state.into(),
            containers: look_up("containers", &record.containers, containers)?,
            images: look_up("images", &record.images, images)?,
            image_digests: sample("digests of images", record.image_digests, Arc::from)?,
            nodes: look_up("nodes", &record.nodes, &names.nodes)?,
            starts: record.starts,
            gaps: Gaps {
                down: sample("gaps", record.gaps.down, |span| span)?,
                pre_existing: look_up("gaps", &record.gaps.pre_existing, containers)?,
                events_lost: record.gaps.events_lost,
                execs_beyond: record.gaps.execs_beyond,
                record_lost: record.gaps.record_lost,
                more: record.gaps.more,
            },
            missed: record.missed,
            last_new: record.last_new.or(newest),
            pending: read_pending(record.pending, record.pending_more)?,
            probation: record
                .probation
                .map(|probation| read_probation(probation, &names))
                .transpose()?,
            entries,
        })
    }
}

fn read_probation(record: ProbationRecord, names: &Names) -> Result<Probation, RecordError> {
    let images = record.images.into_iter().map(Arc::from).collect();
    Ok(Probation {
        images: Sample::from_parts(images, false)
            .ok_or(RecordError::TooMany("images on probation"))?,
        until: record.until,
        found: read_entries(record.found, MAX_FOUND, names)?,
    })
}

impl Serialize for Baseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Record::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Baseline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Record::deserialize(deserializer)?
            .try_into()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
