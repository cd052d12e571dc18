//! Names that stand once and are referred to by their place, because most entries
//! share theirs; and samples.

use super::RecordError;
use crate::learn::Sample;
use crate::model::ContainerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sample; `more` is left out where it is false.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed<T> {
    pub(super) listed: Vec<T>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) more: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            listed: Vec::new(),
            more: false,
        }
    }
}

impl<T> Listed<T> {
    pub(super) fn is_unused(&self) -> bool {
        self.listed.is_empty() && !self.more
    }
}

/// A table of names while it is written.
pub(super) struct Table<T>(BTreeMap<T, u32>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Table<T> {
    pub(super) fn list<const MAX: usize>(&mut self, sample: &Sample<T, MAX>) -> Listed<u32> {
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

    pub(super) fn names(self, text: impl Fn(&T) -> &str) -> Vec<String> {
        let mut names: Vec<(u32, T)> = self.0.into_iter().map(|(name, i)| (i, name)).collect();
        names.sort_unstable();
        names
            .iter()
            .map(|(_, name)| text(name).to_owned())
            .collect()
    }
}

/// The tables while a baseline is written.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) containers: Table<ContainerId>,
    pub(super) images: Table<Arc<str>>,
    pub(super) nodes: Table<Arc<str>>,
}

pub(super) fn listed<T: Ord + Clone, U, const MAX: usize>(
    sample: &Sample<T, MAX>,
    written: impl Fn(&T) -> U,
) -> Listed<U> {
    Listed {
        listed: sample.iter().map(written).collect(),
        more: sample.has_more(),
    }
}

/// The tables while a baseline is read.
pub(super) struct Names {
    pub(super) containers: Vec<ContainerId>,
    pub(super) images: Vec<Arc<str>>,
    pub(super) nodes: Vec<Arc<str>>,
}

pub(super) fn sample<T, U: Ord + Clone, const MAX: usize>(
    what: &'static str,
    listed: Listed<T>,
    read: impl Fn(T) -> U,
) -> Result<Sample<U, MAX>, RecordError> {
    let values = listed.listed.into_iter().map(read).collect();
    Sample::from_parts(values, listed.more).ok_or(RecordError::TooMany(what))
}

pub(super) fn look_up<T: Ord + Clone, const MAX: usize>(
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
