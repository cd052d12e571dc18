//! Every metric, named once.

use crate::control::status::{
    CanaryDelivery, CanaryState, CanaryStatus, CriStatus, EngineStatus, KubeStatus, LearningStatus,
    MapFill, SinkStatus, SpoolStatus, Status, WorkloadMode,
};

/// One metric of a fixed set.
#[derive(Debug)]
pub struct Metric {
    /// Its name without the suffix that its kind has on the wire.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, for people.
    pub help: &'static str,
    pub(super) samples: fn(&Status) -> Vec<Sample>,
}

/// What a metric is, in Prometheus's terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows, as long as the agent runs; its name ends with `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Times in buckets; `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One value, with the values of the labels.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Sample {
    pub(super) labels: Vec<String>,
    pub(super) value: f64,
}

fn one(value: impl Into<Number>) -> Vec<Sample> {
    vec![labelled([], value)]
}

fn labelled<const N: usize>(labels: [&str; N], value: impl Into<Number>) -> Sample {
    Sample {
        labels: labels.map(str::to_owned).to_vec(),
        value: value.into().0,
    }
}

/// A number as Prometheus has them: counts beyond 2^53 lose their last digits.
struct Number(f64);

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Prometheus has no other numbers"
        )]
        Self(number as f64)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<bool> for Number {
    fn from(yes: bool) -> Self {
        Self(f64::from(u8::from(yes)))
    }
}

macro_rules! metrics {
    ($($name:literal $kind:ident [$($label:literal),*] $help:literal $samples:expr;)*) => {
        /// Every metric, in the order in which it is written.
        pub const METRICS: &[Metric] = &[
            $(Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
                samples: $samples,
            },)*
        ];
    };
}

metrics! {
    "execwarden_build_info" Gauge ["version", "kernel"]
        "Always 1: the agent's version and the kernel that it runs on"
        |status| vec![labelled([&status.agent.version, &status.agent.kernel], 1)];
    "execwarden_uptime_seconds" Gauge []
        "Seconds since the agent started"
        |status| one(status.agent.uptime_s);
    "execwarden_attached" Gauge []
        "1 if all programs are attached, 0 if some execs are not seen"
        |status| one(status.agent.attached);
    "execwarden_accounting_holds" Gauge []
        "1 if every exec is in exactly one count, 0 if no number can be trusted"
        |status| one(status.accounting.holds());
    "execwarden_execs" Counter ["verdict"]
        "Execs, by what the kernel decided"
        |status| {
            let counts = status.accounting.counts();
            vec![
                labelled(["known"], counts.known),
                labelled(["learning"], counts.learning),
                labelled(["deviating"], counts.deviating),
                labelled(["ignored"], counts.ignored),
                labelled(["error"], counts.errors),
            ]
        };
    "execwarden_execs_blocked" Counter []
        "Execs that were stopped before their first instruction; they are among the deviating ones and the errors of execwarden_execs_total"
        |status| one(status.accounting.counts().blocked);
    "execwarden_losses" Counter ["what"]
        "What could not be done: doorbells that found the ring full (nothing is lost by that), execs and cgroups that found their map full, paths too long, fields that could not be read, runs of the programs that the kernel may have left out, execs that were to be stopped and were not"
        |status| {
            let losses = status.losses;
            vec![
                labelled(["ring_full"], losses.ring_full),
                labelled(["seen_full"], losses.seen_full),
                labelled(["cgroups_full"], losses.cgroups_full),
                labelled(["path_too_long"], losses.path_too_long),
                labelled(["read_failed"], losses.read_failed),
                labelled(["missed"], losses.missed),
                labelled(["not_stopped"], losses.not_stopped),
            ]
        };
    "execwarden_deviations" Counter ["namespace", "reason"]
        "Deviations, repeats among them; the namespace is empty outside Kubernetes, and (other) beyond the number that is kept apart"
        |status| {
            let deviations = status.deviations.iter();
            deviations
                .map(|one| labelled([&one.namespace, &one.reason], one.count))
                .collect()
        };
    "execwarden_alert_latency_seconds" Histogram []
        "From an exec to its record, before any receiver has it"
        |_| Vec::new();
    "execwarden_records_sent" Counter ["sink"]
        "Records written to a receiver"
        |status| sinks(status, |sink| sink.sent);
    "execwarden_records_resent" Counter ["sink"]
        "Records written again, because the receiver may not have had them"
        |status| sinks(status, |sink| sink.resent);
    "execwarden_records_lost" Counter ["sink"]
        "Records given up because there was no more room for them, or damaged on disk"
        |status| sinks(status, |sink| sink.lost);
    "execwarden_records_waiting" Gauge ["sink"]
        "Records that wait for a receiver"
        |status| sinks(status, |sink| sink.queued);
    "execwarden_spool_bytes" Gauge ["sink"]
        "What is kept on disk for a receiver"
        |status| spools(status, |spool| spool.bytes);
    "execwarden_spool_max_bytes" Gauge ["sink"]
        "What may be kept on disk for a receiver"
        |status| spools(status, |spool| spool.max_bytes);
    "execwarden_spool_failing" Gauge ["sink"]
        "1: what waits for a receiver cannot be written to disk"
        |status| spools(status, |spool| u64::from(spool.error.is_some()));
    "execwarden_workloads" Gauge ["mode"]
        "Workloads with a container on this node"
        |status| {
            let modes = [
                WorkloadMode::Learn,
                WorkloadMode::Enforce,
                WorkloadMode::Off,
                WorkloadMode::NoAllowlist,
            ];
            modes
                .map(|mode| {
                    let workloads = status.workloads.iter();
                    let count = workloads.filter(|workload| workload.mode == mode).count();
                    labelled([mode.as_str()], count as u64)
                })
                .to_vec()
        };
    "execwarden_containers" Gauge ["since"]
        "Containers that live: those that ran before the agent, and those that it saw start"
        |status| {
            let (mut before, mut all) = (0, 0);
            for workload in &status.workloads {
                before += workload.pre_existing;
                all += workload.containers;
            }
            vec![
                labelled(["before"], before),
                labelled(["start"], all.saturating_sub(before)),
            ]
        };
    "execwarden_learning_remaining_seconds" Gauge ["workload"]
        "How long a workload will still learn"
        |status| learners(status, |learning| learning.remaining_s);
    "execwarden_learning_gaps" Gauge ["workload"]
        "Why what a workload has learned so far cannot be called complete: how many reasons there are"
        |status| learners(status, |learning| learning.incomplete.len() as u64);
    "execwarden_allowlist_errors" Gauge []
        "Documents in the allowlists' folder that are broken"
        |status| one(status.allowlist_errors.len() as u64);
    "execwarden_map_entries" Gauge ["map"]
        "Entries in a map of the kernel's"
        |status| maps(status, |map| map.used);
    "execwarden_map_entries_max" Gauge ["map"]
        "Entries that it has room for"
        |status| maps(status, |map| map.max);
    "execwarden_ring_peak_bytes" Gauge []
        "The most bytes that waited for the agent in the kernel's ring since the programs were attached"
        |status| one(status.ring.peak_bytes);
    "execwarden_ring_capacity_bytes" Gauge []
        "Bytes that the ring has room for"
        |status| one(status.ring.capacity_bytes);
    "execwarden_cri_questions" Counter ["answered"]
        "Questions to the runtime about containers of pods"
        |status| cri(status, |cri| vec![
            labelled(["yes"], cri.answered),
            labelled(["no"], cri.failed),
        ]);
    "execwarden_cri_answers" Gauge []
        "1 if the runtime answered the last question, 0 if not"
        |status| cri(status, |cri| one(cri.state == CriStatus::ANSWERS));
    "execwarden_containers_unnamed" Gauge []
        "Containers that wait for their names"
        |status| one(status.unnamed);
    "execwarden_engine_questions" Counter ["engine", "answered"]
        "Questions to docker or podman about their containers"
        |status| engines(status, |engine| vec![
            labelled([&engine.engine, "yes"], engine.answered),
            labelled([&engine.engine, "no"], engine.failed),
        ]);
    "execwarden_engine_answers" Gauge ["engine"]
        "1 if docker or podman answered the last question, 0 if not"
        |status| engines(status, |engine| {
            vec![labelled([&engine.engine], engine.state == CriStatus::ANSWERS)]
        });
    "execwarden_kube_questions" Counter ["answered"]
        "What came of the questions to the API server: lists, changes and objects, or nothing"
        |status| kube(status, |kube| vec![
            labelled(["yes"], kube.answered),
            labelled(["no"], kube.failed),
        ]);
    "execwarden_kube_answers" Gauge []
        "1 if the API server answers all that it is asked, 0 if not"
        |status| kube(status, |kube| one(kube.state == KubeStatus::ANSWERS));
    "execwarden_kube_pods" Gauge []
        "Pods of this node that the API server told of"
        |status| kube(status, |kube| one(kube.pods));
    "execwarden_kube_left_out" Counter []
        "Pods and namespaces of the API server's that there was no room for"
        |status| kube(status, |kube| one(kube.left_out));
    "execwarden_kube_containers_waiting" Gauge []
        "Containers that wait for the API server's word"
        |status| kube(status, |kube| one(kube.waiting));
    "execwarden_canary_passes" Gauge []
        "1 if the last canary was seen, judged and told of, 0 if not: what runs may not be seen"
        |status| canary(status, |canary| one(canary.state == CanaryState::Passed));
    "execwarden_canary_can_run" Gauge []
        "0 if no canary can be run on this node as it is"
        |status| canary(status, |canary| one(canary.state != CanaryState::NotRunning));
    "execwarden_canary_runs" Counter ["result"]
        "Canaries, by what they came to"
        |status| canary(status, |canary| {
            let runs = canary.runs.iter();
            runs.map(|run| labelled([&run.result], run.count)).collect()
        });
    "execwarden_canary_latency_seconds" Gauge []
        "From the exec of the last canary until the agent had judged it, if it passed"
        |status| canary(status, |canary| canary.took_s.into_iter().flat_map(one).collect());
    "execwarden_canary_last_pass_timestamp_seconds" Gauge []
        "When a canary last passed"
        |status| canary(status, |canary| {
            let at = canary.passed_at.map(|at| at.as_duration().as_secs_f64());
            at.into_iter().flat_map(one).collect()
        });
    "execwarden_canary_delivery_seconds" Gauge ["sink"]
        "How long the last record about the canary took to a receiver, or less"
        |status| canary(status, |canary| {
            let targets = canary.targets.iter();
            targets.filter_map(|one| Some(labelled([&one.target], one.took_s?))).collect()
        });
    "execwarden_canary_undelivered" Gauge ["sink"]
        "1: a receiver is connected and does not take what it is sent"
        |status| canary(status, |canary| {
            let targets = canary.targets.iter();
            targets.map(|one| labelled([&one.target], one.state == CanaryDelivery::Late)).collect()
        });
    "execwarden_annotations_refused" Gauge ["workload"]
        "What a workload's annotations ask for in vain"
        |status| {
            let workloads = status.workloads.iter().filter(|one| !one.refused.is_empty());
            workloads
                .map(|one| labelled([&one.workload], one.refused.len() as u64))
                .collect()
        };
}

fn learners(status: &Status, value: fn(&LearningStatus) -> u64) -> Vec<Sample> {
    let workloads = status.workloads.iter();
    workloads
        .filter_map(|workload| {
            let learning = workload.learning.as_ref()?;
            Some(labelled([&workload.workload], value(learning)))
        })
        .collect()
}

fn spools(status: &Status, value: fn(&SpoolStatus) -> u64) -> Vec<Sample> {
    let sinks = status.sinks.iter();
    sinks
        .filter_map(|sink| Some(labelled([&sink.target], value(sink.spool.as_ref()?))))
        .collect()
}

fn sinks(status: &Status, value: fn(&SinkStatus) -> u64) -> Vec<Sample> {
    let sinks = status.sinks.iter();
    sinks
        .map(|sink| labelled([&sink.target], value(sink)))
        .collect()
}

fn maps(status: &Status, value: fn(&MapFill) -> u64) -> Vec<Sample> {
    let maps = status.maps.iter();
    maps.map(|map| labelled([&map.name], value(map))).collect()
}

fn engines(status: &Status, samples: fn(&EngineStatus) -> Vec<Sample>) -> Vec<Sample> {
    status.engines.iter().flat_map(samples).collect()
}

fn canary(status: &Status, of: impl FnOnce(&CanaryStatus) -> Vec<Sample>) -> Vec<Sample> {
    status.canary.as_ref().map(of).unwrap_or_default()
}

fn kube(status: &Status, samples: fn(&KubeStatus) -> Vec<Sample>) -> Vec<Sample> {
    status.kube.as_ref().map(samples).unwrap_or_default()
}

fn cri(status: &Status, samples: fn(&CriStatus) -> Vec<Sample>) -> Vec<Sample> {
    status.cri.as_ref().map(samples).unwrap_or_default()
}
