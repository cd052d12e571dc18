//! `execwarden status`, for a person.

mod attention;
mod canary;

use super::output::plain;
use super::paint::Paint;
use super::table::{Column, Table, compact, grouped, shorten, wrapped};
use crate::control::status::{
    Accounting, AgentMode, AgentStatus, LearningStatus, RingFill, Status, WorkloadStatus,
};
use crate::model::format_duration;
use std::time::Duration;

/// The page. Fits 80 columns, but for the accounting line, which stays whole
/// so that it can be found.
pub(super) fn render(status: &Status, paint: Paint) -> String {
    let mut page = agent(&status.agent, paint);
    page += &accounting(&status.accounting, paint);
    page += &status
        .canary
        .as_ref()
        .map_or_else(String::new, canary::line);
    section(&mut page, "Workloads", paint, workloads(status));
    section(&mut page, "Learning", paint, learning(&status.workloads));
    section(&mut page, "Alerts", paint, sinks(status));
    section(&mut page, "Kernel maps", paint, maps(status));
    section(&mut page, "Attention", paint, attention::sentences(status));
    page
}

/// A section without content is left out.
fn section(page: &mut String, heading: &str, paint: Paint, content: String) {
    if !content.is_empty() {
        *page += &format!("\n{}\n{content}", paint.heading(heading));
    }
}

fn agent(agent: &AgentStatus, paint: Paint) -> String {
    format!(
        "{} {} on {}, pid {}, up {}\nmode {}, kernel {}\n{}",
        paint.heading("execwarden"),
        shorten(&plain(&agent.version), 12),
        shorten(&plain(&agent.node), 26),
        agent.pid,
        seconds(agent.uptime_s),
        mode(agent.mode),
        shorten(&plain(&agent.kernel), 24),
        wrapped("hooks", &plain(&agent.hooks.join(", "))),
    )
}

fn mode(mode: AgentMode) -> String {
    match mode {
        AgentMode::Learn { window_s } => format!("learn (for {})", seconds(window_s)),
        AgentMode::Enforce => "enforce".to_owned(),
        AgentMode::Automatic { window_s } => {
            format!("automatic (learns for {})", seconds(window_s))
        }
    }
}

fn accounting(accounting: &Accounting, paint: Paint) -> String {
    let counts = accounting.counts();
    let end = if accounting.holds() {
        paint.good("✓ holds")
    } else {
        paint.bad(&format!(
            "✗ BROKEN: the parts are {}",
            grouped(counts.sum())
        ))
    };
    let blocked = match counts.blocked {
        0 => String::new(),
        count => format!("{} of them blocked\n", grouped(count)),
    };
    format!(
        "execs {} = known {} + learning {} + deviating {} + ignored {} + errors {}  {end}\n{blocked}",
        grouped(counts.seen),
        grouped(counts.known),
        grouped(counts.learning),
        grouped(counts.deviating),
        grouped(counts.ignored),
        grouped(counts.errors),
    )
}

fn workloads(status: &Status) -> String {
    let idle = match status.idle_allowlists {
        0 => String::new(),
        count => format!(
            "{} with an allowlist and no container now: see execwarden allowlist list\n",
            grouped(count)
        ),
    };
    if status.workloads.is_empty() {
        return format!("There is no container on this node.\n{idle}");
    }
    let mut table = Table::new([
        Column::Shortened("WORKLOAD"),
        Column::Text("STATE"),
        Column::Number("PROCESSES"),
        Column::Number("CONTAINERS"),
        Column::Number("EXECS"),
        Column::Number("DEVIATIONS"),
    ]);
    for workload in &status.workloads {
        table.row([
            workload.workload.clone(),
            state(workload),
            compact(workload.processes),
            compact(workload.containers),
            compact(workload.execs),
            compact(workload.deviations),
        ]);
    }
    table.render() + &idle
}

/// How its learning stands; of one that nothing is learned of, why.
fn state(workload: &WorkloadStatus) -> String {
    let of_mode = workload.mode.as_str();
    let state = workload.state.map_or(of_mode, |state| state.as_str());
    let blocks = if workload.blocks { ", blocking" } else { "" };
    format!("{state}{blocks}")
}

fn learning(workloads: &[WorkloadStatus]) -> String {
    let mut table = Table::new([
        Column::Shortened("WORKLOAD"),
        Column::Number("LEARNED"),
        Column::Number("OF"),
        Column::Number("QUIET"),
        Column::Number("OF"),
        Column::Number("STARTS"),
        Column::Number("ENDS IN"),
        Column::Text("SO FAR"),
    ]);
    let mut some = false;
    for (workload, progress) in learners(workloads) {
        some = true;
        let gaps = if progress.incomplete.is_empty() {
            "complete"
        } else {
            "incomplete"
        };
        table.row([
            workload.workload.clone(),
            seconds(progress.unbroken_s),
            seconds(progress.window_s),
            seconds(progress.quiet_s),
            seconds(progress.quiet_asked_s),
            format!("{}/{}", progress.starts, progress.starts_asked),
            seconds(progress.remaining_s),
            gaps.to_owned(),
        ]);
    }
    if some { table.render() } else { String::new() }
}

fn learners(
    workloads: &[WorkloadStatus],
) -> impl Iterator<Item = (&WorkloadStatus, &LearningStatus)> {
    workloads
        .iter()
        .filter_map(|workload| Some((workload, workload.learning.as_ref()?)))
}

fn sinks(status: &Status) -> String {
    let mut table = Table::new([
        Column::Shortened("TO"),
        Column::Shortened("STATE"),
        Column::Number("SENT"),
        Column::Number("QUEUED"),
        Column::Number("LOST"),
    ]);
    for sink in &status.sinks {
        table.row([
            sink.target.clone(),
            sink.state.clone(),
            compact(sink.sent),
            compact(sink.queued),
            compact(sink.lost),
        ]);
    }
    if status.sinks.is_empty() {
        String::new()
    } else {
        table.render()
    }
}

fn maps(status: &Status) -> String {
    let mut table = Table::new([
        Column::Shortened("MAP"),
        Column::Number("USED"),
        Column::Number("OF"),
        Column::Number("FULL"),
    ]);
    for map in &status.maps {
        table.row([
            map.name.clone(),
            grouped(map.used),
            grouped(map.max),
            format!("{}%", percent(map.used, map.max)),
        ]);
    }
    if status.maps.is_empty() {
        String::new()
    } else {
        table.render() + &ring(status.ring)
    }
}

/// Nothing from an agent that does not tell.
fn ring(ring: RingFill) -> String {
    if ring.capacity_bytes == 0 {
        return String::new();
    }
    let percent = percent(ring.peak_bytes, ring.capacity_bytes);
    let (peak, capacity) = (grouped(ring.peak_bytes), grouped(ring.capacity_bytes));
    let sentence = format!("at most {peak} of {capacity} bytes were waiting in it, {percent}%");
    wrapped("ring:", &sentence)
}

/// Rounded down: 100 only if it is full.
fn percent(used: u64, max: u64) -> u128 {
    let percent = u128::from(used) * 100 / u128::from(max.max(1));
    percent.min(100)
}

fn seconds(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
