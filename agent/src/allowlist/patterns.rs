//! Entries found by their path, wildcards and all.

use super::compiled::CompileError;
use super::path::PathPattern;
use crate::model::{Identity, Layer, Untrusted};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

impl PathPattern {
    /// Whether it covers `path`.
    ///
    /// # Errors
    /// It is too costly to match.
    pub fn covers(&self, path: &Untrusted) -> Result<bool, CompileError> {
        let patterns = Patterns::new([self.clone()].into_iter(), |path| path)?;
        Ok(patterns.at(Some(path)).next().is_some())
    }
}

/// Entries found by their path.
#[derive(Clone, Debug)]
pub(super) struct Patterns<T> {
    globs: GlobSet,
    /// In the order of `globs`.
    entries: Vec<T>,
    /// The same entries' paths, where they say what a `*` stands for.
    narrowed: Vec<Option<PathPattern>>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self {
            globs: GlobSet::empty(),
            entries: Vec::new(),
            narrowed: Vec::new(),
        }
    }
}

impl<T> Patterns<T> {
    pub(super) fn new(
        entries: impl Iterator<Item = T>,
        path: impl Fn(&T) -> &PathPattern,
    ) -> Result<Self, CompileError> {
        let entries: Vec<T> = entries.collect();
        let mut globs = GlobSetBuilder::new();
        for entry in &entries {
            let path = path(entry).as_str();
            let glob = GlobBuilder::new(&only_star(path))
                .literal_separator(true)
                .backslash_escape(false)
                .build()
                .map_err(|source| CompileError::Pattern {
                    path: path.to_owned(),
                    source,
                })?;
            globs.add(glob);
        }
        let narrowed = entries.iter().map(|entry| {
            let path = path(entry);
            (!path.fillings().is_empty()).then(|| path.clone())
        });
        Ok(Self {
            globs: globs.build().map_err(CompileError::Together)?,
            narrowed: narrowed.collect(),
            entries,
        })
    }

    /// The entries that match the path at which a person finds `identity`, in
    /// their order. What the kernel could not place matches none.
    pub(super) fn matching(&self, identity: &Identity) -> impl Iterator<Item = &T> {
        match identity.path_layer() {
            Layer::Unknown => self.at(None),
            _ => self.at(Some(identity.path())),
        }
    }

    /// All of them, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    /// The entries that match `path`, in their order.
    pub(super) fn at(&self, path: Option<&Untrusted>) -> impl Iterator<Item = &T> {
        let found = path.map_or_else(Vec::new, |path| {
            let mut found = self.globs.matches(OsStr::from_bytes(path.as_bytes()));
            found.retain(|index| {
                let narrowed = self.narrowed[*index].as_ref();
                narrowed.is_none_or(|pattern| pattern.is_filled_by(path.as_bytes()))
            });
            found
        });
        found.into_iter().map(|index| &self.entries[index])
    }
}

/// The pattern in the glob library's language, in which more than `*` is
/// special.
fn only_star(path: &str) -> String {
    let literals: Vec<String> = path.split('*').map(globset::escape).collect();
    literals.join("*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{Process, arbitrary};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_star_means_some_text_without_a_slash(
            process in arbitrary::process(),
            filling in "[^/\\p{C}]{0,5}",
        ) {
            let path = process.path().as_str().replace('*', &filling);
            let patterns = Patterns::new([process].into_iter(), Process::path).expect("compiles");

            prop_assert_eq!(patterns.globs.matches(&path), vec![0], "{}", path);
        }
    }
}
