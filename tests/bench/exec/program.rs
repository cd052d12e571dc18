//! How long the program at the exec tracepoint runs, by the kernel's own bpf
//! statistics. They cost time themselves, so this is a phase of its own; the
//! kernel stops counting when the descriptor that asked for it is closed, so
//! that a killed benchmark leaves nothing switched on.

use crate::count::{self, Verdict};
use crate::pacer::Pacer;
use crate::place::{InContainer, NAMES, OnHost};
use crate::subject::{Policy, Subject};
use anyhow::{Context, Result};
use aya::sys::{Stats, enable_stats};
use execwarden::model::{CgroupId, Identity};
use testbed::Median;

/// Execs of one batch: short, so that many batches see no exec of others.
const BATCH: u64 = 50;
/// Undisturbed batches that are enough.
const ENOUGH: usize = 20;
/// Batches of which the fewest disturbed are taken where that does not happen.
const MOST: u64 = NAMES / BATCH;

/// One row of the table.
pub struct Row {
    /// What the execs were.
    pub name: &'static str,
    /// Nanoseconds for one run, of the batches that count.
    pub ns: Median,
    /// Runs of these batches that were for execs of others.
    pub foreign: u64,
    /// Runs of these batches.
    pub runs: u64,
    /// Ring records about these execs, over all batches.
    pub events: u64,
    /// Execs, over all batches.
    pub execs: u64,
}

/// All rows; the first is the known exec in a container.
pub fn measure(
    container: (&InContainer, &mut Pacer),
    host: (&OnHost, &mut Pacer),
) -> Result<Vec<Row>> {
    let (in_container, inside) = container;
    let (on_host, outside) = host;
    let (container, host) = (in_container.cgroup()?, on_host.cgroup()?);
    let nothing = || Policy::Allow(vec![Identity::image(InContainer::NOTHING)]);
    let every_name = (0..NAMES)
        .map(|n| Identity::image(&format!("{}{n}", InContainer::NAMED)))
        .collect();
    let again = |name, policy, cgroup, verdict, program| Case {
        name,
        policy,
        cgroup,
        verdict,
        program,
        distinct: false,
    };
    let first = |name, policy, verdict| Case {
        name,
        policy,
        cgroup: container,
        verdict,
        program: InContainer::NAMED,
        distinct: true,
    };
    let run = InContainer::NOTHING;
    let on_host_policy = Policy::Allow(vec![on_host.identity()]);
    Ok(vec![
        again("known, in a container", nothing(), container, Verdict::Known, run).measure(inside)?,
        again(
            "known, in the host's mounts",
            on_host_policy,
            host,
            Verdict::Known,
            on_host.nothing(),
        )
        .measure(outside)?,
        again(
            "ignored: outside containers",
            Policy::Ignore,
            host,
            Verdict::Ignored,
            on_host.nothing(),
        )
        .measure(outside)?,
        again(
            "deviating, seen before",
            Policy::Refuse,
            container,
            Verdict::Deviating,
            run,
        )
        .measure(inside)?,
        first("allowed, first sight", Policy::Allow(every_name), Verdict::Known).measure(inside)?,
        first("deviating, first sight", Policy::Refuse, Verdict::Deviating).measure(inside)?,
    ])
}

struct Case<'a> {
    name: &'static str,
    policy: Policy,
    cgroup: CgroupId,
    verdict: Verdict,
    program: &'a str,
    /// Whether each exec is of another name.
    distinct: bool,
}

struct Batch {
    ns: u64,
    runs: u64,
}

impl Case<'_> {
    fn measure(&self, pacer: &mut Pacer) -> Result<Row> {
        let mut subject = Subject::attach(&self.policy, self.cgroup)?;
        if !self.distinct {
            pacer.run(BATCH, self.program)?;
            subject.take_events()?;
        }
        let mut batches = Vec::new();
        let (mut execs, mut events) = (0, 0);
        let _counting = enable_stats(Stats::RunTime).context("cannot switch on bpf statistics")?;
        while execs / BATCH < MOST
            && batches.iter().filter(|batch| is_undisturbed(batch)).count() < ENOUGH
        {
            batches.push(self.batch(&subject, pacer, execs)?);
            execs += BATCH;
            events += subject.take_events()?;
        }
        batches.sort_by_key(|batch| batch.runs);
        batches.truncate(ENOUGH);
        let per_run: Vec<f64> = batches
            .iter()
            .map(|batch| batch.ns as f64 / batch.runs as f64)
            .collect();
        let runs = batches.iter().map(|batch| batch.runs).sum();
        Ok(Row {
            name: self.name,
            ns: Median::of(&per_run).context("there are no batches")?,
            foreign: runs - BATCH * batches.len() as u64,
            runs,
            events,
            execs,
        })
    }

    fn batch(&self, subject: &Subject, pacer: &mut Pacer, at: u64) -> Result<Batch> {
        let (runs, ns) = subject.program_time()?;
        let before = subject.accounting();
        if self.distinct {
            pacer.run_each(at, BATCH, self.program)?;
        } else {
            pacer.run(BATCH, self.program)?;
        }
        count::check(before, subject.accounting(), BATCH, self.verdict)?;
        let (runs_after, ns_after) = subject.program_time()?;
        Ok(Batch {
            ns: ns_after - ns,
            runs: runs_after - runs,
        })
    }
}

/// Whether nothing else on this machine executed anything meanwhile.
fn is_undisturbed(batch: &&Batch) -> bool {
    batch.runs == BATCH
}
