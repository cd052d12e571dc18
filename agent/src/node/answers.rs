//! What the control socket asks.

use super::Node;
use super::decisions::failed;
use super::policy::listed;
use super::states::shortcomings;
use super::workloads::{Phase, Workload};
use crate::alert::SinkState;
use crate::allowlist::{lay_over, render};
use crate::config::ModeChoice;
use crate::control::protocol::{
    AllowlistSource, AllowlistSummary, AllowlistText, Answer, Refusal, RefusalKind, Reloaded,
    Request, Response,
};
use crate::control::server::Peer;
use crate::control::status::{
    Accounting, AgentMode, AgentStatus, Counts, CriStatus, EngineStatus, KubeStatus,
    LearningStatus, Losses, MapFill, RingFill, SinkStatus, Status, WorkloadStatus,
};
use crate::kernel;
use crate::learn::Baseline;
use crate::model::{Slot, WorkloadId};
use agent_common::wire::{SLOT_FIRST, SLOT_HOST, SLOT_PENDING, SLOTS};
use jiff::Timestamp;

/// How often counts are read that do not add up.
const READINGS: usize = 5;

impl Node {
    /// Answers one request; never fails the agent.
    pub(super) fn answer(&mut self, request: Request, peer: Option<Peer>) -> Response {
        match request {
            Request::Status => Ok(Answer::Status(Box::new(self.status()))),
            Request::AllowlistList => Ok(Answer::AllowlistList(self.allowlists())),
            Request::AllowlistShow { workload } => self.allowlist(&workload),
            Request::AllowlistEvidence { workload } => self.evidence_of(&workload),
            Request::Extend { workload, for_s } => self.extend(&workload, for_s),
            Request::Journal { since, after } => self.journal_page(since, after.as_deref()),
            Request::Reload => {
                let who = peer.map(|peer| self.who(peer));
                self.reload(who);
                Ok(Answer::Reload(Reloaded {
                    allowlists: self.people.iter().count() as u64,
                    errors: self.document_errors.clone(),
                }))
            }
            Request::Operation(operation) => self.operate(operation, peer),
        }
    }

    fn status(&self) -> Status {
        let losses = self.kernel.losses();
        Status {
            agent: AgentStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                node: self.config.node_name.as_str().to_owned(),
                pid: std::process::id(),
                uptime_s: self.started.elapsed().as_secs(),
                mode: match self.config.mode {
                    ModeChoice::Learn { window } => AgentMode::Learn {
                        window_s: window.as_secs(),
                    },
                    ModeChoice::Enforce => AgentMode::Enforce,
                    ModeChoice::Automatic { window } => AgentMode::Automatic {
                        window_s: window.as_secs(),
                    },
                },
                kernel: rustix::system::uname()
                    .release()
                    .to_string_lossy()
                    .into_owned(),
                attached: self.kernel.without_stand_in().is_none(),
                hooks: self
                    .kernel
                    .programs()
                    .into_iter()
                    .map(|program| program.tracepoint.to_owned())
                    .collect(),
                kinds_off: self.config.classes.off().collect(),
            },
            accounting: Accounting::from(counts(self.accounting())),
            losses: Losses {
                ring_full: losses.ring_full,
                seen_full: losses.seen_full,
                cgroups_full: losses.cgroups_full,
                path_too_long: losses.path_too_long,
                read_failed: losses.read_failed,
                missed: self.kernel.missed(),
            },
            sinks: self.sinks(),
            cri: self.cri_status(),
            engines: self.engines_status(),
            unnamed: self.unnamed_containers(),
            kube: self.kube_status(),
            workloads: self
                .workloads
                .iter()
                .map(|(id, workload)| self.workload_status(id, workload))
                .collect(),
            allowlist_errors: self.document_errors.clone(),
            maps: self
                .kernel
                .map_fill()
                .into_iter()
                .map(|fill| MapFill {
                    name: fill.name.to_owned(),
                    used: fill.used,
                    max: fill.max,
                })
                .collect(),
            ring: RingFill {
                peak_bytes: losses.ring_peak,
                capacity_bytes: u64::from(self.kernel.sizes().ring),
            },
            deviations: self.alerts.tally().deviations(),
            latency: self.alerts.tally().latency(),
        }
    }

    /// All slots together: every exec of the node. A CPU may stand between two
    /// of its counts while they are read; what does not hold is read again.
    pub(super) fn accounting(&self) -> kernel::Accounting {
        (0..READINGS)
            .map(|_| self.read_accounting())
            .reduce(|last, next| if last.holds() { last } else { next })
            .unwrap_or_default()
    }

    fn read_accounting(&self) -> kernel::Accounting {
        let mut sum = kernel::Accounting::default();
        for slot in [SLOT_HOST, SLOT_PENDING] {
            sum += self.kernel.accounting(Slot(slot));
        }
        for slot in SLOT_FIRST..SLOT_FIRST + self.workloads.slots_used() {
            debug_assert!(slot < SLOTS);
            sum += self.kernel.accounting(Slot(slot));
        }
        sum
    }

    fn cri_status(&self) -> Option<CriStatus> {
        let state = self.cri.state();
        Some(CriStatus {
            socket: state.socket?.display().to_string(),
            state: state.error.unwrap_or_else(|| CriStatus::ANSWERS.to_owned()),
            answered: state.answered,
            failed: state.failed,
            waiting: self.unnamed_containers(),
        })
    }

    fn engines_status(&self) -> Vec<EngineStatus> {
        let engines = self.engines.iter();
        engines
            .filter_map(|(engine, asker)| {
                let state = asker.state();
                Some(EngineStatus {
                    engine: engine.as_str().to_owned(),
                    socket: state.socket?.display().to_string(),
                    state: state.error.unwrap_or_else(|| CriStatus::ANSWERS.to_owned()),
                    answered: state.answered,
                    failed: state.failed,
                })
            })
            .collect()
    }

    fn kube_status(&self) -> Option<KubeStatus> {
        let state = self.kube.as_ref()?.state();
        let waiting = self.unnamed.values();
        let waiting = waiting.filter(|unnamed| unnamed.told.is_some()).count();
        Some(KubeStatus {
            server: state.server.unwrap_or_default(),
            state: state.error.unwrap_or_else(|| {
                let word = match state.answers {
                    true => KubeStatus::ANSWERS,
                    false => KubeStatus::ASKED,
                };
                word.to_owned()
            }),
            answered: state.answered,
            failed: state.failed,
            pods: state.pods,
            left_out: state.left_out,
            waiting: waiting as u64,
        })
    }

    fn sinks(&self) -> Vec<SinkStatus> {
        let sinks = self.alerts.sinks().status();
        sinks
            .into_iter()
            .map(|sink| SinkStatus {
                target: sink.target,
                state: match sink.state {
                    SinkState::Connecting => "connecting".to_owned(),
                    SinkState::Connected => "connected".to_owned(),
                    SinkState::Failing { error } => error,
                },
                sent: sink.sent,
                since_sent_s: sink.last_sent.map(|at| at.elapsed().as_secs()),
                queued: sink.waiting as u64,
                lost: sink.lost,
            })
            .collect()
    }

    fn workload_status(&self, id: &WorkloadId, workload: &Workload) -> WorkloadStatus {
        let counted = self.kernel.accounting(workload.slot).seen;
        let of_slot = match workload.slot.0 {
            SLOT_PENDING => 0,
            _ => counted.saturating_sub(workload.base.seen),
        };
        let now = Timestamp::now();
        let (learner, learned) = match &workload.phase {
            Phase::Learning { baseline, .. } => (Some(&**baseline), None),
            Phase::Enforcing { source, .. } => (None, self.finished_of(id, source)),
            Phase::NoAllowlist | Phase::Off => (None, None),
        };
        let state = self.state(id, workload, now);
        let told = workload.state.filter(|(told, _)| Some(*told) == state);
        WorkloadStatus {
            workload: id.to_string(),
            mode: workload.phase.mode(),
            state,
            state_since: told.map(|(_, since)| since),
            learning: learner.and_then(|baseline| learning_status(baseline, now)),
            shortcomings: learned
                .map(|baseline| shortcomings(baseline, now))
                .unwrap_or_default(),
            pending: learner
                .or(learned)
                .map_or(0, |baseline| baseline.pending().len() as u64),
            kind: workload.newest.in_pod.kind,
            refused: { workload.terms.refused.iter() }
                .map(ToString::to_string)
                .collect(),
            allowed_until: { self.allowances.get(id) }.map(|allowance| allowance.ends.to_string()),
            processes: listed(&workload.phase),
            containers: workload.containers,
            pre_existing: workload.pre_existing,
            execs: of_slot + workload.early,
            deviations: workload.deviations,
        }
    }

    fn allowlists(&self) -> Vec<AllowlistSummary> {
        self.workloads
            .iter()
            .map(|(id, workload)| AllowlistSummary {
                workload: id.to_string(),
                mode: workload.phase.mode(),
                processes: listed(&workload.phase),
                source: source(&workload.phase),
            })
            .filter(|summary| summary.processes > 0 || summary.source == AllowlistSource::Learning)
            .collect()
    }

    fn allowlist(&self, name: &str) -> Response {
        let none = || {
            Refusal::new(
                RefusalKind::NotFound,
                format!(
                    "there is no allowlist of {name:?}; `execwarden allowlist list` names those there are"
                ),
            )
        };
        let id = self.workload_named(name).map_err(|_| none())?;
        let decided = self.decided.iter();
        let decided = decided
            .map(|(file, loaded)| (file, &loaded.document))
            .find(|(_, document)| document.spec.workload == id);
        let base = self.base_document(&id);
        let (source, mut document) = match (base, decided.as_ref()) {
            (Some(base), _) => base,
            (None, Some((_, decided))) => (AllowlistSource::None, (*decided).clone()),
            (None, None) => return Err(none()),
        };
        if let Some((_, decided)) = &decided {
            let spec = &mut document.spec;
            lay_over(&mut spec.processes, &mut spec.removed, decided).map_err(failed)?;
        }
        Ok(Answer::AllowlistShow(AllowlistText {
            workload: name.to_owned(),
            source,
            yaml: render(&document),
            decisions: decided
                .iter()
                .flat_map(|(_, one)| one.decisions())
                .collect(),
            decided: decided.map(|(file, _)| file.display().to_string()),
        }))
    }
}

fn source(phase: &Phase) -> AllowlistSource {
    match phase {
        Phase::Enforcing { source, .. } => source.clone(),
        Phase::Learning { .. } | Phase::NoAllowlist | Phase::Off => AllowlistSource::Learning,
    }
}

fn learning_status(baseline: &Baseline, now: Timestamp) -> Option<LearningStatus> {
    let progress = baseline.progress(now)?;
    let ending = progress.ending;
    let incomplete = match baseline.is_incomplete(now) {
        true => baseline.gaps().map(|gap| gap.to_string()).collect(),
        false => Vec::new(),
    };
    Some(LearningStatus {
        window_s: ending.minimum.as_secs(),
        elapsed_s: progress.elapsed.as_secs(),
        remaining_s: progress.remaining().as_secs(),
        incomplete,
        unbroken_s: progress.unbroken.as_secs(),
        quiet_s: progress.quiet.as_secs(),
        quiet_asked_s: ending.quiet().as_secs(),
        starts: progress.starts,
        starts_asked: ending.starts.into(),
        maximum_s: ending.maximum().as_secs(),
    })
}

fn counts(sum: kernel::Accounting) -> Counts {
    Counts {
        seen: sum.seen,
        known: sum.known,
        learning: sum.learning,
        deviating: sum.deviating,
        ignored: sum.ignored,
        errors: sum.errors,
    }
}
