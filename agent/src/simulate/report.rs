//! What came of a simulation.

use super::again::Outcome;
use super::{Judged, Simulation};
use crate::allowlist::{Mode, Process, RunAs};
use crate::journal::{Gap, Head, Hour, Ran, Was};
use crate::model::{Needs, Reason, Role, WorkloadId};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many bytes of a name are told, escaped.
const MAX_NAME: usize = 8192;

/// Why nothing can be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Two candidates for one workload.
    #[error("{first} and {second} are both about {workload}; leave one out")]
    Twice {
        /// The first file.
        first: String,
        /// The second.
        second: String,
        /// The workload's canonical name.
        workload: String,
    },
    /// A candidate that cannot be matched with.
    #[error("{file}: {problem}")]
    Candidate {
        /// Its file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// None is about the workload that is asked for.
    #[error("no candidate is about {0:?}; name its document with --allowlist")]
    NoCandidate(String),
    /// Another version's journal.
    #[error(
        "the journal cannot be read: {0}; use the `execwarden` command of the agent's own version"
    )]
    Page(String),
}

/// All that would have been reported, and what the journal has of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this form.
    pub v: u64,
    /// From when on the journal is complete, but for the gaps.
    pub journal_begins: Option<Timestamp>,
    /// Where it may lack something.
    pub gaps: Vec<Gap>,
    /// Rows of it that could not be read.
    pub damaged: u64,
    /// Each workload with a candidate.
    pub workloads: Vec<WorkloadReport>,
    /// The workloads in the journal that have none.
    pub without_candidate: Vec<String>,
}

/// One workload under its candidate.
#[derive(Debug, Serialize)]
pub struct WorkloadReport {
    /// Its canonical name.
    pub workload: String,
    /// The candidate.
    pub file: String,
    /// The candidate's mode; under `off` nothing is asked.
    pub mode: &'static str,
    /// How many distinct executables it ran.
    pub executables: u64,
    /// What would have been reported; the strongest reason first.
    pub reported: Vec<Finding>,
    /// What cannot be decided.
    pub undecided: Vec<Open>,
    /// How many distinct executables were judged by one exec's circumstances,
    /// though they ran more often and an entry asks for these.
    pub judged_by_one: u64,
    /// The entries that covered nothing.
    pub unused: Vec<Unused>,
}

/// What ran.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Executable {
    /// The program, or the script; escaped.
    pub path: String,
    /// The interpreter of a script.
    pub interpreter: Option<String>,
    /// The one program of a multi-call binary.
    pub applet: Option<String>,
    /// The layer of the file at the path.
    pub layer: &'static str,
}

/// One executable that would have been reported for one reason.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The strongest reason.
    pub reason: Reason,
    /// The weaker ones.
    pub also: Vec<Reason>,
    /// What ran.
    #[serde(flatten)]
    pub executable: Executable,
    /// When and how often.
    #[serde(flatten)]
    pub times: Times,
    /// The entry that comes closest.
    pub nearest: Option<NearestEntry>,
}

/// When and how often something ran.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// How many execs were counted.
    pub execs: u64,
    /// Whether there were more, or at least one: the kernel knew it and told
    /// nobody.
    pub uncounted: bool,
    /// The start of the first hour in which it ran.
    pub first_hour: Timestamp,
    /// The start of the last.
    pub last_hour: Timestamp,
    /// What became of it at the time.
    pub was: Was,
}

/// The entry that comes closest.
#[derive(Clone, Debug, Serialize)]
pub struct NearestEntry {
    /// Its path.
    pub path: String,
    /// Where it differs.
    pub differs: &'static str,
}

/// One executable of which the journal has too little.
#[derive(Debug, Serialize)]
pub struct Open {
    /// What ran.
    #[serde(flatten)]
    pub executable: Executable,
    /// When and how often.
    #[serde(flatten)]
    pub times: Times,
    /// What the candidate asks for and nobody saw.
    pub asks_for: Vec<&'static str>,
}

/// An entry that covered nothing.
#[derive(Debug, Serialize)]
pub struct Unused {
    /// Its path.
    pub path: String,
    /// Its interpreter, if it is for a script.
    pub interpreter: Option<String>,
    /// Its applet.
    pub applet: Option<String>,
    /// Its layer.
    pub layer: &'static str,
}

impl Report {
    /// Whether something would have been reported, or may have been.
    pub fn has_findings(&self) -> bool {
        let has = |one: &WorkloadReport| !one.reported.is_empty() || !one.undecided.is_empty();
        self.workloads.iter().any(has)
    }

    pub(super) fn of(simulation: Simulation) -> Self {
        let Head { begins, gaps } = simulation.head.unwrap_or(Head {
            begins: Timestamp::MAX,
            gaps: Vec::new(),
        });
        Self {
            v: 1,
            journal_begins: (begins != Timestamp::MAX).then_some(begins),
            gaps,
            damaged: simulation.damaged,
            workloads: { simulation.candidates.into_iter() }
                .map(|(workload, asked)| WorkloadReport::of(&workload, asked))
                .collect(),
            without_candidate: { simulation.others.iter() }
                .map(ToString::to_string)
                .collect(),
        }
    }
}

impl WorkloadReport {
    fn of(workload: &WorkloadId, asked: super::Asked) -> Self {
        let mut reported: BTreeMap<(Reason, Executable), Finding> = BTreeMap::new();
        let mut undecided: BTreeMap<Executable, (Needs, Open)> = BTreeMap::new();
        let mut by_one = 0;
        for Judged {
            subject,
            outcome,
            ran,
        } in asked.judged.into_values()
        {
            let Some((ran, first, last)) = ran else {
                continue;
            };
            let times = Times::of(ran, first, last);
            let executable = Executable::of(&subject.identity);
            let outcome = match outcome {
                Outcome::ByOne(outcome) => {
                    by_one += u64::from(ran.uncounted || ran.execs > 1);
                    *outcome
                }
                outcome => outcome,
            };
            match outcome {
                Outcome::Known | Outcome::ByOne(_) => {}
                Outcome::Reported {
                    reason,
                    also,
                    nearest,
                } => {
                    let finding = Finding {
                        reason,
                        also,
                        executable: executable.clone(),
                        times,
                        nearest: nearest.map(|nearest| NearestEntry {
                            path: nearest.process.path().to_string(),
                            differs: nearest.differs.as_str(),
                        }),
                    };
                    let found = reported.entry((reason, executable));
                    found
                        .and_modify(|found| found.times = found.times.and(times))
                        .or_insert(finding);
                }
                Outcome::Undecided(needs) => {
                    let open = Open {
                        executable: executable.clone(),
                        times,
                        asks_for: asks_for(needs),
                    };
                    let found = undecided.entry(executable);
                    found
                        .and_modify(|(all, found)| {
                            *all = all.union(needs);
                            found.asks_for = asks_for(*all);
                            found.times = found.times.and(times);
                        })
                        .or_insert((needs, open));
                }
            }
        }
        let unused = match asked.mode {
            Mode::Off => Vec::new(),
            Mode::Enforce | Mode::Learn => {
                let unused = asked.entries.difference(&asked.used);
                unused.map(Unused::of).collect()
            }
        };
        Self {
            workload: workload.to_string(),
            file: asked.file,
            mode: asked.mode.as_str(),
            executables: asked.executables.len() as u64,
            reported: reported.into_values().collect(),
            undecided: undecided.into_values().map(|(_, open)| open).collect(),
            judged_by_one: by_one,
            unused,
        }
    }
}

impl Executable {
    fn of(identity: &crate::model::Identity) -> Self {
        let file = || identity.file.escaped(MAX_NAME);
        Self {
            path: identity.path().escaped(MAX_NAME),
            interpreter: identity.as_script().map(|_| file()),
            applet: match &identity.role {
                Role::Applet(name) => Some(name.escaped(MAX_NAME)),
                Role::Program | Role::Script(_) => None,
            },
            layer: identity.path_layer().as_str(),
        }
    }
}

impl Times {
    fn of(ran: Ran, first: Hour, last: Hour) -> Self {
        Self {
            execs: ran.execs,
            uncounted: ran.uncounted,
            first_hour: first.start(),
            last_hour: last.start(),
            was: ran.was,
        }
    }

    /// Both.
    fn and(self, other: Self) -> Self {
        let ran = |times: &Self| Ran {
            execs: times.execs,
            uncounted: times.uncounted,
            was: times.was,
        };
        let all = ran(&self).and(ran(&other));
        Self {
            execs: all.execs,
            uncounted: all.uncounted,
            first_hour: self.first_hour.min(other.first_hour),
            last_hour: self.last_hour.max(other.last_hour),
            was: all.was,
        }
    }
}

impl Unused {
    fn of(entry: &Process) -> Self {
        Self {
            path: entry.path().to_string(),
            interpreter: entry.interpreter().map(ToString::to_string),
            applet: match entry.run_as() {
                RunAs::Applet(name) => Some(name.to_string()),
                RunAs::Program | RunAs::Script { .. } => None,
            },
            layer: entry.layer().as_str(),
        }
    }
}

/// The fields of a document that ask for these.
fn asks_for(needs: Needs) -> Vec<&'static str> {
    let all = [
        (needs.content(), "sha256"),
        (needs.args(), "args"),
        (needs.parents(), "parents"),
        (needs.users(), "users"),
    ];
    let asked = all.into_iter().filter(|(asked, _)| *asked);
    asked.map(|(_, field)| field).collect()
}
