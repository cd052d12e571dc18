//! What somebody should know, or act on.

use super::{learners, percent};
use crate::cli::output::plain;
use crate::cli::table::{grouped, wrapped};
use crate::control::status::{
    CanaryDelivery, CriStatus, KubeStatus, Losses, Status, WorkloadState,
};

/// From how full a map is worth a word, in percent.
const FULL_PERCENT: u128 = 80;

/// Everything that somebody should know or act on, one sentence each.
pub(super) fn sentences(status: &Status) -> String {
    let blind = (!status.agent.attached)
        .then(|| "NOT ALL PROGRAMS ARE ATTACHED: some execs are not seen".to_owned());
    let off = { status.agent.kinds_off.iter() }
        .map(|kind| format!("nothing is asked of {kind} containers: their class is off"));
    let unconfined = { status.agent.confinement.iter() }
        .flat_map(|confinement| &confinement.problems)
        .map(|problem| format!("the agent keeps rights that it does not need: {problem}"));
    let unpinned = { status.agent.pins.iter() }
        .filter_map(|pins| pins.error.as_ref())
        .map(|error| format!("the programs end with the agent: {error}"));
    let full = status
        .maps
        .iter()
        .filter(|map| percent(map.used, map.max) >= FULL_PERCENT)
        .map(|map| format!("the kernel map {} is nearly full", map.name));
    let sinks = status
        .sinks
        .iter()
        .filter(|sink| sink.lost > 0)
        .map(|sink| {
            format!(
                "alerts to {} that were lost: {}",
                sink.target,
                grouped(sink.lost)
            )
        });
    let spools = status.sinks.iter().filter_map(|sink| {
        let error = sink.spool.as_ref()?.error.as_ref()?;
        let target = &sink.target;
        Some(format!("what waits for {target} is not on disk: {error}"))
    });
    let canary = status.canary.iter().flat_map(|canary| {
        let late = { canary.targets.iter() }.filter(|one| one.state == CanaryDelivery::Late);
        late.map(|one| {
            format!(
                "{} is connected and does not take what it is sent",
                one.target
            )
        })
    });
    let cri = status
        .cri
        .iter()
        .filter(|cri| cri.waiting > 0 || cri.state != CriStatus::ANSWERS)
        .map(|cri| {
            let CriStatus {
                socket,
                state,
                waiting,
                ..
            } = cri;
            format!("{socket}: {state}; containers that wait for their names: {waiting}")
        });
    let engines = status
        .engines
        .iter()
        .filter(|engine| engine.state != CriStatus::ANSWERS)
        .map(|engine| format!("{}: {}", engine.socket, engine.state));
    // Where there is no CRI, whose sentence has the number.
    let unnamed = (status.cri.is_none() && status.unnamed > 0)
        .then(|| format!("containers that wait for their names: {}", status.unnamed));
    let kube = status
        .kube
        .iter()
        .filter(|kube| kube.state != KubeStatus::ANSWERS);
    let kube = kube.map(|kube| format!("API server {}: {}", kube.server, kube.state));
    let left_out = { status.kube.iter() }
        .filter(|kube| kube.left_out > 0)
        .map(|kube| {
            let count = grouped(kube.left_out);
            format!("pods and namespaces of the API server's that there was no room for: {count}")
        });
    let incomplete = learners(&status.workloads).flat_map(|(workload, progress)| {
        let name = workload.workload.as_str();
        progress
            .incomplete
            .iter()
            .map(move |reason| format!("{name}: {reason}"))
    });
    let short = status.workloads.iter().flat_map(|workload| {
        let name = workload.workload.as_str();
        let sentences = workload.shortcomings.iter();
        sentences.map(move |sentence| format!("{name}: {sentence}"))
    });
    let settled = { status.workloads.iter() }
        .filter(|workload| workload.state == Some(WorkloadState::Stable))
        .map(|workload| {
            let name = workload.workload.as_str();
            format!("{name}: has learned, and waits for a person to have it enforced")
        });
    let pending = { status.workloads.iter() }
        .filter(|workload| workload.pending > 0)
        .map(|workload| {
            format!(
                "{}: what it ran while it learned, and never learns, waits for a person to look at it: {}",
                workload.workload,
                grouped(workload.pending)
            )
        });
    let older = status
        .workloads
        .iter()
        .filter(|workload| workload.pre_existing > 0)
        .map(|workload| {
            format!(
                "{}: containers that ran before the agent came: {} of {}",
                workload.workload, workload.pre_existing, workload.containers
            )
        });
    let refused = status.workloads.iter().flat_map(|workload| {
        let name = workload.workload.as_str();
        let refused = workload.refused.iter();
        refused.map(move |refusal| format!("{name}: {refusal}"))
    });
    let allowed = status.workloads.iter().filter_map(|workload| {
        let until = workload.allowed_until.as_ref()?;
        let name = &workload.workload;
        Some(format!("{name} may run anything until {until}"))
    });
    let allowlists = status.allowlist_errors.iter().cloned();
    blind
        .into_iter()
        .chain(losses(&status.losses))
        .chain(unconfined)
        .chain(unpinned)
        .chain(full)
        .chain(sinks)
        .chain(spools)
        .chain(canary)
        .chain(cri)
        .chain(engines)
        .chain(unnamed)
        .chain(kube)
        .chain(left_out)
        .chain(off)
        .chain(allowed)
        .chain(allowlists)
        .chain(refused)
        .chain(incomplete)
        .chain(short)
        .chain(settled)
        .chain(pending)
        .chain(older)
        .map(|sentence| wrapped("-", &plain(&sentence)))
        .collect()
}

fn losses(losses: &Losses) -> impl Iterator<Item = String> {
    [
        (
            "execs that found the map of what was seen full",
            losses.seen_full,
        ),
        ("cgroups that found their map full", losses.cgroups_full),
        (
            "execs with a path too long to be read",
            losses.path_too_long,
        ),
        ("execs that could not be read in full", losses.read_failed),
        (
            "doorbells that found the ring full, without loss",
            losses.ring_full,
        ),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(what, count)| format!("{what}: {}", grouped(count)))
}
