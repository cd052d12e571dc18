//! What `execwarden status` shows, as plain data. The JSON form is an
//! interface: fields are added, never renamed.

use crate::model::{ContainerKind, ExecCounts};
use serde::{Deserialize, Serialize};

/// The whole status of an agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The agent itself.
    pub agent: AgentStatus,
    /// Every exec since the programs were loaded, over all CPUs and workloads.
    pub accounting: Accounting,
    /// What could not be done.
    pub losses: Losses,
    /// Where alerts go.
    pub sinks: Vec<SinkStatus>,
    /// The runtime that is asked for the names of pods; not there where none is
    /// found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cri: Option<CriStatus>,
    /// docker and podman, as far as they are asked and their sockets are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<EngineStatus>,
    /// Containers that wait for a name.
    #[serde(default)]
    pub unnamed: u64,
    /// The API server; not there where it is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube: Option<KubeStatus>,
    /// The canary; not there where it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,
    /// Every workload with a container on this node, and those that learn and have
    /// none at the moment.
    pub workloads: Vec<WorkloadStatus>,
    /// Workloads beside these that have an allowlist, and no container at the
    /// moment.
    #[serde(default)]
    pub idle_allowlists: u64,
    /// What is wrong with documents in the allowlists' folder: one sentence
    /// each, with file, line and column.
    pub allowlist_errors: Vec<String>,
    /// How full the kernel's maps are.
    pub maps: Vec<MapFill>,
    /// How full the ring was that wakes the agent up.
    #[serde(default)]
    pub ring: RingFill,
    /// Deviations since the agent started, by namespace and reason.
    #[serde(default)]
    pub deviations: Vec<DeviationCount>,
    /// How long it took from an exec to its record.
    #[serde(default)]
    pub latency: Latency,
}

/// Deviations of one namespace for one reason, repeats among them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviationCount {
    /// The Kubernetes namespace; empty outside Kubernetes, `(other)` for what is
    /// beyond the number that is kept apart.
    pub namespace: String,
    /// The reason's word.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// How long something took, in buckets.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How many took at most [`BOUNDS_S`](Self::BOUNDS_S), and more than the bound
    /// before; the last is for all beyond.
    pub buckets: [u64; 12],
    /// All of them together, in seconds.
    pub sum_s: f64,
}

impl Latency {
    /// The buckets' upper bounds, in seconds.
    pub const BOUNDS_S: [f64; 11] = [
        0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0,
    ];
}

/// The agent itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Its version.
    pub version: String,
    /// The node's name.
    pub node: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// What it does with workloads.
    pub mode: AgentMode,
    /// The kernel's release.
    pub kernel: String,
    /// Whether all its programs are attached.
    pub attached: bool,
    /// The hooks that are attached, by the kernel's names.
    pub hooks: Vec<String>,
    /// The kinds of containers of which nothing is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds_off: Vec<ContainerKind>,
    /// What it has given up since its start; not there from an agent that gives up
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<ConfinementStatus>,
    /// How its programs stay when it ends; not there where they are not to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<PinsStatus>,
}

/// How the programs stay when the agent ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PinsStatus {
    /// By which folder of a BPF file system.
    pub folder: String,
    /// Why they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the agent can still do of what it could at its start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConfinementStatus {
    /// The capabilities that it still has, by the kernel's names.
    pub capabilities: Vec<String>,
    /// Whether the kernel refuses the system calls that it never makes.
    pub calls_filtered: bool,
    /// What could not be given up, one sentence each.
    pub problems: Vec<String>,
}

/// What the agent does with workloads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum AgentMode {
    /// Every workload learns.
    Learn {
        /// For how long, in seconds.
        window_s: u64,
    },
    /// Every workload is held to its allowlist.
    Enforce,
    /// A workload with an allowlist is enforced; one without learns first.
    Automatic {
        /// For how long, in seconds.
        window_s: u64,
    },
}

/// The counts, and whether they add up: `seen == known + learning + deviating
/// + ignored + errors`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accounting {
    #[serde(flatten)]
    counts: ExecCounts,
    holds: bool,
}

impl From<ExecCounts> for Accounting {
    fn from(counts: ExecCounts) -> Self {
        let holds = counts.holds();
        Self { counts, holds }
    }
}

impl Accounting {
    /// The counts.
    pub fn counts(&self) -> ExecCounts {
        self.counts
    }

    /// Whether they add up. If not, no number here can be trusted.
    pub fn holds(&self) -> bool {
        self.holds
    }
}

/// What could not be done, each counted by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Doorbells that found the ring full; the map still had the truth.
    pub ring_full: u64,
    /// Execs that found the map of what was seen full.
    pub seen_full: u64,
    /// Cgroups that found their map full.
    pub cgroups_full: u64,
    /// Execs whose path was longer or deeper than is read.
    pub path_too_long: u64,
    /// Execs of which a field could not be read.
    pub read_failed: u64,
    /// Runs of the programs that the kernel may have left out, at the most.
    #[serde(default)]
    pub missed: u64,
    /// Execs that were to be stopped, and the kernel did not let us.
    #[serde(default)]
    pub not_stopped: u64,
}

/// One place that alerts go to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Its URL.
    pub target: String,
    /// `connected`, or what is wrong.
    pub state: String,
    /// Records written, each counted once.
    pub sent: u64,
    /// Records written again, because the receiver may not have had them.
    #[serde(default)]
    pub resent: u64,
    /// All up to this sequence were written.
    #[serde(default)]
    pub written: u64,
    /// All up to this one are surely the receiver's.
    #[serde(default)]
    pub received: u64,
    /// Seconds since the last of them was; not there if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_sent_s: Option<u64>,
    /// Records waiting.
    pub queued: u64,
    /// Records given up because there was no more room, or damaged on disk.
    pub lost: u64,
    /// How what waits is kept on disk; not there if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolStatus>,
}

impl SinkStatus {
    /// The state of one that is open.
    pub const CONNECTED: &'static str = "connected";
}

/// How what waits for a place that alerts go to is kept on disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// How much it takes.
    pub bytes: u64,
    /// How much it may take.
    pub max_bytes: u64,
    /// Why it cannot be written, if it cannot: what waits is in memory alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How it stands with a runtime's CRI socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CriStatus {
    /// The socket's path.
    pub socket: String,
    /// `answers`, or what is wrong.
    pub state: String,
    /// Questions it has answered.
    pub answered: u64,
    /// Questions it has not.
    pub failed: u64,
    /// Containers that wait for a name.
    pub waiting: u64,
}

impl CriStatus {
    /// The state of a runtime with which nothing is wrong.
    pub const ANSWERS: &str = "answers";
}

/// How it stands with the socket of docker or podman.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EngineStatus {
    /// `docker` or `podman`.
    pub engine: String,
    /// The socket's path.
    pub socket: String,
    /// [`CriStatus::ANSWERS`], or what is wrong.
    pub state: String,
    /// Questions it has answered.
    pub answered: u64,
    /// Questions it has not.
    pub failed: u64,
}

/// How it stands with the API server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KubeStatus {
    /// Its address; empty before it is known.
    pub server: String,
    /// `answers`, or what is wrong.
    pub state: String,
    /// Lists, changes and objects that came.
    pub answered: u64,
    /// Questions it has not answered.
    pub failed: u64,
    /// Pods of this node that it told of.
    pub pods: u64,
    /// Pods and namespaces that there was no room for.
    pub left_out: u64,
    /// Containers that wait for its word.
    pub waiting: u64,
}

impl KubeStatus {
    /// The state of a server with which nothing is wrong.
    pub const ANSWERS: &str = "answers";
    /// The state of one that has not been heard yet.
    pub const ASKED: &str = "has not answered yet";
}

/// How it stands with the canary: the agent's own exec that has to be reported.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CanaryStatus {
    /// Whether it passes.
    pub state: CanaryState,
    /// Why it does not: one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it runs, in seconds.
    pub interval_s: u64,
    /// How long it took the last time from the exec until the agent had judged it, in
    /// seconds, if it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_s: Option<f64>,
    /// When it last passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_at: Option<jiff::Timestamp>,
    /// What its runs came to.
    pub runs: Vec<CanaryRuns>,
    /// What became of the last record about it at each target.
    pub targets: Vec<CanaryTarget>,
}

/// Whether the canary passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryState {
    /// No run is over yet.
    Untried,
    /// The last one passed.
    Passed,
    /// The last one failed.
    Failed,
    /// None can be run.
    NotRunning,
}

/// How many runs came to one result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CanaryRuns {
    /// `passed`, or where its way ended.
    pub result: String,
    /// How many.
    pub count: u64,
}

/// What became of the last record about the canary at one target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CanaryTarget {
    /// Its URL.
    pub target: String,
    /// Whether it has it.
    pub state: CanaryDelivery,
    /// How long that took, in seconds, or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_s: Option<f64>,
}

/// Whether a target has a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryDelivery {
    /// It was not given one yet.
    None,
    /// It has still to take it.
    Waits,
    /// It is connected, and has not taken it for half a minute.
    Late,
    /// It has it.
    Arrived,
}

/// One workload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkloadStatus {
    /// Its canonical name.
    pub workload: String,
    /// Its mode now.
    pub mode: WorkloadMode,
    /// The state of its learning; not there where nothing is learned or enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WorkloadState>,
    /// Since when it is in this state, as far as this agent knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_since: Option<jiff::Timestamp>,
    /// Whether what deviates is stopped, in some of its containers at least.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks: bool,
    /// How far it is; only in learn mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<LearningStatus>,
    /// What its newest container is to its pod, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ContainerKind>,
    /// Why what it has learned, and is held to, may not be all, and what to do: one
    /// sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcomings: Vec<String>,
    /// What it ran while it learned, and may not learn: a person has to look at it.
    #[serde(default)]
    pub pending: u64,
    /// What its annotations ask for in vain: one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Until when it may run anything (RFC 3339), if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_until: Option<String>,
    /// Entries of its allowlist, or what it has learned so far.
    pub processes: u64,
    /// Containers that live now.
    pub containers: u64,
    /// Containers of these that were already running when the agent came.
    pub pre_existing: u64,
    /// Execs seen.
    pub execs: u64,
    /// Execs of these that deviated.
    pub deviations: u64,
}

/// The state of a workload's learning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadState {
    /// It learns.
    Learning,
    /// All that has to hold before learning ends does, and it goes on until a
    /// person ends it.
    Stable,
    /// It is held to its allowlist.
    Enforcing,
    /// The same, and what a new image runs beyond it is gathered.
    Probation,
    /// What it has learned may not be all: it reached its maximum first. Held to
    /// it, or learning on until a person ends it.
    Incomplete,
}

impl WorkloadState {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Stable => "stable",
            Self::Enforcing => "enforcing",
            Self::Probation => "probation",
            Self::Incomplete => "incomplete",
        }
    }
}

/// A workload's mode, or why it has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadMode {
    /// It learns.
    Learn,
    /// It is held to its allowlist.
    Enforce,
    /// Nothing is asked of it.
    Off,
    /// It would be enforced, and has no allowlist.
    NoAllowlist,
}

impl WorkloadMode {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Enforce => "enforce",
            Self::Off => "off",
            Self::NoAllowlist => "no-allowlist",
        }
    }
}

/// How far a workload has learned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LearningStatus {
    /// How long it learns at least without having missed anything, in seconds.
    pub window_s: u64,
    /// How long it has, in seconds.
    pub elapsed_s: u64,
    /// How long it still will, in seconds, if nothing new is seen.
    pub remaining_s: u64,
    /// Why what it learned cannot be called complete yet: one sentence each.
    pub incomplete: Vec<String>,
    /// How long it has learned since something was last missed, in seconds.
    #[serde(default)]
    pub unbroken_s: u64,
    /// For how long nothing new was seen, in seconds.
    #[serde(default)]
    pub quiet_s: u64,
    /// For how long nothing new has to be seen, in seconds.
    #[serde(default)]
    pub quiet_asked_s: u64,
    /// How many containers were seen from their start.
    #[serde(default)]
    pub starts: u64,
    /// How many have to be.
    #[serde(default)]
    pub starts_asked: u64,
    /// How long it learns at the most, in seconds.
    #[serde(default)]
    pub maximum_s: u64,
}

/// How full one of the kernel's maps is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapFill {
    /// Its name.
    pub name: String,
    /// Entries in it.
    pub used: u64,
    /// Entries it can have.
    pub max: u64,
}

/// How full the ring was, since the programs were attached. One of "now" would
/// say nothing: who answers has just emptied it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RingFill {
    /// The most bytes that waited in it when a record came, this record among
    /// them.
    pub peak_bytes: u64,
    /// Bytes that it has room for; 0 from an agent that does not tell.
    pub capacity_bytes: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn workload(name: &str, mode: WorkloadMode) -> WorkloadStatus {
        WorkloadStatus {
            workload: name.to_owned(),
            mode,
            blocks: false,
            state: None,
            state_since: None,
            learning: None,
            kind: None,
            shortcomings: Vec::new(),
            pending: 0,
            refused: Vec::new(),
            allowed_until: None,
            processes: 12,
            containers: 3,
            pre_existing: 0,
            execs: 4000,
            deviations: 0,
        }
    }

    /// Of a quiet node.
    pub(crate) fn status() -> Status {
        Status {
            agent: AgentStatus {
                version: "0.1.0".to_owned(),
                node: "node-1".to_owned(),
                pid: 4711,
                uptime_s: 11_520,
                mode: AgentMode::Automatic { window_s: 86_400 },
                kernel: "6.18.0".to_owned(),
                attached: true,
                hooks: [
                    "sched_process_exec",
                    "cgroup_mkdir",
                    "cgroup_rmdir",
                    "cgroup_attach_task",
                ]
                .map(str::to_owned)
                .to_vec(),
                kinds_off: Vec::new(),
                confinement: Some(ConfinementStatus {
                    capabilities: vec!["CAP_SYS_PTRACE".to_owned()],
                    calls_filtered: true,
                    problems: Vec::new(),
                }),
                pins: Some(PinsStatus {
                    folder: "/sys/fs/bpf/execwarden".to_owned(),
                    error: None,
                }),
            },
            accounting: ExecCounts {
                seen: 12_345,
                known: 12_000,
                learning: 300,
                deviating: 40,
                ignored: 5,
                errors: 0,
                blocked: 0,
            }
            .into(),
            losses: Losses::default(),
            sinks: vec![SinkStatus {
                target: "unix:/dev/log".to_owned(),
                state: SinkStatus::CONNECTED.to_owned(),
                sent: 40,
                since_sent_s: Some(7),
                resent: 2,
                written: 42,
                received: 42,
                queued: 0,
                lost: 0,
                spool: Some(SpoolStatus {
                    bytes: 81_920,
                    max_bytes: 67_108_864,
                    error: None,
                }),
            }],
            cri: Some(CriStatus {
                socket: "/run/containerd/containerd.sock".to_owned(),
                state: CriStatus::ANSWERS.to_owned(),
                answered: 12,
                failed: 0,
                waiting: 0,
            }),
            engines: vec![EngineStatus {
                engine: "docker".to_owned(),
                socket: "/run/docker.sock".to_owned(),
                state: CriStatus::ANSWERS.to_owned(),
                answered: 3,
                failed: 1,
            }],
            unnamed: 0,
            kube: Some(KubeStatus {
                server: "https://10.96.0.1/".to_owned(),
                state: KubeStatus::ANSWERS.to_owned(),
                answered: 30,
                failed: 0,
                pods: 9,
                left_out: 0,
                waiting: 0,
            }),
            canary: Some(CanaryStatus {
                state: CanaryState::Passed,
                error: None,
                interval_s: 60,
                took_s: Some(0.0025),
                passed_at: Some("2026-01-02T03:04:05Z".parse().expect("a time")),
                runs: [("passed", 190), ("not-told", 2)]
                    .map(|(result, count)| CanaryRuns {
                        result: result.to_owned(),
                        count,
                    })
                    .to_vec(),
                targets: vec![CanaryTarget {
                    target: "unix:/dev/log".to_owned(),
                    state: CanaryDelivery::Arrived,
                    took_s: Some(0.001),
                }],
            }),
            workloads: vec![
                workload("shop/Deployment/checkout/api", WorkloadMode::Enforce),
                workload("runc/web", WorkloadMode::NoAllowlist),
            ],
            allowlist_errors: Vec::new(),
            idle_allowlists: 0,
            maps: vec![MapFill {
                name: "allowed".to_owned(),
                used: 300,
                max: 65_536,
            }],
            ring: RingFill {
                peak_bytes: 5_120,
                capacity_bytes: 2_097_152,
            },
            deviations: vec![DeviationCount {
                namespace: "shop".to_owned(),
                reason: "drift".to_owned(),
                count: 40,
            }],
            latency: Latency {
                buckets: [0, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                sum_s: 60.5,
            },
        }
    }

    #[test]
    fn accounting_holds_only_if_every_exec_is_somewhere() {
        let parts = ExecCounts {
            seen: 15,
            known: 1,
            learning: 2,
            deviating: 3,
            ignored: 4,
            errors: 5,
            blocked: 8,
        };

        assert!(Accounting::from(parts).holds());
        assert!(Accounting::from(ExecCounts::default()).holds());
        assert!(!Accounting::from(ExecCounts { seen: 16, ..parts }).holds());
        let blocked = 9;
        assert!(!Accounting::from(ExecCounts { blocked, ..parts }).holds());
        assert!(
            !Accounting::from(ExecCounts {
                seen: 14,
                known: u64::MAX,
                ..parts
            })
            .holds()
        );
    }

    #[test]
    fn the_accounting_is_flat_in_json() {
        let json = serde_json::to_value(Accounting::from(ExecCounts::default())).expect("JSON");

        assert_eq!(
            json,
            serde_json::json!({
                "seen": 0, "known": 0, "learning": 0, "deviating": 0, "ignored": 0, "errors": 0,
                "blocked": 0, "holds": true
            })
        );
    }
}
