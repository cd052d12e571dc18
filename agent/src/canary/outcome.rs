//! What a run came to, from all that was heard of it. Pure.

use super::Ended;
use crate::model::{CanaryResult, ExecCounts};
use std::time::Duration;

/// What is to come of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It is reported. It should be stopped as well, which nobody relies on.
    Reported,
    /// It is stopped before its first instruction, and reported.
    Stopped,
}

/// A run that passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// How long after the exec the agent had judged it.
    pub took: Duration,
    /// Whether it was stopped.
    pub stopped: bool,
}

/// What the agent was told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// How long after the exec it had judged it.
    pub took: Duration,
    /// Whether it judged it to deviate.
    pub deviates: bool,
}

/// All that was heard of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// What the agent was told, by the ring or the map.
    pub told: Option<Told>,
    /// What the helper said of its end.
    pub ended: Option<Ended>,
    /// What the kernel side counted meanwhile in the canary's slot.
    pub counted: ExecCounts,
}

/// A run that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Where its way ended.
    pub result: CanaryResult,
    /// In words.
    pub why: String,
}

impl Failure {
    /// One with these words.
    pub fn new(result: CanaryResult, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { result, why }
    }
}

/// What a run came to.
pub type Outcome = Result<Passed, Failure>;

/// By which the kernel side stops it.
const SIGKILL: i32 = 9;

impl Evidence {
    /// Whether there is nothing more to be heard.
    pub fn is_whole(&self) -> bool {
        let is_over = matches!(self.ended, Some(Ended::Not(_)));
        is_over || (self.ended.is_some() && self.told.is_some())
    }

    /// What the run came to, at its end or when nobody waits any more. The first
    /// step that is missing is the one that failed.
    pub fn outcome(&self, expected: Expected) -> Outcome {
        use CanaryResult::{NotExecuted, NotSeen, NotStopped, NotTold, WrongVerdict};

        let failed = |result, why: &str| Err(Failure::new(result, why));
        let counted = &self.counted;
        let stopped = match &self.ended {
            Some(Ended::Ran) => false,
            Some(Ended::Killed(SIGKILL)) if counted.blocked > 0 => true,
            Some(Ended::Killed(signal)) => {
                let why = format!("it was killed by signal {signal}");
                return Err(Failure::new(NotExecuted, why));
            }
            Some(Ended::Not(why)) => {
                let why = format!("it could not be executed: {why}");
                return Err(Failure::new(NotExecuted, why));
            }
            None => return failed(NotExecuted, "nobody said that it was executed"),
        };
        if counted.seen == 0 {
            return failed(
                NotSeen,
                "it was executed, and the kernel side did not see it",
            );
        }
        if counted.deviating != counted.seen {
            let why = format!(
                "it was executed, and the kernel side took it for {}",
                other_than_deviating(counted)
            );
            return Err(Failure::new(WrongVerdict, why));
        }
        let took = match self.told {
            None => {
                let why = "it was executed and counted as deviating, and no record of it came";
                return failed(NotTold, why);
            }
            Some(told) if !told.deviates => {
                let why = "a record of it came, and the agent did not take it for a deviation";
                return failed(WrongVerdict, why);
            }
            Some(told) => told.took,
        };
        if expected == Expected::Stopped && !stopped {
            return failed(NotStopped, "it was to be stopped, and ran to its end");
        }
        Ok(Passed { took, stopped })
    }
}

/// What else it was counted as.
fn other_than_deviating(counted: &ExecCounts) -> &'static str {
    match counted {
        ExecCounts { known: 1.., .. } => "known",
        ExecCounts { ignored: 1.., .. } => "something of which nothing is asked",
        ExecCounts { learning: 1.., .. } => "something to be learned",
        ExecCounts { errors: 1.., .. } => "something that it could not identify",
        _ => "nothing that it counts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(3);

    fn good() -> Evidence {
        Evidence {
            told: Some(Told {
                took: TOOK,
                deviates: true,
            }),
            ended: Some(Ended::Killed(9)),
            counted: ExecCounts {
                seen: 1,
                deviating: 1,
                blocked: 1,
                ..ExecCounts::default()
            },
        }
    }

    fn check(change: impl FnOnce(&mut Evidence), expected: CanaryResult, words: &str) {
        let mut evidence = good();
        change(&mut evidence);

        let failure = evidence.outcome(Expected::Stopped).expect_err(words);

        assert_eq!(failure.result, expected, "{failure:?}");
        assert!(failure.why.contains(words), "{failure:?}");
    }

    #[test]
    fn it_passes_if_it_was_stopped_deviated_and_was_told() {
        let (took, stopped) = (TOOK, true);
        let passed = Ok(Passed { took, stopped });
        assert_eq!(good().outcome(Expected::Stopped), passed);
        assert_eq!(good().outcome(Expected::Reported), passed);
        // Somebody else's in the same cgroup deviate too.
        let mut more = good();
        more.counted.seen = 2;
        more.counted.deviating = 2;
        assert_eq!(more.outcome(Expected::Stopped), passed);
    }

    #[test]
    fn one_that_was_not_stopped_fails_where_somebody_relies_on_that() {
        let ran = |run: &mut Evidence| {
            run.ended = Some(Ended::Ran);
            run.counted.blocked = 0;
        };
        check(ran, CanaryResult::NotStopped, "ran to its end");
        let mut run = good();
        ran(&mut run);
        let (took, stopped) = (TOOK, false);
        assert_eq!(
            run.outcome(Expected::Reported),
            Ok(Passed { took, stopped })
        );
        // By somebody else.
        let killed = |run: &mut Evidence| run.counted.blocked = 0;
        check(killed, CanaryResult::NotExecuted, "signal 9");
    }

    #[test]
    fn the_first_step_that_is_missing_is_named() {
        use CanaryResult::{NotExecuted, NotSeen, NotTold, WrongVerdict};

        check(|run| run.ended = None, NotExecuted, "nobody said");
        let not = || Some(Ended::Not("no memory".to_owned()));
        check(|run| run.ended = not(), NotExecuted, "no memory");
        check(
            |run| run.ended = Some(Ended::Killed(11)),
            NotExecuted,
            "signal 11",
        );
        let blind = |run: &mut Evidence| {
            run.counted = ExecCounts::default();
            run.ended = Some(Ended::Ran);
        };
        check(blind, NotSeen, "did not see it");
        check(|run| run.told = None, NotTold, "no record");
        let unmoved = Told {
            took: TOOK,
            deviates: false,
        };
        check(|run| run.told = Some(unmoved), WrongVerdict, "the agent");
    }

    #[test]
    fn another_verdict_is_named() {
        let counted = |known, ignored, errors| ExecCounts {
            seen: 1,
            known,
            ignored,
            errors,
            ..ExecCounts::default()
        };
        for (counts, word) in [
            (counted(1, 0, 0), "known"),
            (counted(0, 1, 0), "nothing is asked"),
            (counted(0, 0, 1), "could not identify"),
            (counted(0, 0, 0), "nothing that it counts"),
        ] {
            let change = |run: &mut Evidence| {
                run.counted = counts;
                run.ended = Some(Ended::Ran);
                run.told = None;
            };
            check(change, CanaryResult::WrongVerdict, word);
        }
    }

    #[test]
    fn it_is_whole_when_both_have_spoken_or_nothing_was_executed() {
        let mut run = Evidence::default();
        assert!(!run.is_whole());
        run.ended = Some(Ended::Ran);
        assert!(!run.is_whole());
        run.told = good().told;
        assert!(run.is_whole());
        let ended = Some(Ended::Not("refused".to_owned()));
        let not = Evidence {
            ended,
            ..Evidence::default()
        };
        assert!(not.is_whole());
    }
}
