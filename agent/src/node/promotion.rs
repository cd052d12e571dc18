//! What an operator asks for by `execwarden promote`, and whether a workload is fit
//! to have what deviates stopped.

use super::Node;
use super::decisions::{failed, refused};
use super::promote::check_complete;
use super::workloads::Phase;
use crate::allowlist::{Action, Mode};
use crate::control::operation::PERCENT;
use crate::control::protocol::{Refusal, RefusalKind};
use crate::model::{WorkloadId, format_duration};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The operator's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Documents, annotations and defaults say.
    None,
    /// This mode, this action, or both. An action has its share of the containers,
    /// of 100.
    Set {
        /// The mode; `None` where nothing is said about it.
        mode: Option<Mode>,
        /// The action, likewise.
        action: Option<(Action, u8)>,
    },
}

/// What is asked of a workload before what deviates is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Care {
    /// What was learned may have gaps.
    pub even_incomplete: bool,
    /// It must not have deviated for so long.
    quiet: Duration,
}

impl Care {
    /// For how long it must not have deviated if nobody says so.
    const QUIET: Duration = Duration::from_secs(24 * 3600);

    /// As it was asked for.
    pub fn of(even_incomplete: bool, quiet_s: Option<u64>) -> Self {
        Self {
            even_incomplete,
            quiet: quiet_s.map_or(Self::QUIET, Duration::from_secs),
        }
    }
}

impl Word {
    /// As it was asked for.
    ///
    /// # Errors
    /// A share of something else than blocking, or of no containers.
    pub fn of(
        mode: Option<Mode>,
        action: Option<Action>,
        percent: Option<u8>,
    ) -> Result<Self, Refusal> {
        let bad = |text: &str| Err(Refusal::new(RefusalKind::BadRequest, text));
        match (mode, action, percent) {
            (_, None | Some(Action::Alert), Some(_)) => {
                bad("a percentage goes with the action block")
            }
            (_, _, Some(percent)) if !PERCENT.contains(&percent) => bad("a percentage is 1 to 100"),
            (None, None, None) => Ok(Self::None),
            (mode, action, percent) => Ok(Self::Set {
                mode,
                action: action.map(|action| (action, percent.unwrap_or(100))),
            }),
        }
    }

    /// The mode that is asked for.
    pub fn mode(self) -> Option<Mode> {
        self.of_mode().flatten()
    }

    /// The action that is asked for.
    pub fn action(self) -> Option<Action> {
        self.of_action().flatten().map(|(action, _)| action)
    }

    /// What is said about the mode, if something is.
    pub fn of_mode(self) -> Option<Option<Mode>> {
        match self {
            Self::None => Some(None),
            Self::Set { mode, .. } => mode.map(Some),
        }
    }

    /// What is said about the action, likewise.
    pub fn of_action(self) -> Option<Option<(Action, u8)>> {
        match self {
            Self::None => Some(None),
            Self::Set { action, .. } => action.map(Some),
        }
    }

    /// Under which mode what deviates is to be stopped, if it is; `None` for the
    /// mode that it has.
    pub fn blocking(self) -> Option<Option<Mode>> {
        (self.action() == Some(Action::Block)).then(|| self.mode())
    }
}

impl Node {
    /// Whether what a workload deviates by may be stopped from now on: an operator
    /// should not find out by an outage what it lacks.
    pub(super) fn check_blocking(
        &mut self,
        id: &WorkloadId,
        mode: Option<Mode>,
        care: &Care,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(why) = self.cannot_block() {
            return Err(refused(format!(
                "nothing can be blocked on this node: {why}"
            )));
        }
        match mode {
            Some(Mode::Enforce) => {}
            Some(mode @ (Mode::Learn | Mode::Off)) => {
                return Err(refused(format!("nothing is blocked in mode {mode}")));
            }
            None if self.baseline_of(id).is_some() => {
                return Err(refused(format!(
                    "{id} learns, and nothing is blocked meanwhile; --mode enforce ends that"
                )));
            }
            None if self.is_off(id) => {
                return Err(refused(format!(
                    "{id} is off, and nothing of it is blocked"
                )));
            }
            None => {}
        }
        if !self.has_list(id) {
            return Err(refused(format!(
                "{id} has no allowlist, and all that it runs would be stopped"
            )));
        }
        let is_written = self.people.get(id).is_some();
        if let Some(learned) = self.workloads.finished.get(id).filter(|_| !is_written) {
            check_complete(learned, care.even_incomplete, now)?;
        }
        self.check_quiet(id, care.quiet, now)
    }

    fn is_off(&self, id: &WorkloadId) -> bool {
        let workload = self.workloads.get(id);
        workload.is_some_and(|workload| matches!(workload.phase, Phase::Off))
    }

    /// It must not have deviated lately: the same would be stopped the next time.
    fn check_quiet(
        &mut self,
        id: &WorkloadId,
        quiet: Duration,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let length = SignedDuration::try_from(quiet).map_err(failed)?;
        let from = now.saturating_sub(length).map_err(failed)?;
        self.save_history_now();
        let name = id.to_string();
        let rows = self.history.get().alerts().map_err(failed)?;
        let lately = rows
            .iter()
            .filter(|row| row.workload == name && row.last >= from);
        let Some(last) = lately.clone().max_by_key(|row| row.last) else {
            return Ok(());
        };
        let count: u64 = lately.map(|row| row.count).sum();
        Err(refused(format!(
            "{id} deviated {count} times in the last {}, at {} by {} ({}): the same would be \
             stopped; see `execwarden alerts --workload {id}`, accept what is its own, and wait, \
             or say with --quiet how long is enough",
            format_duration(quiet),
            last.last,
            last.path,
            last.reason,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_goes_with_blocking_alone() {
        let block = Some(Action::Block);
        for (action, percent) in [
            (None, Some(10)),
            (Some(Action::Alert), Some(10)),
            (block, Some(0)),
            (block, Some(101)),
        ] {
            assert!(Word::of(None, action, percent).is_err(), "{percent:?}");
        }
        let word = Word::of(None, block, Some(10)).expect("is one");
        assert_eq!(word.of_action(), Some(Some((Action::Block, 10))));
        assert_eq!((word.of_mode(), word.blocking()), (None, Some(None)));
        let word = Word::of(Some(Mode::Off), None, None).expect("is one");
        assert_eq!(
            (word.of_mode(), word.of_action()),
            (Some(Some(Mode::Off)), None)
        );
        let none = Word::of(None, None, None).expect("is one");
        assert_eq!((none.of_mode(), none.of_action()), (Some(None), Some(None)));
    }
}
