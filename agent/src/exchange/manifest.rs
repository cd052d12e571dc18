//! Kubernetes resources in a file: one, several, or a list of them.

use super::Losses;
use crate::allowlist::document::MAX_ENTRIES;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The most resources of one file.
const MAX_RESOURCES: usize = 4096;

/// Why a file is none of a format's.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No resource that the format is about.
    #[error("there is no {0} in it")]
    Nothing(String),
    /// More than a person could review.
    #[error("it has {0} resources; at most {MAX_RESOURCES} are read")]
    TooMany(usize),
    /// One of them is not as its schema says.
    #[error("{place}: {message}")]
    Resource {
        /// Which, and where in it.
        place: String,
        /// What is wrong.
        message: String,
    },
}

/// One resource of the right kind.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) metadata: Metadata,
    pub(super) spec: Value,
}

/// What is read of `metadata`.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) owner_references: Vec<Owner>,
}

/// Whose it is.
#[derive(Deserialize, Debug)]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
}

impl Resource {
    /// What messages call it.
    pub(super) fn place(&self) -> String {
        format!("{} {}", self.kind, self.metadata.name)
    }

    /// Its `spec`, as the format has it.
    pub(super) fn spec<T: DeserializeOwned>(&self) -> Result<T, ManifestError> {
        at(format_args!("{}: spec", self.place()), self.spec.clone())
    }
}

/// `value` as the format has it; `place` is what an error calls it.
pub(super) fn at<T: DeserializeOwned>(
    place: impl fmt::Display,
    value: Value,
) -> Result<T, ManifestError> {
    serde_json::from_value(value).map_err(|error| ManifestError::Resource {
        place: place.to_string(),
        message: error.to_string(),
    })
}

/// `list`, if it is no longer than an allowlist may be.
pub(super) fn bounded<T>(place: impl fmt::Display, list: Vec<T>) -> Result<Vec<T>, ManifestError> {
    match list.len() {
        ..=MAX_ENTRIES => Ok(list),
        more => Err(ManifestError::Resource {
            place: place.to_string(),
            message: format!("{more} rules; an allowlist has at most {MAX_ENTRIES} entries"),
        }),
    }
}

/// The resources of `documents` that are of one of these `kinds` of `api`, a
/// group with its version. Others are left out.
pub(super) fn resources(
    documents: Vec<Value>,
    api: &str,
    kinds: &[&str],
    losses: &mut Losses,
) -> Result<Vec<Resource>, ManifestError> {
    let expected = || format!("{} ({api})", kinds.join(" or "));
    let all = unlisted(documents)?;
    if all.len() > MAX_RESOURCES {
        return Err(ManifestError::TooMany(all.len()));
    }
    let mut resources = Vec::new();
    for (number, value) in all.into_iter().enumerate() {
        let place = format!("resource {}", number + 1);
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
        if version != api || !kinds.contains(&kind.as_str()) {
            let why = format!(
                "it is {kind:?} of {version:?}; the format has {}",
                expected()
            );
            losses.leave_out(place, why);
            continue;
        }
        let Value::Object(mut fields) = value else {
            continue;
        };
        let metadata = fields
            .remove("metadata")
            .unwrap_or_else(|| Value::Object(Default::default()));
        let metadata: Metadata = at(format_args!("{place}: metadata"), metadata)?;
        if metadata.name.is_empty() {
            return Err(ManifestError::Resource {
                place,
                message: "it has no metadata.name".to_owned(),
            });
        }
        resources.push(Resource {
            kind,
            metadata,
            spec: fields.remove("spec").unwrap_or_default(),
        });
    }
    match resources.is_empty() {
        true => Err(ManifestError::Nothing(expected())),
        false => Ok(resources),
    }
}

/// The items of lists in the place of the lists.
fn unlisted(documents: Vec<Value>) -> Result<Vec<Value>, ManifestError> {
    let mut all = Vec::new();
    for mut document in documents {
        let kind = document.get("kind").and_then(Value::as_str);
        let is_list = kind.is_some_and(|kind| kind.ends_with("List"));
        match document.get_mut("items").map(Value::take) {
            Some(items) if is_list => all.extend(at::<Vec<Value>>("items", items)?),
            _ => all.push(document),
        }
    }
    Ok(all)
}

/// A field that is not read: that it is there is all that is known.
#[derive(Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(from = "IgnoredAny")]
pub(super) struct Unread;

impl From<IgnoredAny> for Unread {
    fn from(_: IgnoredAny) -> Self {
        Self
    }
}

/// `null`, as Go writes an empty list or map.
pub(super) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
