//! The numbers as a person reads them: Markdown tables, then each aim and
//! whether it was met.

use crate::{agent, pairs, program};
use std::fmt::Write as _;
use testbed::Median;

/// The aims: a known exec's nanoseconds in the kernel, its share of the whole
/// exec in percent, and the agent's resident memory in KiB.
const AIM_NS: f64 = 400.0;
const AIM_PERCENT: f64 = 0.5;
const AIM_RESIDENT: u64 = 20 * 1024;
/// Wake-ups per thousand execs that are the node's: its ticks are not in step
/// with the slices. An exec that wakes the agent makes a thousand of them.
const WAKE_UPS: f64 = 20.0;

/// Everything that was measured.
pub struct Report {
    /// Time in the kernel's programs.
    pub programs: program::Times,
    /// Microseconds for one exec without the agent.
    pub bare: Median,
    /// The whole exec.
    pub pairs: Vec<pairs::Row>,
    /// The agent as a process.
    pub agent: Vec<agent::Row>,
}

impl Report {
    /// Tables, then verdicts.
    pub fn render(&self) -> String {
        [
            self.whole_exec(),
            self.time_in_the_kernel(),
            self.the_agent(),
            self.verdicts(),
        ]
        .join("\n")
    }

    fn whole_exec(&self) -> String {
        let mut rows = vec![[
            "no agent".to_owned(),
            format!("{:.1}", self.bare),
            "–".to_owned(),
            "–".to_owned(),
        ]];
        for row in &self.pairs {
            rows.push([
                row.name.to_owned(),
                format!("{:.1}", row.with),
                format!("{:+.2} %", percent(row.ratio)),
                format!("{} of {}", row.events, row.execs),
            ]);
        }
        table(
            [
                "fork + exec + wait",
                "µs per exec",
                "against no agent",
                "events, execs",
            ],
            &rows,
        )
    }

    fn time_in_the_kernel(&self) -> String {
        let rows: Vec<_> = self
            .programs
            .rows
            .iter()
            .map(|row| {
                [
                    row.name.to_owned(),
                    format!("{:.0}", row.ns),
                    format!("{:.0}", row.least),
                    format!("{} of {}", row.events, row.execs),
                    format!("{:.1} %", 100.0 * row.foreign as f64 / row.runs as f64),
                ]
            })
            .collect();
        table(
            [
                "in the kernel",
                "ns per run",
                "least",
                "events, execs",
                "runs of others",
            ],
            &rows,
        )
    }

    fn the_agent(&self) -> String {
        let rows: Vec<_> = self
            .agent
            .iter()
            .map(|row| {
                [
                    row.name.to_owned(),
                    format!(
                        "{:.2} ({:.2})",
                        row.busy.cpu_per_million, row.idle.cpu_per_million
                    ),
                    format!(
                        "{:.0} ({:.0})",
                        row.busy.wake_ups_per_thousand, row.idle.wake_ups_per_thousand
                    ),
                    mebibytes(row.memory.resident),
                    mebibytes(row.memory.peak),
                    mebibytes(row.memory.maps),
                ]
            })
            .collect();
        table(
            [
                "agent (release)",
                "CPU s per 10⁶ execs (idle)",
                "wake-ups per 10³ execs (idle)",
                "RSS MiB",
                "peak MiB",
                "maps MiB",
            ],
            &rows,
        )
    }

    fn verdicts(&self) -> String {
        let mut lines = String::new();
        let mut line = |aim: &str, met: bool, found: String| {
            let word = if met { "met" } else { "not met" };
            writeln!(lines, "- {aim}: **{word}**, {found}").expect("a string takes everything");
        };
        if let Some(known) = self.programs.rows.first() {
            let clock = self.programs.clock;
            let own = known.ns.middle - clock.middle;
            let share = 100.0 * known.ns.middle / 1000.0 / self.bare.middle;
            line(
                "a known exec takes at most 400 ns in the kernel",
                own <= AIM_NS,
                format!(
                    "{own:.0} ns: {:.0}, {:.0} at the least, less the {clock:.0} that a program that does nothing is counted with; {:.1} % of the runs were for execs of others",
                    known.ns,
                    known.least,
                    100.0 * known.foreign as f64 / known.runs as f64
                ),
            );
            line(
                "that is at most 0.5 % of the exec",
                share <= AIM_PERCENT,
                format!("{share:.2} % of {:.0} µs", self.bare.middle),
            );
        }
        if let Some(known) = self.pairs.first() {
            line(
                "a known exec sends no event",
                known.events == 0,
                format!("{} of {} did", known.events, known.execs),
            );
        }
        if let Some(known) = self.agent.first() {
            let (busy, idle) = (&known.busy, &known.idle);
            let (busy, idle) = (busy.wake_ups_per_thousand, idle.wake_ups_per_thousand);
            line(
                "a known exec does not wake the agent",
                busy <= idle + WAKE_UPS,
                format!("{busy:.0} wake-ups for 1000 execs, {idle:.0} in that time without them"),
            );
        }
        if let Some(most) = self.agent.iter().map(|row| row.memory.resident).max() {
            line(
                "the agent takes at most 20 MiB",
                most <= AIM_RESIDENT,
                format!("{} MiB resident", mebibytes(most)),
            );
        }
        if let Some(known) = self.pairs.first() {
            let percent = percent(known.ratio);
            let told = if percent.high <= AIM_PERCENT {
                "which rules out more than 0.5 %"
            } else if percent.low > AIM_PERCENT {
                "which is more than 0.5 %"
            } else {
                "too wide to tell 0.5 % from nothing: this machine's noise"
            };
            writeln!(
                lines,
                "- the pairs alone say of a known exec: {percent:+.2} %, {told}"
            )
            .expect("a string takes everything");
        }
        lines
    }
}

/// A ratio as percent more than one.
fn percent(ratio: Median) -> Median {
    ratio.map(|ratio| 100.0 * (ratio - 1.0))
}

fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1}", kibibytes as f64 / 1024.0)
}

/// Markdown that is a table in a terminal too; numbers to the right.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let line = |cells: [&str; N]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("{cell:<0$}", width(0)),
            _ => format!("{cell:>0$}", width(column)),
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = (0..N).map(|column| match column {
        0 => format!(":{}", "-".repeat(width(0) + 1)),
        _ => format!("{}:", "-".repeat(width(column) + 1)),
    });
    let rule = format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    let rows = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    line(head) + &rule + &rows.collect::<String>()
}
