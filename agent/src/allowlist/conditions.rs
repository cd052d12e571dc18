//! What an entry asks for beside the identity.

use super::args::ArgsPattern;
use super::observed::Observed;
use super::path::{ExactPath, PathError};
use crate::model::{Digest, Needs, Origin, Role};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The most digests an entry lists.
pub const MAX_DIGESTS: usize = 64;
/// The most parents an entry lists.
pub const MAX_PARENTS: usize = 64;
/// The most users an entry lists.
pub const MAX_USERS: usize = 256;

/// Whether digests are compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Digests {
    /// A file of another content deviates.
    Verify,
    /// They are there to be read, and decide nothing.
    Record,
}

impl Digests {
    /// The word, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Record => "record",
        }
    }

    /// What a document does that says `said`. Where nobody says anything they
    /// are compared: a person who only wants to remember one writes a comment.
    pub fn of_document(said: Option<Self>) -> Self {
        said.unwrap_or(Self::Verify)
    }
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that says nothing about digests.
#[derive(Debug, thiserror::Error)]
#[error("there is no digests setting {0:?}; it is verify or record")]
pub struct UnknownDigests(String);

impl FromStr for Digests {
    type Err = UnknownDigests;

    fn from_str(word: &str) -> Result<Self, UnknownDigests> {
        [Self::Verify, Self::Record]
            .into_iter()
            .find(|digests| digests.as_str() == word)
            .ok_or_else(|| UnknownDigests(word.to_owned()))
    }
}

/// The contents that the file of an entry's `path` may have.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Contents {
    any_of: BTreeSet<Digest>,
    digests: Option<Digests>,
}

impl Contents {
    /// Any of these; `None` if there is none. `digests` overrides what the
    /// document says.
    pub fn new(any_of: BTreeSet<Digest>, digests: Option<Digests>) -> Option<Self> {
        (!any_of.is_empty()).then_some(Self { any_of, digests })
    }

    /// The digests, in order; at least one.
    pub fn any_of(&self) -> &BTreeSet<Digest> {
        &self.any_of
    }

    /// What the entry itself says; `None` leaves it to the document.
    pub fn digests(&self) -> Option<Digests> {
        self.digests
    }

    /// What is done with them in a document that says `of_document`.
    pub fn under(&self, of_document: Option<Digests>) -> Digests {
        self.digests
            .unwrap_or_else(|| Digests::of_document(of_document))
    }

    /// Says itself what the document has said until now.
    pub(super) fn settle(&mut self, of_document: Option<Digests>) {
        self.digests = Some(self.under(of_document));
    }

    /// Leaves to the document what the document says anyway.
    pub(super) fn leave_to(&mut self, of_document: Option<Digests>) {
        if self.digests == Some(Digests::of_document(of_document)) {
            self.digests = None;
        }
    }
}

/// Who may start a program.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Parent {
    /// A process that runs this file.
    Path(ExactPath),
    /// The container's first process; and that process itself, which its
    /// runtime starts.
    ContainerInit,
    /// Somebody outside the container: `kubectl exec`, a probe.
    Injected,
}

impl Parent {
    /// The text, as documents have it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Path(path) => path.as_str(),
            Self::ContainerInit => "*container-init*",
            Self::Injected => "*injected*",
        }
    }

    fn holds(&self, observed: &Observed<'_>) -> bool {
        let exec = observed.exec;
        let parent = exec.ancestors.first();
        match self {
            Self::Path(path) => parent.is_some_and(|parent| {
                let found = parent.path.as_ref().map(|found| found.as_bytes());
                !parent.path_cut && found == Some(path.as_str().as_bytes())
            }),
            Self::ContainerInit => {
                exec.origin == Origin::Init || parent.is_some_and(|parent| parent.init)
            }
            Self::Injected => exec.from_outside && exec.origin == Origin::Injected,
        }
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that names no parent.
#[derive(Debug, thiserror::Error)]
pub enum BadParent {
    /// Between two stars, another word than the two that there are.
    #[error(
        "there is no parent {0:?}; write a path, *container-init* (the container's first \
         process) or *injected* (kubectl exec, a probe)"
    )]
    Word(String),
    /// No path either.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl FromStr for Parent {
    type Err = BadParent;

    fn from_str(text: &str) -> Result<Self, BadParent> {
        match text {
            "*container-init*" => Ok(Self::ContainerInit),
            "*injected*" => Ok(Self::Injected),
            word if word.starts_with('*') => Err(BadParent::Word(word.to_owned())),
            path => Ok(Self::Path(ExactPath::new(path)?)),
        }
    }
}

/// What an entry asks for beside the identity; by default nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Conditions {
    /// What the file may contain.
    pub contents: Option<Contents>,
    /// The arguments.
    pub args: Option<ArgsPattern>,
    /// Who may start it; anybody if empty.
    pub parents: BTreeSet<Parent>,
    /// The real user ids that may run it; any if empty.
    pub users: BTreeSet<u32>,
}

impl Conditions {
    /// What must be looked at, in a document that says `digests`.
    pub fn needs(&self, digests: Option<Digests>) -> Needs {
        Needs::new(
            self.contents
                .as_ref()
                .is_some_and(|contents| contents.under(digests) == Digests::Verify),
            self.args.is_some(),
            !self.parents.is_empty(),
            !self.users.is_empty(),
        )
    }

    /// Those of `needs` that do not hold. `of_applet`: see
    /// [`crate::model::Args::after_name`].
    pub(super) fn failing(&self, needs: Needs, observed: &Observed<'_>, of_applet: bool) -> Needs {
        let Observed {
            identity,
            exec,
            inspection,
        } = observed;
        let content = match &identity.role {
            Role::Script(_) => inspection.script,
            Role::Program | Role::Applet(_) => inspection.program,
        };
        let same_content = |contents: &Contents| {
            let found = content.and_then(|content| content.proven_sha256());
            found.is_some_and(|digest| contents.any_of.contains(&digest))
        };
        let same_args = |args: &ArgsPattern| args.hold(&exec.args, of_applet);
        Needs::new(
            needs.content() && !self.contents.as_ref().is_some_and(same_content),
            needs.args() && !self.args.as_ref().is_some_and(same_args),
            needs.parents() && !self.parents.iter().any(|parent| parent.holds(observed)),
            needs.users() && !self.users.contains(&exec.uid),
        )
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
