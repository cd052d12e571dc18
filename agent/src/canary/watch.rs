//! When a canary runs, and whether it passes. Pure: the time comes from outside.

use super::{Ended, Evidence, Expected, Failure, Outcome, Passed, Told};
use crate::model::{CanaryResult, ExecCounts};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A run that nobody told of by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// The agent looks once a second. If it could not for longer, as on a machine that
/// slept, that is not the canary's time.
const STALL: Duration = Duration::from_secs(3);

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The run with this number is to be started.
    Start(u64),
    /// The run that is under way is over: count and [`Watch::judge`] it.
    Judge,
}

/// What somebody should be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// It failed, and passed before or failed otherwise.
    Failed(Failure),
    /// It passes again.
    Recovered {
        /// How long it took.
        took: Duration,
        /// How many runs had failed.
        failed: u64,
    },
    /// It cannot run.
    CannotRun(Failure),
}

/// Whether it passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// No run is over yet.
    Untried,
    /// The last one passed, and took so long.
    Passed(Duration),
    /// The last one failed.
    Failed(Failure),
    /// None can be run.
    CannotRun(Failure),
}

/// The canary's runs.
#[derive(Debug)]
pub struct Watch {
    interval: Duration,
    next: Instant,
    looked: Instant,
    run: Option<Run>,
    number: u64,
    state: State,
    /// How many failed since one passed.
    failing: u64,
    runs: BTreeMap<CanaryResult, u64>,
    /// Whether the last one that passed was stopped.
    stopped: Option<bool>,
}

#[derive(Debug)]
struct Run {
    number: u64,
    since: Instant,
    evidence: Evidence,
}

impl Watch {
    /// The first one is due at once.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            next: now,
            looked: now,
            run: None,
            number: 0,
            state: State::Untried,
            failing: 0,
            runs: BTreeMap::new(),
            stopped: None,
        }
    }

    /// What is to be done now. One that is to be started counts as under way: if it
    /// cannot be, say so by [`Watch::cannot_run`].
    pub fn due(&mut self, now: Instant) -> Due {
        let away = now.saturating_duration_since(self.looked);
        self.looked = now;
        if let Some(run) = &mut self.run {
            if away >= STALL {
                run.since += away;
            }
            let is_late = now.saturating_duration_since(run.since) >= PATIENCE;
            return match run.evidence.is_whole() || is_late {
                true => Due::Judge,
                false => Due::Nothing,
            };
        }
        if now < self.next {
            return Due::Nothing;
        }
        self.next = now + self.interval;
        self.number += 1;
        self.run = Some(Run {
            number: self.number,
            since: now,
            evidence: Evidence::default(),
        });
        Due::Start(self.number)
    }

    /// The agent was told of an exec of the run that is under way.
    pub fn told(&mut self, told: Told) {
        if let Some(run) = &mut self.run {
            run.evidence.told.get_or_insert(told);
        }
    }

    /// How a run ended; nothing of one that is not under way.
    pub fn ended(&mut self, number: u64, ended: Ended) {
        if let Some(run) = self.run.as_mut().filter(|run| run.number == number) {
            run.evidence.ended.get_or_insert(ended);
        }
    }

    /// The helper ended: of the run under way nothing more is to be heard.
    pub fn helper_ended(&mut self) {
        let why = "the process that was to execute it has ended";
        self.ended(self.number, Ended::Not(why.to_owned()));
    }

    /// Whether one is under way.
    pub fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Whether the helper has not answered in the run under way: it may never.
    pub fn lacks_answer(&self) -> bool {
        let run = self.run.as_ref();
        run.is_some_and(|run| run.evidence.ended.is_none())
    }

    /// Ends the run that is under way, of which the kernel side counted this.
    pub fn judge(&mut self, counted: ExecCounts, expected: Expected) -> Option<News> {
        let mut run = self.run.take()?;
        run.evidence.counted = counted;
        let outcome = run.evidence.outcome(expected);
        self.take_in(outcome)
    }

    /// The run that was to be started cannot be.
    pub fn cannot_run(&mut self, why: String) -> Option<News> {
        self.run = None;
        let failure = Failure::new(CanaryResult::NotRunning, why);
        let state = State::CannotRun(failure.clone());
        let is_news = self.state != state;
        self.state = state;
        is_news.then_some(News::CannotRun(failure))
    }

    fn take_in(&mut self, outcome: Outcome) -> Option<News> {
        let result = match &outcome {
            Ok(_) => CanaryResult::Passed,
            Err(failure) => failure.result,
        };
        *self.runs.entry(result).or_default() += 1;
        match outcome {
            Ok(Passed { took, stopped }) => {
                self.stopped = Some(stopped);
                let failed = std::mem::take(&mut self.failing);
                self.state = State::Passed(took);
                (failed > 0).then_some(News::Recovered { took, failed })
            }
            Err(failure) => {
                self.failing += 1;
                let is_same =
                    matches!(&self.state, State::Failed(last) if last.result == failure.result);
                self.state = State::Failed(failure.clone());
                (!is_same).then_some(News::Failed(failure))
            }
        }
    }

    /// Whether it passes.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether the last run that passed was stopped; `None` before.
    pub fn was_stopped(&self) -> Option<bool> {
        self.stopped
    }

    /// How many runs came to this.
    pub fn count(&self, result: CanaryResult) -> u64 {
        self.runs.get(&result).copied().unwrap_or(0)
    }

    /// How often it runs.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
