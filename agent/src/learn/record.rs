//! A baseline as a plain value that can be written and read back.
//!
//! Reading checks everything that [`Baseline`] promises: what is read may be
//! another version's, or damaged. Containers and images stand once in a table
//! and are referred to by their place in it, because most entries share theirs.

use super::gap::Gaps;
use super::{Arguments, Baseline, EndedBecause, Evidence, MAX_ENTRIES, Sample, State, Window};
use crate::model::{ContainerId, Digest, Identity, Layer, Role, Script, Untrusted, WorkloadId};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

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
    length: Duration,
    state: StateRecord,
    /// The table of containers' ids.
    container_names: Vec<String>,
    /// The table of images' names.
    image_names: Vec<String>,
    containers: Listed<u32>,
    images: Listed<u32>,
    gaps: GapsRecord,
    entries: Vec<EntryRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum StateRecord {
    Learning,
    WindowEnded(Timestamp),
}

/// A sample; `more` is left out where it is false.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Listed<T> {
    listed: Vec<T>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

impl<T> Listed<T> {
    fn is_unused(&self) -> bool {
        self.listed.is_empty() && !self.more
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
struct EntryRecord {
    file: Bytes,
    /// Of `file`.
    layer: Layer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applet: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<Bytes>,
    /// Before format 2 not known: the image's.
    #[serde(default, skip_serializing_if = "is_default")]
    script_layer: Layer,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    via: Vec<Bytes>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    execs: u64,
    containers: Listed<u32>,
    images: Listed<u32>,
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    digests: Listed<String>,
    /// Left out for any arguments, as all were before format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<BTreeSet<Vec<String>>>,
}

fn is_default(layer: &Layer) -> bool {
    *layer == Layer::default()
}

/// Bytes: text where they are UTF-8, else `{"hex": "…"}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Bytes {
    Text(String),
    Hex { hex: String },
}

impl From<&Untrusted> for Bytes {
    fn from(bytes: &Untrusted) -> Self {
        match std::str::from_utf8(bytes.as_bytes()) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex {
                hex: bytes
                    .as_bytes()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
            },
        }
    }
}

impl TryFrom<Bytes> for Untrusted {
    type Error = RecordError;

    fn try_from(bytes: Bytes) -> Result<Self, RecordError> {
        let hex = match bytes {
            Bytes::Text(text) => return Ok(Self::new(text)),
            Bytes::Hex { hex } => hex,
        };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok())
            .collect();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(Self::new(bytes)),
            _ => Err(RecordError::BadHex(hex)),
        }
    }
}

/// A table of names while it is written.
struct Table<T>(BTreeMap<T, u32>);

impl<T: Ord + Clone> Table<T> {
    fn list<const MAX: usize>(&mut self, sample: &Sample<T, MAX>) -> Listed<u32> {
        let place = |name: &T| {
            // At most what all entries name together, which fits.
            let next = self.0.len() as u32;
            *self.0.entry(name.clone()).or_insert(next)
        };
        Listed {
            listed: sample.iter().map(place).collect(),
            more: sample.has_more(),
        }
    }

    fn names(self, text: impl Fn(&T) -> &str) -> Vec<String> {
        let mut names: Vec<(u32, T)> = self.0.into_iter().map(|(name, i)| (i, name)).collect();
        names.sort_unstable();
        names
            .iter()
            .map(|(_, name)| text(name).to_owned())
            .collect()
    }
}

impl From<&Baseline> for Record {
    fn from(baseline: &Baseline) -> Self {
        let mut containers = Table(BTreeMap::new());
        let mut images = Table(BTreeMap::new());
        let entries = baseline
            .entries
            .iter()
            .map(|(identity, evidence)| entry(identity, evidence, &mut containers, &mut images))
            .collect();
        Self {
            workload: baseline.workload.clone(),
            started: baseline.window.started,
            length: baseline.window.length,
            state: match baseline.state {
                State::Learning => StateRecord::Learning,
                State::Finished {
                    ended,
                    because: EndedBecause::WindowEnded,
                } => StateRecord::WindowEnded(ended),
            },
            containers: containers.list(&baseline.containers),
            images: images.list(&baseline.images),
            gaps: GapsRecord {
                down: Listed {
                    listed: baseline.gaps.down.iter().copied().collect(),
                    more: baseline.gaps.down.has_more(),
                },
                pre_existing: containers.list(&baseline.gaps.pre_existing),
                events_lost: baseline.gaps.events_lost,
                execs_beyond: baseline.gaps.execs_beyond,
                record_lost: baseline.gaps.record_lost,
                more: baseline.gaps.more,
            },
            container_names: containers.names(ContainerId::as_str),
            image_names: images.names(|image| image),
            entries,
        }
    }
}

fn entry(
    identity: &Identity,
    evidence: &Evidence,
    containers: &mut Table<ContainerId>,
    images: &mut Table<Arc<str>>,
) -> EntryRecord {
    let script = identity.as_script();
    EntryRecord {
        file: (&identity.file).into(),
        layer: identity.layer,
        applet: match &identity.role {
            Role::Applet(name) => Some(name.into()),
            Role::Program | Role::Script(_) => None,
        },
        script: script.map(|script| Bytes::from(&script.path)),
        script_layer: script.map_or_else(Layer::default, |script| script.layer),
        via: script.map_or_else(Vec::new, |script| {
            script.via.iter().map(Bytes::from).collect()
        }),
        first_seen: evidence.first_seen,
        last_seen: evidence.last_seen,
        execs: evidence.execs,
        containers: containers.list(&evidence.containers),
        images: images.list(&evidence.images),
        digests: Listed {
            listed: evidence.digests.iter().map(Digest::to_string).collect(),
            more: evidence.digests.has_more(),
        },
        arguments: match &evidence.arguments {
            Arguments::Code(lists) => Some(lists.clone()),
            Arguments::Any => None,
        },
    }
}

impl TryFrom<Record> for Baseline {
    type Error = RecordError;

    fn try_from(record: Record) -> Result<Self, RecordError> {
        if record.entries.len() > MAX_ENTRIES {
            return Err(RecordError::TooMany("entries"));
        }
        let containers = record
            .container_names
            .into_iter()
            .map(|id| ContainerId::new(&id).ok_or(RecordError::BadContainer(id)))
            .collect::<Result<Vec<_>, _>>()?;
        let images: Vec<Arc<str>> = record.image_names.into_iter().map(Arc::from).collect();
        let mut entries = BTreeMap::new();
        for (number, entry) in record.entries.into_iter().enumerate() {
            let (identity, evidence) = read_entry(number, entry, &containers, &images)?;
            if entries.insert(identity, evidence).is_some() {
                return Err(RecordError::Duplicate(number));
            }
        }
        Ok(Self {
            workload: record.workload,
            window: Window {
                started: record.started,
                length: record.length,
            },
            state: match record.state {
                StateRecord::Learning => State::Learning,
                StateRecord::WindowEnded(ended) => State::Finished {
                    ended,
                    because: EndedBecause::WindowEnded,
                },
            },
            entries,
            containers: look_up("containers", &record.containers, &containers)?,
            images: look_up("images", &record.images, &images)?,
            gaps: Gaps {
                down: Sample::from_parts(record.gaps.down.listed, record.gaps.down.more)
                    .ok_or(RecordError::TooMany("gaps"))?,
                pre_existing: look_up("gaps", &record.gaps.pre_existing, &containers)?,
                events_lost: record.gaps.events_lost,
                execs_beyond: record.gaps.execs_beyond,
                record_lost: record.gaps.record_lost,
                more: record.gaps.more,
            },
        })
    }
}

fn read_entry(
    number: usize,
    entry: EntryRecord,
    containers: &[ContainerId],
    images: &[Arc<str>],
) -> Result<(Identity, Evidence), RecordError> {
    if entry.first_seen > entry.last_seen {
        return Err(RecordError::BadEvidence(number));
    }
    let role = match (entry.applet, entry.script) {
        (None, Some(path)) => Role::Script(Script {
            path: path.try_into()?,
            via: entry
                .via
                .into_iter()
                .map(Untrusted::try_from)
                .collect::<Result<_, _>>()?,
            layer: entry.script_layer,
        }),
        (applet, None) if entry.via.is_empty() && is_default(&entry.script_layer) => match applet {
            Some(name) => Role::Applet(name.try_into()?),
            None => Role::Program,
        },
        _ => return Err(RecordError::BadRole(number)),
    };
    let identity = Identity {
        file: entry.file.try_into()?,
        role,
        layer: entry.layer,
    };
    let digest = |text: String| {
        let digest = text.parse::<Digest>();
        digest.map_err(|_| RecordError::BadDigest(number, text))
    };
    let digests = entry.digests.listed.into_iter().map(digest);
    let evidence = Evidence {
        first_seen: entry.first_seen,
        last_seen: entry.last_seen,
        execs: entry.execs,
        containers: look_up("containers of an entry", &entry.containers, containers)?,
        images: look_up("images of an entry", &entry.images, images)?,
        digests: Sample::from_parts(digests.collect::<Result<_, _>>()?, entry.digests.more)
            .ok_or(RecordError::TooMany("digests of an entry"))?,
        arguments: match entry.arguments {
            None => Arguments::Any,
            Some(lists) if lists.is_empty() => return Err(RecordError::BadEvidence(number)),
            Some(lists) => {
                Arguments::from_lists(lists).ok_or(RecordError::TooMany("arguments of an entry"))?
            }
        },
    };
    Ok((identity, evidence))
}

fn look_up<T: Ord + Clone, const MAX: usize>(
    what: &'static str,
    listed: &Listed<u32>,
    names: &[T],
) -> Result<Sample<T, MAX>, RecordError> {
    let name = |&place: &u32| {
        let name = usize::try_from(place).ok().and_then(|i| names.get(i));
        name.cloned().ok_or(RecordError::NoSuchName(place))
    };
    let values = listed.listed.iter().map(name).collect::<Result<_, _>>()?;
    Sample::from_parts(values, listed.more).ok_or(RecordError::TooMany(what))
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
#[path = "record_tests.rs"]
mod tests;
