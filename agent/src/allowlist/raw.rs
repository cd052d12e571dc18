//! The shape of the YAML, before anything in it is believed.
//!
//! Every value that can be wrong keeps its place in the file.

use crate::model::Runtime;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

pub(super) type Text = Spanned<String>;

/// What must be right before the rest is worth reading: a document of another
/// version would otherwise be blamed for its fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub api_version: Option<Text>,
    pub kind: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Document {
    // Checked with `Header`; here so that they are no unknown fields.
    #[serde(rename = "apiVersion")]
    _api_version: Text,
    #[serde(rename = "kind")]
    _kind: Text,
    pub metadata: Metadata,
    pub spec: Spec,
    pub status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    pub name: Text,
    pub namespace: Option<Text>,
    pub labels: Option<Spanned<BTreeMap<String, String>>>,
    pub annotations: Option<Spanned<BTreeMap<String, String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub workload: Spanned<Workload>,
    pub mode: Option<Text>,
    pub action: Option<Text>,
    pub unverified: Option<Text>,
    pub digests: Option<Text>,
    pub processes: Spanned<Vec<Process>>,
    #[serde(default)]
    pub removed: Vec<Removed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    pub namespace: Option<Text>,
    pub kind: Option<Text>,
    pub name: Option<Text>,
    pub container: Option<Text>,
    pub runtime: Option<Runtime>,
    pub unit: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Process {
    pub path: Text,
    pub wildcards: Option<Spanned<Vec<Text>>>,
    pub layer: Option<Text>,
    pub applet: Option<Text>,
    pub interpreter: Option<Text>,
    pub interpreter_layer: Option<Text>,
    #[serde(default)]
    pub via: Vec<Text>,
    pub sha256: Option<Spanned<OneOrMore>>,
    pub digests: Option<Text>,
    pub args: Option<Spanned<Vec<String>>>,
    pub parents: Option<Spanned<Vec<Text>>>,
    pub users: Option<Spanned<Vec<u32>>>,
    pub made_from: Option<Spanned<MadeFrom>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MadeFrom {
    pub count: u64,
    pub examples: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removed {
    pub path: Text,
    pub layer: Option<Text>,
    pub applet: Option<Text>,
    pub interpreter: Option<Text>,
}

/// A text or a list of texts.
pub(super) enum OneOrMore {
    One(String),
    More(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<OneOrMore, E> {
                Err(E::custom(
                    "a SHA-256 of digits alone is a number to YAML; write it in quotes",
                ))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore::More(texts))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(default)]
    pub learned_from: LearnedFrom,
    #[serde(default)]
    pub window: Window,
    #[serde(default)]
    pub gaps: Vec<String>,
    pub complete: Option<bool>,
    #[serde(default)]
    pub pending_review: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LearnedFrom {
    pub containers: u64,
    pub nodes: u64,
    pub images: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Window {
    pub started: Option<Text>,
    pub ended: Option<Text>,
    pub ended_because: Option<String>,
}
