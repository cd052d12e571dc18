//! What the control socket asks.

use super::{Node, canary};
use crate::alert::SinkState;
use crate::config::ModeChoice;
use crate::confine;
use crate::control::protocol::{Answer, Reloaded, Request, Response};
use crate::control::server::Peer;
use crate::control::status::{
    Accounting, AgentMode, AgentStatus, ConfinementStatus, CriStatus, EngineStatus, KubeStatus,
    Losses, MapFill, PinsStatus, RingFill, SinkStatus, SpoolStatus, Status,
};
use crate::model::{ExecCounts, Slot};
use agent_common::wire::{SLOT_FIRST, SLOT_HOST, SLOT_PENDING, SLOTS};

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
                confinement: Some(ConfinementStatus {
                    capabilities: confine::names(self.confinement.capabilities),
                    calls_filtered: self.confinement.calls_are_filtered,
                    problems: self.confinement.problems.clone(),
                }),
                pins: { self.config.pins.as_ref() }.map(|folder| PinsStatus {
                    folder: folder.display().to_string(),
                    error: self.unpinned.clone(),
                }),
            },
            accounting: Accounting::from(self.accounting()),
            losses: Losses {
                ring_full: losses.ring_full,
                seen_full: losses.seen_full,
                cgroups_full: losses.cgroups_full,
                path_too_long: losses.path_too_long,
                read_failed: losses.read_failed,
                missed: self.kernel.missed(),
                not_stopped: losses.not_stopped,
            },
            sinks: self.sinks(),
            cri: self.cri_status(),
            engines: self.engines_status(),
            unnamed: self.unnamed_containers(),
            kube: self.kube_status(),
            canary: self.canary_status(),
            workloads: self.workload_statuses(),
            idle_allowlists: self.idle_allowlists(),
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
    pub(super) fn accounting(&self) -> ExecCounts {
        (0..READINGS)
            .map(|_| self.read_accounting())
            .reduce(|last, next| if last.holds() { last } else { next })
            .unwrap_or_default()
    }

    fn read_accounting(&self) -> ExecCounts {
        let mut sum = self.kernel.accounting(canary::SLOT);
        // Nobody's that somebody would miss.
        sum.blocked = 0;
        let used = SLOT_FIRST..SLOT_FIRST + self.workloads.slots_used();
        for slot in [SLOT_HOST, SLOT_PENDING].into_iter().chain(used) {
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
                    SinkState::Connected => SinkStatus::CONNECTED.to_owned(),
                    SinkState::Failing { error } => error,
                },
                sent: sink.sent,
                resent: sink.resent,
                written: sink.written,
                received: sink.received,
                since_sent_s: sink.last_sent.map(|at| at.elapsed().as_secs()),
                queued: sink.waiting,
                lost: sink.lost,
                spool: sink.spool.map(|spool| SpoolStatus {
                    bytes: spool.bytes,
                    max_bytes: spool.bound,
                    error: spool.error,
                }),
            })
            .collect()
    }
}
