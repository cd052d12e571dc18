//! What an exec costs, with the agent and without: `cargo xtask bench exec`.
mod count;
mod machine;
mod pacer;
mod pairs;
mod place;
mod program;
mod subject;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use place::{InContainer, OnHost};
use testbed::node;

#[derive(Parser)]
struct Args {
    /// Pairs of runs, with the programs and without, per scenario
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pairs: u64,
    /// Execs in each run
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    execs: u64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(reason) = node::lacks() {
        bail!("execs cannot be measured here: {reason}");
    }
    node::enter()?;
    let measured = measure(&args);
    let left = node::left_behind()?;
    measured?;
    ensure!(left.is_empty(), "the benchmark has left behind: {left:?}");
    Ok(())
}

fn measure(args: &Args) -> Result<()> {
    println!("{}", machine::line()?);
    let cpu = machine::cpu()?;
    let (container, host) = (InContainer::new()?, OnHost::new()?);
    let (mut inside, mut outside) = (container.pacer(cpu)?, host.pacer(cpu)?);
    let begun = std::time::Instant::now();
    for row in program::measure((&container, &mut inside), (&host, &mut outside))? {
        println!(
            "{:30} {:.0}  runs {} foreign {} events {} execs {}",
            row.name, row.ns, row.runs, row.foreign, row.events, row.execs
        );
    }
    println!("{:?}", begun.elapsed());
    let (bare, rows) = pairs::measure(&container, &mut inside, args.pairs, args.execs)?;
    println!("bare {bare:.1}");
    for row in rows {
        println!(
            "{:30} {:.1} ratio {:.4} events {} of {}",
            row.name, row.with, row.ratio, row.events, row.execs
        );
    }
    println!("{:?}", begun.elapsed());
    Ok(())
}
