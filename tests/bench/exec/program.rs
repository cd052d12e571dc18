//! How long the program at the exec tracepoint runs, by the kernel's own bpf
//! statistics. They cost time themselves, so this is a phase of its own; the
//! kernel stops counting when the descriptor that asked for it is closed, so
//! that a killed benchmark leaves nothing switched on.

use crate::clock::Clock;
use crate::count::{self, Verdict};
use crate::pacer::Pacer;
use crate::place::{InContainer, NAMES, OnHost};
use crate::subject::{Policy, Subject};
use anyhow::{Context, Result};
use aya::sys::{Stats, enable_stats};
use execwarden::kernel::{Names, Permit};
use execwarden::model::{CgroupId, Identity, Needs};
use std::os::fd::OwnedFd;
use testbed::Median;

/// Rounds, in each of which every case is measured once: what else the machine
/// does meets all of them alike.
const ROUNDS: usize = 12;
/// Execs of one case in a round.
const BATCH: u64 = NAMES;
/// Of each case's batches, how many count at least: those in which others
/// executed least, and all that are as good.
const COUNTED: usize = ROUNDS / 2;

/// One row of the table.
pub struct Row {
    /// What the execs were.
    pub name: &'static str,
    /// Nanoseconds for one run, of the batches that count.
    pub ns: Median,
    /// The same of the quickest batch: what others do to the machine can only
    /// slow it down.
    pub least: f64,
    /// Runs of these batches that were for execs of others.
    pub foreign: u64,
    /// Runs of these batches.
    pub runs: u64,
    /// Ring records about the execs of all batches.
    pub events: u64,
    /// Execs of all batches.
    pub execs: u64,
}

/// The rows of the table.
pub struct Times {
    /// The first is the known exec in a container.
    pub rows: Vec<Row>,
    /// Nanoseconds that are counted for a program that does nothing, which each
    /// row has in it.
    pub clock: Median,
}

/// All of it.
pub fn measure(
    container: (&InContainer, &mut Pacer),
    host: (&OnHost, &mut Pacer),
) -> Result<Times> {
    let (_, inside) = container;
    let (_, outside) = host;
    let cases = cases(container.0, host.0)?;
    let mut batches: Vec<Vec<Batch>> = cases.iter().map(|_| Vec::new()).collect();
    let mut clock = Vec::new();
    for _ in 0..ROUNDS {
        clock.push(clock_batch(inside)?);
        for (case, batches) in cases.iter().zip(&mut batches) {
            let pacer = match case.place {
                Place::Container => &mut *inside,
                Place::Host => &mut *outside,
            };
            batches.push(case.batch(pacer)?);
        }
    }
    let rows = cases.iter().zip(batches);
    let rows = rows.map(|(case, batches)| row(case.name, batches));
    Ok(Times {
        rows: rows.collect::<Result<_>>()?,
        clock: Median::of(&clock).context("there are no rounds")?,
    })
}

/// Nanoseconds of one run of a program that does nothing.
fn clock_batch(pacer: &mut Pacer) -> Result<f64> {
    let clock = Clock::attach()?;
    pacer.run(BATCH, InContainer::NOTHING)?;
    let _counting = statistics()?;
    let (runs, ns) = clock.time()?;
    pacer.run(BATCH, InContainer::NOTHING)?;
    let (runs_after, ns_after) = clock.time()?;
    Ok((ns_after - ns) as f64 / (runs_after - runs) as f64)
}

/// The kernel counts the time of its programs until this is closed.
fn statistics() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("cannot switch on bpf statistics")
}

fn cases<'a>(container: &InContainer, host: &'a OnHost) -> Result<[Case<'a>; 8]> {
    let nothing = Permit::from(&Identity::image(InContainer::NOTHING));
    let known = Policy::Allow(vec![nothing.clone()]);
    let by_name = Policy::Allow(vec![Permit {
        names: Names::Own,
        ..nothing.clone()
    }]);
    let looked_at = Policy::Allow(vec![Permit {
        needs: Needs::ARGS,
        ..nothing
    }]);
    let known_on_host = Policy::Allow(vec![Permit::from(&host.identity())]);
    let every_name = (0..NAMES).map(|n| format!("{}{n}", InContainer::NAMED));
    let every_name = every_name.map(|name| Permit::from(&Identity::image(&name)));
    let every_name = Policy::Allow(every_name.collect());
    let (inside, outside) = (container.cgroup()?, host.cgroup()?);
    let in_container = |name, policy, verdict, program| Case {
        name,
        place: Place::Container,
        cgroup: inside,
        policy,
        verdict,
        program,
    };
    let on_host = |name, policy, verdict| Case {
        name,
        place: Place::Host,
        cgroup: outside,
        policy,
        verdict,
        program: Program::Again(host.nothing()),
    };
    let (again, first) = (
        Program::Again(InContainer::NOTHING),
        Program::Each(InContainer::NAMED),
    );
    Ok([
        in_container("known, in a container", known, Verdict::Known, again),
        on_host("known, in the host's mounts", known_on_host, Verdict::Known),
        in_container("known, by its applet", by_name, Verdict::Known, again),
        in_container("known, by its arguments", looked_at, Verdict::Known, again),
        on_host(
            "ignored, outside containers",
            Policy::Ignore,
            Verdict::Ignored,
        ),
        in_container(
            "deviating, seen before",
            Policy::Refuse,
            Verdict::Deviating,
            again,
        ),
        in_container("allowed, first sight", every_name, Verdict::Known, first),
        in_container(
            "deviating, first sight",
            Policy::Refuse,
            Verdict::Deviating,
            first,
        ),
    ])
}

struct Case<'a> {
    name: &'static str,
    place: Place,
    cgroup: CgroupId,
    policy: Policy,
    verdict: Verdict,
    program: Program<'a>,
}

enum Place {
    Container,
    Host,
}

/// What is executed in a batch.
#[derive(Clone, Copy)]
enum Program<'a> {
    /// One program all the time, which was seen before.
    Again(&'a str),
    /// Every name once, never seen before.
    Each(&'a str),
}

struct Batch {
    ns: u64,
    runs: u64,
    events: u64,
}

impl Case<'_> {
    fn batch(&self, pacer: &mut Pacer) -> Result<Batch> {
        let mut subject = Subject::attach(&self.policy, self.cgroup)?;
        let run = |pacer: &mut Pacer| match self.program {
            Program::Again(program) => pacer.run(BATCH, program),
            Program::Each(program) => pacer.run_each(BATCH, program),
        };
        if let Program::Again(_) = self.program {
            run(pacer)?;
            subject.take_events()?;
        }
        let _counting = statistics()?;

        let (runs, ns) = subject.program_time()?;
        let before = subject.accounting();
        run(pacer)?;
        count::check(before, subject.accounting(), BATCH, self.verdict)?;
        let (runs_after, ns_after) = subject.program_time()?;
        Ok(Batch {
            ns: ns_after - ns,
            runs: runs_after - runs,
            events: subject.take_events()?,
        })
    }
}

fn row(name: &'static str, mut batches: Vec<Batch>) -> Result<Row> {
    let execs = BATCH * batches.len() as u64;
    let events = batches.iter().map(|batch| batch.events).sum();
    batches.sort_by_key(|batch| batch.runs);
    if let Some(last) = batches.get(COUNTED - 1).map(|batch| batch.runs) {
        batches.retain(|batch| batch.runs <= last);
    }
    let per_run: Vec<f64> = batches
        .iter()
        .map(|batch| batch.ns as f64 / batch.runs as f64)
        .collect();
    let runs: u64 = batches.iter().map(|batch| batch.runs).sum();
    Ok(Row {
        name,
        ns: Median::of(&per_run).context("there are no batches")?,
        least: per_run.iter().copied().fold(f64::INFINITY, f64::min),
        foreign: runs - BATCH * batches.len() as u64,
        runs,
        events,
        execs,
    })
}
