//! The terms that a workload is held to: of the operator, of a person's document
//! and of the annotations that a team has set, which count in this order. Pure.
//!
//! | a person's document about it | mode |
//! | --- | --- |
//! | `mode: off` | off |
//! | another | as the agent's mode and the document say; neither class `off` nor annotations change that. Under class `enforce` it does not learn |
//! | none | as the agent's mode and its class say, changed by what its annotations may |
//!
//! A mode that the operator has set for this very workload (`execwarden promote`)
//! counts before all of that, unless a document has another one: then the
//! document does.
//!
//! An annotation that is refused, or no value, changes nothing: the namespace's
//! counts then, or else what the operator said.

use crate::allowlist::Mode;
use crate::config::{AnnotationPolicy, ClassMode, ModeChoice, Window};
use crate::containers::Wishes;
use crate::learn::Ending;
use crate::model::{Untrusted, WorkloadId};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is known of a workload.
pub struct Case<'a> {
    /// The agent's mode.
    pub mode: ModeChoice,
    /// When it ends to learn, as the operator says.
    pub ending: Ending,
    /// What is done with containers of its kind.
    pub class: ClassMode,
    /// What annotations may change.
    pub policy: AnnotationPolicy,
    /// The mode of the document that a person wrote about it.
    pub document: Option<Mode>,
    /// The mode that the operator has set for it.
    pub decided: Option<Mode>,
    /// Whether it has learned before; since it was told to learn, if it was.
    pub has_learned: bool,
    /// What its pod's annotations ask for.
    pub pod: &'a Wishes,
    /// What its namespace's do.
    pub namespace: &'a Wishes,
    /// The mode of the one document of a name, whatever it is about.
    pub named: &'a dyn Fn(&str) -> Result<Mode, Why>,
}

/// What holds for a workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// What is done with it.
    pub plan: Plan,
    /// The name of the document that it is held to at its own wish.
    pub borrowed: Option<String>,
    /// Whether its annotations have a part in this.
    pub by_annotation: bool,
    /// What its annotations ask for in vain.
    pub refused: Vec<Refusal>,
}

/// What is done with a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Nothing is asked of it.
    Off,
    /// It learns.
    Learn {
        /// Until when.
        ending: Ending,
        /// Whether that is for its annotations to say: it then counts for a
        /// window that has begun, too.
        is_asked: bool,
    },
    /// It is held to what it may run.
    Enforce(Learned),
}

/// For what counts that a workload has learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// For nothing.
    Ignored,
    /// It is its allowlist, where no person wrote one.
    Instead,
    /// It is added to what a person wrote.
    Beside,
}

/// A wish that is not granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    whose: Whose,
    key: &'static str,
    value: Untrusted,
    why: Why,
}

/// Who wishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Pod,
    Namespace,
}

/// Why a wish is not granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It is no mode.
    NoMode,
    /// It is no time.
    NoTime,
    /// It is no number.
    NoNumber,
    /// It would make the workload's terms less strict.
    Loosens,
    /// The workload has an allowlist already.
    HasOne,
    /// No document has that name.
    NoDocument,
    /// More than one document has.
    SeveralDocuments,
    /// That document holds nobody to anything.
    DocumentIsOff,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoMode => "it is none of learn, enforce and off",
            Self::NoNumber => "it is no whole number",
            Self::NoTime => "it is not a whole number and s, m, h or d, up to 365 days",
            Self::Loosens => "annotations may only tighten",
            Self::HasOne => "the workload has an allowlist, and annotations may only tighten",
            Self::NoDocument => "no document among the allowlists has this name",
            Self::SeveralDocuments => "more than one document among the allowlists has this name",
            Self::DocumentIsOff => "that document has mode off",
        }
    }
}

/// One sentence on one line, whatever the value is.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Whose::Pod => "its pod's",
            Whose::Namespace => "its namespace's",
        };
        let (key, why) = (self.key, self.why.as_str());
        let value = self.value.escaped(64);
        write!(f, "{whose} annotation {key}: \"{value}\" is refused: {why}")
    }
}

/// What holds in this case.
pub fn terms(case: &Case<'_>) -> Terms {
    let plan = case.by_operator();
    let mut terms = Terms {
        plan,
        borrowed: None,
        by_annotation: false,
        refused: Vec::new(),
    };
    let is_open = case.document.is_none() && case.decided.is_none();
    if is_open && case.policy != AnnotationPolicy::Ignore {
        terms.hear(case, Wishes::ALLOWLIST, Terms::borrow);
        terms.hear(case, Wishes::MODE, Terms::take_mode);
        for (key, take) in Terms::OF_LEARNING {
            terms.hear(case, key, take);
        }
        terms.by_annotation = terms.borrowed.is_some() || terms.plan != plan;
    }
    terms
}

impl Case<'_> {
    fn by_operator(&self) -> Plan {
        let agrees = |mode: &Mode| self.document.is_none_or(|document| document == *mode);
        if let Some(mode) = self.decided.filter(agrees) {
            return self.by_decision(mode);
        }
        match (self.document, self.class) {
            (Some(Mode::Off), _) | (None, ClassMode::Off) => Plan::Off,
            (_, ClassMode::Enforce) => Plan::Enforce(Learned::Ignored),
            (document, ClassMode::Learn | ClassMode::Off) => self.by_mode(document),
        }
    }

    fn by_decision(&self, mode: Mode) -> Plan {
        match (mode, self.has_learned) {
            (Mode::Off, _) => Plan::Off,
            (Mode::Learn, false) => self.learning(),
            (Mode::Learn, true) if self.document.is_some() => Plan::Enforce(Learned::Beside),
            (Mode::Enforce, _) if self.class == ClassMode::Enforce => {
                Plan::Enforce(Learned::Ignored)
            }
            (Mode::Learn, true) | (Mode::Enforce, _) => Plan::Enforce(Learned::Instead),
        }
    }

    fn by_mode(&self, document: Option<Mode>) -> Plan {
        let learns = match self.mode {
            ModeChoice::Enforce => false,
            ModeChoice::Learn { .. } => true,
            ModeChoice::Automatic { .. } => document.is_none_or(|mode| mode == Mode::Learn),
        };
        if learns && !self.has_learned {
            return self.learning();
        }
        Plan::Enforce(match document {
            Some(Mode::Learn) => Learned::Beside,
            _ => Learned::Instead,
        })
    }

    fn learning(&self) -> Plan {
        Plan::Learn {
            ending: self.ending,
            is_asked: false,
        }
    }

    fn may_loosen(&self) -> bool {
        self.policy == AnnotationPolicy::Any
    }
}

type Take = fn(&mut Terms, &Case<'_>, &str) -> Result<(), Why>;

impl Terms {
    /// When a baseline ends to learn again, when `now` asks for nothing else any
    /// more.
    pub fn ending_to_undo(&self, now: &Self) -> Option<Ending> {
        match (self.plan, now.plan) {
            (
                Plan::Learn { is_asked: true, .. },
                Plan::Learn {
                    ending,
                    is_asked: false,
                },
            ) => Some(ending),
            _ => None,
        }
    }

    /// Logs what is refused now and was not before.
    pub fn tell_refusals(&self, workload: &WorkloadId, before: &[Refusal]) {
        for refusal in self.refused.iter().filter(|one| !before.contains(one)) {
            tracing::warn!(%workload, "{refusal}");
        }
    }

    /// Grants the pod's wish, else the namespace's.
    fn hear(&mut self, case: &Case<'_>, key: &'static str, take: Take) {
        for (whose, wishes) in [(Whose::Pod, case.pod), (Whose::Namespace, case.namespace)] {
            let value = match key {
                Wishes::ALLOWLIST => &wishes.allowlist,
                Wishes::MODE => &wishes.mode,
                Wishes::QUIET => &wishes.quiet,
                Wishes::STARTS => &wishes.starts,
                Wishes::MAX => &wishes.max,
                _ => &wishes.window,
            };
            let Some(value) = value else { continue };
            // What is no plain text is no name, no word and no number.
            let text = value.as_plain_str().unwrap_or_default();
            match take(self, case, text) {
                Ok(()) => return,
                Err(why) => self.refused.push(Refusal {
                    whose,
                    key,
                    value: value.clone(),
                    why,
                }),
            }
        }
    }

    fn borrow(&mut self, case: &Case<'_>, name: &str) -> Result<(), Why> {
        if (case.named)(name)? == Mode::Off {
            return Err(Why::DocumentIsOff);
        }
        if case.has_learned && !case.may_loosen() {
            return Err(Why::HasOne);
        }
        self.borrowed = Some(name.to_owned());
        self.plan = Plan::Enforce(Learned::Ignored);
        Ok(())
    }

    fn take_mode(&mut self, case: &Case<'_>, word: &str) -> Result<(), Why> {
        let wanted = Mode::from_str(word).map_err(|_| Why::NoMode)?;
        self.plan = match (wanted, self.plan) {
            (Mode::Off, Plan::Off)
            | (Mode::Learn, Plan::Learn { .. })
            | (Mode::Enforce, Plan::Enforce(_)) => self.plan,
            (Mode::Enforce, Plan::Off | Plan::Learn { .. }) => Plan::Enforce(Learned::Instead),
            // Once is enough, under every mode.
            (Mode::Learn, Plan::Enforce(Learned::Instead)) if case.has_learned => self.plan,
            (Mode::Learn, Plan::Off | Plan::Enforce(_))
                if case.may_loosen() || self.plan == Plan::Off =>
            {
                match (case.has_learned, &self.borrowed) {
                    (false, _) => case.learning(),
                    (true, None) => Plan::Enforce(Learned::Instead),
                    (true, Some(_)) => Plan::Enforce(Learned::Beside),
                }
            }
            (Mode::Off, _) if case.may_loosen() => Plan::Off,
            (Mode::Learn | Mode::Off, _) => return Err(Why::Loosens),
        };
        Ok(())
    }

    /// What annotations may ask of learning; the window first, since what is not
    /// said of the others follows from it.
    const OF_LEARNING: [(&str, Take); 4] = [
        (Wishes::WINDOW, |terms, case, text| {
            let asked = time(text)?;
            terms.end_sooner(
                case,
                |ending| (ending.minimum, asked),
                |ending| {
                    ending.minimum = asked;
                },
            )
        }),
        (Wishes::QUIET, |terms, case, text| {
            let asked = time(text)?;
            terms.end_sooner(
                case,
                |ending| (ending.quiet(), asked),
                |ending| {
                    ending.quiet = Some(asked);
                },
            )
        }),
        (Wishes::STARTS, |terms, case, text| {
            let asked: u32 = text.parse().map_err(|_| Why::NoNumber)?;
            terms.end_sooner(
                case,
                |ending| (ending.starts, asked),
                |ending| {
                    ending.starts = asked;
                },
            )
        }),
        (Wishes::MAX, |terms, case, text| {
            let asked = time(text)?;
            terms.end_sooner(
                case,
                |ending| (ending.maximum(), asked),
                |ending| {
                    ending.maximum = Some(asked);
                },
            )
        }),
    ];

    /// Takes over what annotations ask for, where that is less than what `parts`
    /// says there is. Of a workload that does not learn, nothing follows from it.
    fn end_sooner<T: Ord>(
        &mut self,
        case: &Case<'_>,
        parts: impl Fn(&Ending) -> (T, T),
        set: impl Fn(&mut Ending),
    ) -> Result<(), Why> {
        if let Plan::Learn { ending, is_asked } = &mut self.plan {
            let (there_is, asked) = parts(ending);
            if asked > there_is && !case.may_loosen() {
                return Err(Why::Loosens);
            }
            set(ending);
            *is_asked = true;
        }
        Ok(())
    }
}

fn time(text: &str) -> Result<Duration, Why> {
    let time: Window = text.parse().map_err(|_| Why::NoTime)?;
    Ok(time.into())
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
