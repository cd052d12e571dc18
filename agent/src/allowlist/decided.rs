//! What people decided on the running agent: a document of its own for each
//! workload, laid over whichever other is in force. Pure.
//!
//! `processes` has what was accepted, `removed` what was taken away. The mode and
//! the action count only where an annotation says since when: who accepts an entry
//! says nothing about them.

use super::compiled::CompileError;
use super::document::{Action, Document, Mode};
use super::patterns::Patterns;
use super::process::{Process, RunAs};
use super::removed::{Removed, StruckAs};
use crate::model::{Untrusted, WorkloadId};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The annotation that says since when the mode counts.
const MODE_SINCE: &str = "execwarden.dev/mode-since";

/// The annotation that says since when the action counts.
const ACTION_SINCE: &str = "execwarden.dev/action-since";
/// The annotation that says of how many containers in a hundred it is blocked what
/// deviates; all, where it is missing.
const BLOCK_PERCENT: &str = "execwarden.dev/block-percent";
/// The annotation that says that the agent itself decided the action, because the
/// workload did not stay up.
const STEPPED_BACK: &str = "execwarden.dev/stepped-back";

/// What a deviation leads to, as it was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecidedAction {
    /// The action.
    pub action: Action,
    /// Since when.
    pub since: Timestamp,
    /// Of how many containers in a hundred; of the others it is reported.
    pub percent: u8,
    /// Whether it was the agent that decided: it then counts before a document.
    pub stepped_back: bool,
}

/// Why something cannot be decided so.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// An entry with a wildcard would go on to cover it.
    #[error("the entry {entry} covers {path} as well; remove that entry by its own path")]
    Covered {
        /// The entry's path.
        entry: String,
        /// What was to be removed.
        path: String,
    },
    /// An entry for a file under any name would go on to cover the applet.
    #[error(
        "the entry {0} allows it under every name; remove it without --applet, and accept the \
         applets that may run"
    )]
    UnderAnyName(String),
    /// Not so many.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

impl DecidedAction {
    /// The action, where it holds, and whose word it is.
    pub fn in_words(&self) -> String {
        let share = match self.percent {
            100 => String::new(),
            percent => format!(" in {percent} containers of 100"),
        };
        let whose = match self.stepped_back {
            true => ", by the agent itself: the workload did not stay up",
            false => "",
        };
        format!("{}{share}{whose}", self.action)
    }
}

impl Document {
    /// A document of decisions that has none yet.
    pub fn of_decisions(workload: WorkloadId) -> Self {
        let mut document = Self::by_agent(workload, BTreeSet::new(), None);
        document.spec.digests = None;
        document.spec.action = None;
        document
    }

    /// The mode that was decided, and when.
    pub fn decided_mode(&self) -> Option<(Mode, Timestamp)> {
        let since = self.metadata.annotations.get(MODE_SINCE)?;
        Some((self.spec.mode, since.parse().ok()?))
    }

    /// Decides the mode, or that nothing is decided about it any more.
    pub fn decide_mode(&mut self, mode: Option<(Mode, Timestamp)>) {
        let annotations = &mut self.metadata.annotations;
        match mode {
            Some((_, since)) => annotations.insert(MODE_SINCE.to_owned(), since.to_string()),
            None => annotations.remove(MODE_SINCE),
        };
        self.spec.mode = mode.map_or_else(Mode::default, |(mode, _)| mode);
    }

    /// The action that was decided.
    pub fn decided_action(&self) -> Option<DecidedAction> {
        let annotations = &self.metadata.annotations;
        let percent = annotations.get(BLOCK_PERCENT);
        Some(DecidedAction {
            action: self.spec.action?,
            since: annotations.get(ACTION_SINCE)?.parse().ok()?,
            percent: match percent {
                Some(percent) => percent.parse().ok()?,
                None => 100,
            },
            stepped_back: annotations.contains_key(STEPPED_BACK),
        })
    }

    /// Decides the action, or that nothing is decided about it any more.
    pub fn decide_action(&mut self, decided: Option<DecidedAction>) {
        let annotations = &mut self.metadata.annotations;
        for name in [ACTION_SINCE, BLOCK_PERCENT, STEPPED_BACK] {
            annotations.remove(name);
        }
        if let Some(decided) = &decided {
            annotations.insert(ACTION_SINCE.to_owned(), decided.since.to_string());
            if decided.percent < 100 {
                annotations.insert(BLOCK_PERCENT.to_owned(), decided.percent.to_string());
            }
            if decided.stepped_back {
                annotations.insert(STEPPED_BACK.to_owned(), "true".to_owned());
            }
        }
        self.spec.action = decided.map(|decided| decided.action);
    }

    /// Whether nothing is left of the decisions in it.
    pub fn decides_nothing(&self) -> bool {
        let spec = &self.spec;
        spec.processes.is_empty()
            && spec.removed.is_empty()
            && self.decided_mode().is_none()
            && self.decided_action().is_none()
    }

    /// Each of them as a line: `accepted /tmp/tool (upper)`, `removed /usr/bin/curl`.
    pub fn decisions(&self) -> Vec<String> {
        let accepted = self.spec.processes.iter().map(|process| {
            let role = match process.run_as() {
                RunAs::Program => String::new(),
                RunAs::Applet(name) => format!(" as {name}"),
                RunAs::Script { interpreter, .. } => format!(" with {interpreter}"),
            };
            format!("accepted {}{role} ({})", process.path(), process.layer())
        });
        let removed = self.spec.removed.iter().map(|removed| {
            let role = match &removed.run_as {
                None => String::new(),
                Some(StruckAs::Applet(name)) => format!(" as {name}"),
                Some(StruckAs::ScriptOf(interpreter)) => format!(" with {interpreter}"),
            };
            let layer = removed.layer;
            let layer = layer.map_or_else(String::new, |layer| format!(" ({layer})"));
            format!("removed {}{role}{layer}", removed.path)
        });
        let mode = self.decided_mode();
        let mode = mode.map(|(mode, since)| format!("mode {mode} since {since}"));
        let action = self.decided_action();
        let action =
            action.map(|decided| format!("action {} since {}", decided.in_words(), decided.since));
        accepted.chain(removed).chain(mode).chain(action).collect()
    }

    /// Lets `process` run: what struck it does so no more.
    ///
    /// # Errors
    /// A wildcard that is too costly to match.
    pub fn accept(&mut self, process: Process) -> Result<(), CompileError> {
        let mut kept = BTreeSet::new();
        for removed in std::mem::take(&mut self.spec.removed) {
            if !Struck::new(&[removed.clone()].into())?.strikes(&process) {
                kept.insert(removed);
            }
        }
        self.spec.removed = kept;
        self.spec.processes.insert(process);
        Ok(())
    }

    /// Strikes what `removed` names, of what is in force and of what was
    /// accepted.
    ///
    /// # Errors
    /// An entry would go on to cover it.
    pub fn strike(
        &mut self,
        removed: Removed,
        in_force: &BTreeSet<Process>,
    ) -> Result<(), DecisionError> {
        let struck = Struck::new(&[removed.clone()].into())?;
        let path = Untrusted::from(removed.path.as_str());
        for process in in_force.iter().chain(&self.spec.processes) {
            let text = || process.path().to_string();
            let of_applet = matches!(removed.run_as, Some(StruckAs::Applet(_)));
            if struck.strikes(process) {
                if of_applet && *process.run_as() == RunAs::Program {
                    return Err(DecisionError::UnderAnyName(text()));
                }
            } else if process.path().has_wildcard()
                && removed.may_be(process)
                && process.path().covers(&path)?
            {
                return Err(DecisionError::Covered {
                    entry: text(),
                    path: removed.path.to_string(),
                });
            }
        }
        self.spec
            .processes
            .retain(|process| !struck.strikes(process));
        self.spec.removed.insert(removed);
        Ok(())
    }

    /// Takes back what was decided about `path`, as it stands in an entry.
    /// Whether there was anything.
    pub fn restore(&mut self, path: &str) -> bool {
        let spec = &mut self.spec;
        let before = spec.processes.len() + spec.removed.len();
        spec.processes.retain(|entry| entry.path().as_str() != path);
        spec.removed.retain(|entry| entry.path.as_str() != path);
        before > spec.processes.len() + spec.removed.len()
    }
}

/// Lays decisions over the entries of a document: what was removed is taken
/// away and struck, what was accepted is added.
///
/// # Errors
/// A wildcard that is too costly to match.
pub fn lay_over(
    processes: &mut BTreeSet<Process>,
    removed: &mut BTreeSet<Removed>,
    decided: &Document,
) -> Result<(), CompileError> {
    let struck = Struck::new(&decided.spec.removed)?;
    processes.retain(|process| !struck.strikes(process));
    processes.extend(decided.spec.processes.iter().cloned());
    removed.extend(decided.spec.removed.iter().cloned());
    Ok(())
}

/// Entries of `removed`, ready to be asked.
struct Struck(Patterns<Removed>);

impl Struck {
    fn new(removed: &BTreeSet<Removed>) -> Result<Self, CompileError> {
        Patterns::new(removed.iter().cloned(), |removed| &removed.path).map(Self)
    }

    /// Whether one of them says that `process` may not run: by its path, or
    /// where that is a pattern, in the same words.
    fn strikes(&self, process: &Process) -> bool {
        let by_identity = process.identity().is_some_and(|identity| {
            let mut matching = self.0.matching(&identity);
            matching.any(|removed| removed.fits(&identity))
        });
        by_identity || self.0.entries().any(|removed| removed.contradicts(process))
    }
}

#[cfg(test)]
#[path = "decided_tests.rs"]
mod tests;
