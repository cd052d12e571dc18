//! What the whole exec costs with the programs attached, against without: in
//! pairs that follow directly upon one another, each in the other order than
//! the one before, so that what else the machine does meets both sides alike.

use crate::count::{self, Verdict};
use crate::pacer::Pacer;
use crate::place::InContainer;
use crate::subject::{Policy, Subject};
use anyhow::{Context, Result, ensure};
use execwarden::kernel::Permit;
use execwarden::model::{CgroupId, Identity};
use testbed::Median;

/// Execs before each measured run: they fill the caches, and give the kernel
/// the time to free what the side before had.
const WARM_UP: u64 = 50;

/// One row of the table.
pub struct Row {
    /// What was compared with the bare run.
    pub name: &'static str,
    /// Microseconds for one exec with the programs attached.
    pub with: Median,
    /// With over without, of each pair.
    pub ratio: Median,
    /// Ring records about the measured execs.
    pub events: u64,
    /// Measured execs.
    pub execs: u64,
}

/// All rows, and microseconds for one bare exec.
pub fn measure(
    place: &InContainer,
    pacer: &mut Pacer,
    pairs: u64,
    execs: u64,
) -> Result<(Median, Vec<Row>)> {
    let cgroup = place.cgroup()?;
    let nothing = Identity::image(InContainer::NOTHING);
    let known = Policy::Allow(vec![Permit::from(&nothing)]);
    let scenarios = [
        ("every exec known", known, Verdict::Known),
        ("learning", Policy::Learn, Verdict::Known),
        ("every exec deviating", Policy::Refuse, Verdict::Deviating),
    ];
    let mut bare = Vec::new();
    let mut sides = scenarios.each_ref().map(|_| Side::default());
    for pair in 0..pairs {
        for ((_, policy, verdict), side) in scenarios.iter().zip(&mut sides) {
            let with_first = pair % 2 == 0;
            let mut without = 0.0;
            if !with_first {
                without = run_bare(pacer, execs)?;
            }
            let with = side.run(pacer, policy, *verdict, cgroup, execs)?;
            if with_first {
                without = run_bare(pacer, execs)?;
            }
            bare.push(without);
            side.with.push(with);
            side.ratios.push(with / without);
        }
    }
    let rows = scenarios
        .iter()
        .zip(sides)
        .map(|((name, ..), side)| {
            Ok(Row {
                name,
                with: Median::of(&side.with).context("there are no pairs")?,
                ratio: Median::of(&side.ratios).context("there are no pairs")?,
                events: side.events,
                execs: pairs * execs,
            })
        })
        .collect::<Result<_>>()?;
    Ok((Median::of(&bare).context("there are no pairs")?, rows))
}

/// One scenario's numbers so far.
#[derive(Default)]
struct Side {
    with: Vec<f64>,
    ratios: Vec<f64>,
    events: u64,
}

impl Side {
    fn run(
        &mut self,
        pacer: &mut Pacer,
        policy: &Policy,
        verdict: Verdict,
        cgroup: CgroupId,
        execs: u64,
    ) -> Result<f64> {
        let mut subject = Subject::attach(policy, cgroup)?;
        greet(&mut subject, pacer, policy)?;
        pacer.run(WARM_UP, InContainer::NOTHING)?;
        subject.take_events()?;

        let before = subject.accounting();
        let took = pacer.run(execs, InContainer::NOTHING)?;
        count::check(before, subject.accounting(), execs, verdict)?;
        self.events += subject.take_events()?;
        Ok(took.as_secs_f64() * 1e6 / execs as f64)
    }
}

/// The first exec. A policy that learns has learned it afterwards.
fn greet(subject: &mut Subject, pacer: &mut Pacer, policy: &Policy) -> Result<()> {
    let (verdict, events) = match policy {
        Policy::Ignore => (Verdict::Ignored, 0),
        Policy::Allow(_) => (Verdict::Known, 0),
        Policy::Learn => (Verdict::Learning, 1),
        Policy::Refuse => (Verdict::Deviating, 1),
    };
    let before = subject.accounting();
    pacer.run(1, InContainer::NOTHING)?;
    count::check(before, subject.accounting(), 1, verdict)?;
    let came = subject.take_events()?;
    ensure!(
        came == events,
        "the first exec sent {came} records, not {events}"
    );
    Ok(())
}

fn run_bare(pacer: &mut Pacer, execs: u64) -> Result<f64> {
    pacer.run(WARM_UP, InContainer::NOTHING)?;
    let took = pacer.run(execs, InContainer::NOTHING)?;
    Ok(took.as_secs_f64() * 1e6 / execs as f64)
}
