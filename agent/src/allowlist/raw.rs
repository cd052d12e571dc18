//! The shape of the YAML, before anything in it is believed.
//!
//! Every value that can be wrong keeps its place in the file.

use crate::model::Runtime;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

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
    pub processes: Spanned<Vec<Spanned<Process>>>,
    #[serde(default)]
    pub removed: Vec<Spanned<Process>>,
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
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    pub path: Text,
    pub interpreter: Option<Text>,
    pub layer: Option<Text>,
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
