//! The form of a document that execs are judged with.

use super::conditions::{Conditions, Digests};
use super::decided::lay_over;
use super::document::{Document, Spec};
use super::observed::Observed;
use super::path::PathPattern;
use super::patterns::Patterns;
use super::process::{Process, RunAs};
use super::removed::Removed;
use crate::model::{Called, Identity, Layer, Needs, Role, Untrusted, is_own_name, last_component};
use std::collections::{BTreeSet, HashMap, HashSet};

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

/// What an allowlist says of an exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage<'a> {
    /// This entry names it, and all its conditions hold. With a wildcard in its
    /// path the kernel's map does not have the identity yet, and
    /// [`Allowlist::needs`] says whether the identity alone decides.
    By(&'a Process),
    /// Entries name it, and of each some condition fails; of this one the
    /// fewest and weakest.
    Fails(&'a Process, Needs),
    /// No entry names it.
    None,
}

/// A document's `processes` and `removed`, ready to judge by.
#[derive(Clone, Debug, Default)]
pub struct Allowlist {
    exact: HashMap<Identity, Vec<Process>>,
    patterns: Patterns<Process>,
    removed: Patterns<Removed>,
    /// The files that entries name as programs, and those that they name as
    /// interpreters of scripts.
    programs: HashSet<(Untrusted, Layer)>,
    interpreters: HashSet<(Untrusted, Layer)>,
    /// What the document says about digests.
    digests: Option<Digests>,
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
            processes,
            removed,
            digests,
            ..
        } = &document.spec;
        Self::of(processes, removed, *digests)
    }

    fn of(
        processes: &BTreeSet<Process>,
        removed: &BTreeSet<Removed>,
        digests: Option<Digests>,
    ) -> Result<Self, CompileError> {
        let patterns = processes.iter().filter(|p| p.path().has_wildcard());
        let mut exact: HashMap<Identity, Vec<Process>> = HashMap::new();
        let mut programs = HashSet::new();
        let mut interpreters = HashSet::new();
        for process in processes {
            if let RunAs::Script {
                interpreter,
                interpreter_layer,
                ..
            } = process.run_as()
            {
                interpreters.insert((interpreter.as_str().into(), *interpreter_layer));
            }
            if let Some(identity) = process.identity() {
                if identity.as_script().is_none() {
                    programs.insert((identity.file.clone(), identity.layer));
                }
                exact.entry(identity).or_default().push(process.clone());
            }
        }
        Ok(Self {
            exact,
            patterns: Patterns::new(patterns.cloned(), Process::path)?,
            removed: Patterns::new(removed.iter().cloned(), |removed| &removed.path)?,
            programs,
            interpreters,
            digests,
            processes: processes.iter().cloned().collect(),
        })
    }

    /// It with decisions laid over it: see [`lay_over`].
    ///
    /// # Errors
    /// As [`Allowlist::new`].
    pub fn with_decisions(&self, decided: &Document) -> Result<Self, CompileError> {
        let mut processes = self.processes.iter().cloned().collect();
        let mut removed = self.removed.entries().cloned().collect();
        lay_over(&mut processes, &mut removed, decided)?;
        Self::of(&processes, &removed, self.digests)
    }

    /// What its document says about digests.
    pub fn digests(&self) -> Option<Digests> {
        self.digests
    }

    /// What it says of one exec. What the kernel could not place is never
    /// covered.
    pub fn covers(&self, observed: &Observed<'_>) -> Coverage<'_> {
        let mut closest: Option<(Needs, &Process)> = None;
        for (process, failing) in self.naming_of(observed) {
            if failing.is_none() {
                return Coverage::By(process);
            }
            if closest.is_none_or(|(least, _)| failing < least) {
                closest = Some((failing, process));
            }
        }
        closest.map_or(Coverage::None, |(failing, process)| {
            Coverage::Fails(process, failing)
        })
    }

    /// Every entry that names an exec, with those of its conditions that fail.
    pub fn naming_of<'a, 'o>(
        &'a self,
        observed: &'o Observed<'o>,
    ) -> impl Iterator<Item = (&'a Process, Needs)> + use<'a, 'o> {
        let names = all_names(observed.identity, &observed.exec.called);
        self.naming(&names).into_iter().map(|process| {
            let conditions = process.conditions();
            let of_applet = matches!(process.run_as(), RunAs::Applet(_))
                || matches!(observed.identity.role, Role::Applet(_));
            let needs = conditions.needs(self.digests);
            (process, conditions.failing(needs, observed, of_applet))
        })
    }

    /// What must be looked at to say whether `identity` is covered: nothing if
    /// an entry for it has no condition, else whatever one of them asks for.
    ///
    /// For an applet, an entry for the file under any name is no such entry:
    /// how many links the file has is not known here.
    pub fn needs(&self, identity: &Identity) -> Needs {
        let needs = |process: &Process| process.conditions().needs(self.digests);
        let own = self.naming(&own_names(identity));
        if own.iter().any(|process| needs(process).is_none()) {
            return Needs::NONE;
        }
        let program = self.naming(any_name(identity).as_slice());
        let all = own.into_iter().chain(program);
        all.map(needs).fold(Needs::NONE, Needs::union)
    }

    /// The identities that an entry names exactly, in no order, each with its
    /// needs: what the kernel's map of allowed execs is filled with.
    pub fn identities(&self) -> impl Iterator<Item = (&Identity, Needs)> {
        self.exact
            .keys()
            .map(|identity| (identity, self.needs(identity)))
    }

    /// What entries with a wildcard in their path ask for: whether they cover an
    /// identity the kernel does not know before the first exec of it.
    pub fn needs_of_patterns(&self) -> Needs {
        let needs = |process: &Process| process.conditions().needs(self.digests);
        self.patterns
            .entries()
            .map(needs)
            .fold(Needs::NONE, Needs::union)
    }

    /// The layers of files that only the agent can compare with an entry, some more
    /// than once: a `*` in its path stands for many, and a file in memory has no
    /// name that counts in the kernel.
    pub fn layers_of_patterns(&self) -> impl Iterator<Item = Layer> {
        let in_memory = |process: &&Process| {
            let interpreter = match process.run_as() {
                RunAs::Script {
                    interpreter_layer, ..
                } => *interpreter_layer,
                RunAs::Program | RunAs::Applet(_) => process.layer(),
            };
            process.layer() == Layer::Memory || interpreter == Layer::Memory
        };
        let memory = self.processes.iter().filter(in_memory);
        self.patterns.entries().chain(memory).map(Process::layer)
    }

    /// Whether an entry with a wildcard in its path names a single applet.
    pub fn has_applet_patterns(&self) -> bool {
        let is_applet = |process: &Process| matches!(process.run_as(), RunAs::Applet(_));
        self.patterns.entries().any(is_applet)
    }

    /// The files of which entries name single applets, in no order, some more
    /// than once: the kernel has to ask for each of their applets.
    pub fn applet_files(&self) -> impl Iterator<Item = (&Untrusted, Layer)> {
        self.exact
            .keys()
            .filter(|identity| matches!(identity.role, Role::Applet(_)))
            .map(|identity| (&identity.file, identity.layer))
    }

    /// Whether entries name single applets of the file of `identity`: a yes to
    /// one of them is none to the file.
    pub fn names_applets_of(&self, identity: &Identity) -> bool {
        let exact = || {
            self.applet_files()
                .any(|(file, layer)| *file == identity.file && layer == identity.layer)
        };
        let by_pattern = || {
            self.patterns.matching(identity).any(|process| {
                matches!(process.run_as(), RunAs::Applet(_)) && process.layer() == identity.layer
            })
        };
        identity.as_script().is_none() && (exact() || by_pattern())
    }

    /// Whether entries say under which conditions `identity` may run, or as
    /// which applets: another entry for it would undo what they say.
    pub fn restricts(&self, identity: &Identity) -> bool {
        let own = self.naming(&own_names(identity));
        let program = self.naming(any_name(identity).as_slice());
        let mut all = own.into_iter().chain(program);
        all.any(|process| *process.conditions() != Conditions::default())
            || (identity.role == Role::Program && self.names_applets_of(identity))
    }

    /// Whether an entry for all that `path` matches could undo what is said of
    /// one of it: that it is struck, may run as some applets only, or only under
    /// conditions.
    pub fn may_restrict(&self, path: &PathPattern) -> bool {
        let says_more = |process: &&Process| {
            *process.conditions() != Conditions::default()
                || matches!(process.run_as(), RunAs::Applet(_))
        };
        let struck = self.removed.entries().map(|removed| &removed.path);
        let restricted = self.processes.iter().filter(says_more).map(Process::path);
        struck.chain(restricted).any(|other| other.may_meet(path))
    }

    /// Whether a person struck `identity`: it must not be learned.
    pub fn is_removed(&self, identity: &Identity) -> bool {
        self.removed
            .matching(identity)
            .any(|removed| removed.fits(identity))
    }

    /// Whether an entry names the file of `identity` in its layer, as a program
    /// or some applet.
    pub fn names_file(&self, identity: &Identity) -> bool {
        let mut patterns = self.patterns.at(Some(&identity.file));
        self.programs
            .contains(&(identity.file.clone(), identity.layer))
            || patterns
                .any(|entry| entry.interpreter().is_none() && entry.layer() == identity.layer)
    }

    /// Whether the file of `identity` may run in its layer, by itself or as the
    /// interpreter of some script.
    pub fn may_interpret(&self, identity: &Identity) -> bool {
        self.names_file(identity)
            || self
                .interpreters
                .contains(&(identity.file.clone(), identity.layer))
    }

    /// How many entries it has, wildcards included.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether it allows nothing.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The entries that name one of these, which are the same file in the same
    /// layer.
    fn naming(&self, identities: &[Identity]) -> Vec<&Process> {
        let exact = identities.iter().filter_map(|one| self.exact.get(one));
        let patterns = identities
            .first()
            .into_iter()
            .flat_map(|one| self.patterns.matching(one))
            .filter(|process| identities.iter().any(|one| process.fits(one)));
        exact.flatten().chain(patterns).collect()
    }
}

/// The identity by each of its own names: an entry for the applet
/// `python3.11` of a file that is called so means `python3` as well.
fn own_names(identity: &Identity) -> Vec<Identity> {
    let file_name = last_component(identity.file.as_bytes());
    let with_version = match &identity.role {
        Role::Applet(name)
            if is_own_name(identity.file.as_bytes(), name.as_bytes())
                && name.as_bytes() != file_name =>
        {
            Some(as_applet(identity, &Untrusted::new(file_name)))
        }
        _ => None,
    };
    std::iter::once(identity.clone())
        .chain(with_version)
        .collect()
}

/// Every identity that an exec of `identity` is, by the names it was run by.
fn all_names(identity: &Identity, called: &Called) -> Vec<Identity> {
    let mut names = own_names(identity);
    match &identity.role {
        // An entry for an applet means the file by that name, whether or not
        // it is known to be a multi-call binary.
        Role::Program => names.extend(own_names(&as_applet(identity, &called.applet))),
        // An entry for a file under any name means each of its applets, where
        // the file has no other links: those are files of their own.
        Role::Applet(_) => {
            let own = is_own_name(identity.file.as_bytes(), called.applet.as_bytes());
            names.extend(any_name(identity).filter(|_| called.links <= 1 || own));
        }
        Role::Script(_) => {}
    }
    names
}

/// The program under any name of which `identity` is one applet.
fn any_name(identity: &Identity) -> Option<Identity> {
    matches!(identity.role, Role::Applet(_)).then(|| Identity {
        role: Role::Program,
        ..identity.clone()
    })
}

fn as_applet(identity: &Identity, name: &Untrusted) -> Identity {
    Identity {
        role: Role::Applet(name.clone()),
        ..identity.clone()
    }
}

#[cfg(test)]
#[path = "compiled_tests.rs"]
mod tests;
