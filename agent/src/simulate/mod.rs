//! What allowlists would have reported: the journal, judged again by candidate
//! documents. Pure.
//!
//! - [`Simulation`] takes in documents and the journal's pages;
//! - [`Report`] is what came of it.
//!
//! The judge is the agent's own. What the journal does not have is not made up:
//! of an executable that the kernel knew at once nobody saw with which arguments,
//! by whom and by which process it was started, so an entry that asks for these
//! leaves it undecided. Of what was seen, the circumstances of the first of each
//! kind are judged for all of it.

mod again;
mod report;

pub use report::{
    Executable, Finding, NearestEntry, Open, Report, SimulateError, Times, Unused, WorkloadReport,
};

use crate::allowlist::{Allowlist, Document, Mode, Process};
use crate::journal::{Head, Hour, Page, Ran, Subject};
use crate::model::{Identity, WorkloadId};
use again::{Outcome, again};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A document to be tried.
#[derive(Debug)]
pub struct Candidate {
    /// What it is called in what is printed.
    pub file: String,
    /// The document.
    pub document: Document,
}

/// Candidates, and what of the journal they were asked about so far.
#[derive(Debug)]
pub struct Simulation {
    candidates: BTreeMap<WorkloadId, Asked>,
    /// Subjects by the name that pages have for them; `None` where nobody has a
    /// candidate for them, or they are not asked for.
    subjects: HashMap<String, Option<WorkloadId>>,
    others: BTreeSet<WorkloadId>,
    only: Option<WorkloadId>,
    head: Option<Head>,
    damaged: u64,
}

#[derive(Debug)]
struct Asked {
    file: String,
    mode: Mode,
    allowlist: Allowlist,
    entries: BTreeSet<Process>,
    used: BTreeSet<Process>,
    executables: BTreeSet<Identity>,
    /// Each subject with what its candidate says of it.
    judged: BTreeMap<String, Judged>,
}

/// A subject and what came of it.
#[derive(Debug)]
struct Judged {
    subject: Subject,
    outcome: Outcome,
    /// In all hours together; `None` before the first.
    ran: Option<(Ran, Hour, Hour)>,
}

impl Simulation {
    /// Nothing is asked yet. `only`: one workload alone is of interest.
    ///
    /// # Errors
    /// Two documents are about one workload, a document cannot be matched with,
    /// or none is about `only`.
    pub fn new(candidates: Vec<Candidate>, only: Option<&str>) -> Result<Self, SimulateError> {
        let mut asked: BTreeMap<WorkloadId, Asked> = BTreeMap::new();
        for Candidate { file, document } in candidates {
            let workload = document.spec.workload.clone();
            if let Some(first) = asked.get(&workload) {
                let first = first.file.clone();
                return Err(SimulateError::Twice {
                    first,
                    second: file,
                    workload: workload.to_string(),
                });
            }
            let allowlist =
                Allowlist::new(&document).map_err(|error| SimulateError::Candidate {
                    file: file.clone(),
                    problem: error.to_string(),
                })?;
            let candidate = Asked {
                file,
                mode: document.spec.mode,
                allowlist,
                entries: document.spec.processes,
                used: BTreeSet::new(),
                executables: BTreeSet::new(),
                judged: BTreeMap::new(),
            };
            asked.insert(workload, candidate);
        }
        let only = match only {
            None => None,
            Some(name) => {
                let found = asked.keys().find(|id| id.to_string() == name).cloned();
                Some(found.ok_or_else(|| SimulateError::NoCandidate(name.to_owned()))?)
            }
        };
        if let Some(only) = &only {
            asked.retain(|id, _| id == only);
        }
        Ok(Self {
            candidates: asked,
            subjects: HashMap::new(),
            others: BTreeSet::new(),
            only,
            head: None,
            damaged: 0,
        })
    }

    /// Takes in one page of the journal; pages in their order.
    ///
    /// # Errors
    /// A subject in it cannot be read: it is another version's.
    pub fn take(&mut self, page: Page) -> Result<(), SimulateError> {
        self.head.get_or_insert_with(|| page.head.clone());
        self.damaged += page.damaged;
        let rows = page.rows.clone();
        for (name, subject) in page.subjects() {
            if !self.subjects.contains_key(&name) {
                let subject = subject.map_err(|error| SimulateError::Page(error.to_string()))?;
                self.ask(name, subject);
            }
        }
        for (hour, name, ran) in rows {
            let asked = self.subjects.get(&name).and_then(Option::as_ref);
            let asked = asked.and_then(|workload| self.candidates.get_mut(workload));
            if let Some(judged) = asked.and_then(|asked| asked.judged.get_mut(&name)) {
                judged.ran = Some(match judged.ran {
                    None => (ran, hour, hour),
                    Some((all, first, last)) => (all.and(ran), first.min(hour), last.max(hour)),
                });
            }
        }
        Ok(())
    }

    /// Asks the candidate about a subject that it does not know yet.
    fn ask(&mut self, name: String, subject: Subject) {
        let workload = subject.workload.clone();
        let Some(asked) = self.candidates.get_mut(&workload) else {
            if self.only.is_none() {
                self.others.insert(workload);
            }
            self.subjects.insert(name, None);
            return;
        };
        asked.executables.insert(subject.identity.clone());
        let outcome = match asked.mode {
            Mode::Off => Outcome::Known,
            Mode::Enforce | Mode::Learn => {
                let (outcome, used) = again(&asked.allowlist, &subject);
                asked.used.extend(used);
                outcome
            }
        };
        let judged = Judged {
            subject,
            outcome,
            ran: None,
        };
        asked.judged.insert(name.clone(), judged);
        self.subjects.insert(name, Some(workload));
    }

    /// What came of it.
    pub fn finish(self) -> Report {
        Report::of(self)
    }
}

#[cfg(test)]
mod tests;
