//! The form of a document that execs are judged with.

use super::document::{Document, Spec};
use super::path::PathPattern;
use super::process::{Process, Removed};
use crate::model::{Identity, Layer};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Why a document cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// One pattern alone is too large for the matcher.
    #[error("the path {path:?} cannot be matched: {source}; write it shorter or with fewer *")]
    Pattern {
        /// The pattern.
        path: String,
        /// What the matcher says.
        source: globset::Error,
    },
    /// All of them together are.
    #[error("the entries with a * cannot be matched together: {0}; write fewer of them")]
    Together(globset::Error),
}

/// How an allowlist covers an identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage<'a> {
    /// An entry names it.
    Exact,
    /// An entry with a wildcard matches it; the kernel's map does not have it
    /// yet.
    Pattern(&'a Process),
}

/// A document's `processes` and `removed`, ready to judge by.
#[derive(Clone, Debug, Default)]
pub struct Allowlist {
    exact: HashSet<Identity>,
    patterns: Patterns<Process>,
    removed: Patterns<Removed>,
    /// All of `processes`, sorted; for [`Allowlist::nearest`].
    pub(super) processes: Vec<Process>,
}

impl Allowlist {
    /// Compiles what a document allows. [`Allowlist::default`] allows nothing.
    ///
    /// # Errors
    /// A wildcard that is too costly to match.
    pub fn new(document: &Document) -> Result<Self, CompileError> {
        let Spec {
            processes, removed, ..
        } = &document.spec;
        let patterns = processes.iter().filter(|p| p.path().has_wildcard());
        Ok(Self {
            exact: processes.iter().filter_map(Process::identity).collect(),
            patterns: Patterns::new(patterns.cloned(), Process::path)?,
            removed: Patterns::new(removed.iter().cloned(), |removed| &removed.path)?,
            processes: processes.iter().cloned().collect(),
        })
    }

    /// How `identity` is covered, if it is. What the kernel could not place is
    /// never covered.
    pub fn covers(&self, identity: &Identity) -> Option<Coverage<'_>> {
        if self.exact.contains(identity) {
            return Some(Coverage::Exact);
        }
        self.patterns
            .matching(identity)
            .find(|process| {
                let wanted = process.interpreter().map(|i| i.as_str().as_bytes());
                wanted == interpreter(identity) && process.layer() == identity.layer
            })
            .map(Coverage::Pattern)
    }

    /// Whether a person struck `identity`: it must not be learned.
    pub fn is_removed(&self, identity: &Identity) -> bool {
        self.removed
            .matching(identity)
            .any(|removed| removed.fits(interpreter(identity), identity.layer))
    }

    /// Whether the file of `identity` may run in its layer, by itself or as the
    /// interpreter of some script.
    pub fn may_interpret(&self, identity: &Identity) -> bool {
        let alone = Identity {
            script: None,
            ..identity.clone()
        };
        self.covers(&alone).is_some()
            || self.processes.iter().any(|process| {
                let own = process.interpreter().map(|i| i.as_str().as_bytes());
                own == Some(identity.file.as_bytes()) && process.layer() == identity.layer
            })
    }

    /// The identities that an entry names exactly, in no order: what the
    /// kernel's map of allowed execs is filled with.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.exact.iter()
    }

    /// How many entries it has, wildcards included.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether it allows nothing.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

/// The interpreter that runs a script; `None` for a program.
pub(super) fn interpreter(identity: &Identity) -> Option<&[u8]> {
    identity.script.as_ref().map(|_| identity.file.as_bytes())
}

/// Entries found by their path.
#[derive(Clone, Debug)]
struct Patterns<T> {
    globs: GlobSet,
    /// In the order of `globs`.
    entries: Vec<T>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self {
            globs: GlobSet::empty(),
            entries: Vec::new(),
        }
    }
}

impl<T> Patterns<T> {
    fn new(
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
        Ok(Self {
            globs: globs.build().map_err(CompileError::Together)?,
            entries,
        })
    }

    /// The entries whose path matches, in their order.
    fn matching(&self, identity: &Identity) -> impl Iterator<Item = &T> {
        let path = OsStr::from_bytes(identity.path().as_bytes());
        let found = match identity.layer {
            Layer::Unknown => Vec::new(),
            _ => self.globs.matches(path),
        };
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
    use crate::allowlist::arbitrary;
    use crate::allowlist::parse;
    use proptest::prelude::*;

    fn allowlist(entries: &str) -> Allowlist {
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: web }}\nspec:\n  workload: {{ runtime: runc, name: web }}\n{entries}"
        );
        Allowlist::new(&parse("web.yaml", text.as_bytes()).expect("valid")).expect("compiles")
    }

    fn script(interpreter: &str, script: &str) -> Identity {
        Identity {
            script: Some(script.into()),
            ..Identity::image(interpreter)
        }
    }

    #[test]
    fn a_program_is_its_path_and_its_layer() {
        let list =
            allowlist("  processes:\n    - path: /bin/a\n    - { path: /v, layer: volume }\n");
        let check = |path, layer, expected| {
            let identity = Identity {
                layer,
                ..Identity::image(path)
            };
            assert_eq!(list.covers(&identity).is_some(), expected, "{identity:?}");
        };

        check("/bin/a", Layer::Image, true);
        check("/bin/a", Layer::Upper, false);
        check("/bin/a", Layer::Unknown, false);
        check("/bin/b", Layer::Image, false);
        check("/v", Layer::Volume, true);
        check("/v", Layer::Image, false);
    }

    #[test]
    fn a_script_and_its_interpreter_are_one_entry() {
        let list = allowlist("  processes:\n    - { path: /run.sh, interpreter: /bin/dash }\n");

        assert_eq!(
            list.covers(&script("/bin/dash", "/run.sh")),
            Some(Coverage::Exact)
        );
        assert_eq!(list.covers(&script("/bin/bash", "/run.sh")), None);
        assert_eq!(list.covers(&script("/bin/dash", "/other.sh")), None);
        assert_eq!(list.covers(&Identity::image("/bin/dash")), None);
        assert_eq!(list.covers(&Identity::image("/run.sh")), None);
        assert!(list.may_interpret(&script("/bin/dash", "/other.sh")));
        assert!(!list.may_interpret(&script("/bin/bash", "/run.sh")));
    }

    #[test]
    fn a_star_is_special_within_a_segment_and_nothing_else_is() {
        let list = allowlist(
            "  processes:\n    - path: /opt/*/bin/run\n    - path: '/x/[ab]{c,d}?\\e*/f'\n    \
             - { path: /s/*/run.sh, interpreter: /bin/dash }\n",
        );
        let check = |path: &str, expected| {
            let identity = Identity::image(path);
            assert_eq!(list.covers(&identity).is_some(), expected, "{path}");
        };

        check("/opt/1.2/bin/run", true);
        check("/opt/a\nb/bin/run", true);
        check("/opt/1/2/bin/run", false);
        check("/opt/bin/run", false);
        check("/opt/1.2/bin/run/x", false);
        check("/x/[ab]{c,d}?\\e1/f", true);
        check("/x/ac?e1/f", false);
        check("/s/1/run.sh", false);
        assert!(list.covers(&script("/bin/dash", "/s/1/run.sh")).is_some());
        assert!(list.covers(&script("/bin/bash", "/s/1/run.sh")).is_none());
    }

    #[test]
    fn bytes_that_are_no_text_match_a_star() {
        let list = allowlist("  processes:\n    - path: /opt/*/run\n");
        let identity = Identity {
            file: crate::model::Untrusted::new(*b"/opt/\xff/run"),
            ..Identity::image("")
        };

        assert!(matches!(list.covers(&identity), Some(Coverage::Pattern(_))));
    }

    #[test]
    fn what_was_struck_is_struck_in_every_layer_unless_one_is_named() {
        let list = allowlist(
            "  processes: []\n  removed:\n    - path: /usr/bin/curl\n    \
             - { path: /usr/bin/python*, layer: image }\n",
        );
        let upper = |path| Identity {
            layer: Layer::Upper,
            ..Identity::image(path)
        };

        assert!(list.is_removed(&Identity::image("/usr/bin/curl")));
        assert!(list.is_removed(&upper("/usr/bin/curl")));
        assert!(list.is_removed(&script("/bin/sh", "/usr/bin/curl")));
        assert!(list.is_removed(&Identity::image("/usr/bin/python3.12")));
        assert!(!list.is_removed(&upper("/usr/bin/python3.12")));
        assert!(!list.is_removed(&Identity::image("/usr/bin/wget")));
    }

    #[test]
    fn the_most_wildcards_a_document_may_have_compile() {
        let entries: String = (0..crate::allowlist::document::MAX_WILDCARDS)
            .map(|i| format!("    - path: /opt/app-{i}/*/*-x/bin/run\n"))
            .collect();

        let list = allowlist(&format!("  processes:\n{entries}"));

        assert!(
            list.covers(&Identity::image("/opt/app-7/1/2-x/bin/run"))
                .is_some()
        );
    }

    proptest! {
        #[test]
        fn every_exact_entry_covers_its_identity(document in arbitrary::document()) {
            let list = Allowlist::new(&document).expect("compiles");

            for process in &document.spec.processes {
                if let Some(identity) = process.identity() {
                    prop_assert_eq!(list.covers(&identity), Some(Coverage::Exact));
                }
            }
            prop_assert_eq!(list.len(), document.spec.processes.len());
        }

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
