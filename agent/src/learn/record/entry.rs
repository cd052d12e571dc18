//! One entry with its evidence, written and read back.

use super::RecordError;
use super::identity::{Bytes, IdentityRecord, is_default, read_identity};
use super::tables::{Listed, Names, Tables, listed, look_up, sample};
use crate::learn::{Arguments, Came, Evidence, Sample};
use crate::model::{Digest, Identity, Layer, Untrusted};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryRecord {
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
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    nodes: Listed<u32>,
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    users: Listed<u32>,
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    parents: Listed<Bytes>,
    #[serde(default, skip_serializing_if = "Listed::is_unused")]
    examples: Listed<String>,
    /// Never [`Came::FromWithin`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    only_put_in: bool,
    /// Always [`Came::PutIn`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    only_from_outside: bool,
}

pub(super) fn entries(
    from: &BTreeMap<Identity, Evidence>,
    tables: &mut Tables,
) -> Vec<EntryRecord> {
    from.iter()
        .map(|(identity, evidence)| entry(identity, evidence, tables))
        .collect()
}

pub(super) fn entry(identity: &Identity, evidence: &Evidence, tables: &mut Tables) -> EntryRecord {
    let IdentityRecord {
        file,
        layer,
        applet,
        script,
        script_layer,
        via,
    } = identity.into();
    EntryRecord {
        file,
        layer,
        applet,
        script,
        script_layer,
        via,
        first_seen: evidence.first_seen,
        last_seen: evidence.last_seen,
        execs: evidence.execs,
        containers: tables.containers.list(&evidence.containers),
        images: tables.images.list(&evidence.images),
        digests: listed(&evidence.digests, Digest::to_string),
        arguments: match &evidence.arguments {
            Arguments::Code(lists) => Some(lists.clone()),
            Arguments::Any => None,
        },
        nodes: tables.nodes.list(&evidence.nodes),
        users: listed(&evidence.users, |user| *user),
        parents: listed(&evidence.parents, |parent| parent.into()),
        examples: listed(&evidence.examples, String::clone),
        only_put_in: evidence.came != Came::FromWithin,
        only_from_outside: evidence.came == Came::PutIn,
    }
}

pub(super) fn read_entries(
    records: Vec<EntryRecord>,
    max: usize,
    names: &Names,
) -> Result<BTreeMap<Identity, Evidence>, RecordError> {
    if records.len() > max {
        return Err(RecordError::TooMany("entries"));
    }
    let mut entries = BTreeMap::new();
    for (number, entry) in records.into_iter().enumerate() {
        let (identity, evidence) = read_entry(number, entry, names)?;
        if entries.insert(identity, evidence).is_some() {
            return Err(RecordError::Duplicate(number));
        }
    }
    Ok(entries)
}

pub(super) fn read_entry(
    number: usize,
    entry: EntryRecord,
    names: &Names,
) -> Result<(Identity, Evidence), RecordError> {
    if entry.first_seen > entry.last_seen {
        return Err(RecordError::BadEvidence(number));
    }
    let digest = |text: String| {
        let digest = text.parse::<Digest>();
        digest.map_err(|_| RecordError::BadDigest(number, text))
    };
    let digests = entry.digests.listed.into_iter().map(digest);
    let parents = entry.parents.listed.into_iter().map(Untrusted::try_from);
    let evidence = Evidence {
        first_seen: entry.first_seen,
        last_seen: entry.last_seen,
        execs: entry.execs,
        containers: look_up(
            "containers of an entry",
            &entry.containers,
            &names.containers,
        )?,
        images: look_up("images of an entry", &entry.images, &names.images)?,
        digests: Sample::from_parts(digests.collect::<Result<_, _>>()?, entry.digests.more)
            .ok_or(RecordError::TooMany("digests of an entry"))?,
        arguments: match entry.arguments {
            None => Arguments::Any,
            Some(lists) if lists.is_empty() => return Err(RecordError::BadEvidence(number)),
            Some(lists) => {
                Arguments::from_lists(lists).ok_or(RecordError::TooMany("arguments of an entry"))?
            }
        },
        nodes: look_up("nodes of an entry", &entry.nodes, &names.nodes)?,
        users: sample("users of an entry", entry.users, |user| user)?,
        parents: Sample::from_parts(parents.collect::<Result<_, _>>()?, entry.parents.more)
            .ok_or(RecordError::TooMany("parents of an entry"))?,
        examples: sample("examples of an entry", entry.examples, |example| example)?,
        came: match (entry.only_put_in, entry.only_from_outside) {
            (_, true) => Came::PutIn,
            (true, false) => Came::FromPutIn,
            (false, false) => Came::FromWithin,
        },
    };
    let identity = IdentityRecord {
        file: entry.file,
        layer: entry.layer,
        applet: entry.applet,
        script: entry.script,
        script_layer: entry.script_layer,
        via: entry.via,
    };
    Ok((read_identity(number, identity)?, evidence))
}
