//! What was asked for is not always what runs.

use super::expect::counted;
use super::scene::{Scene, at, exec};
use anyhow::{Result, ensure};
use std::time::Instant;
use testbed::{Container, intruders};

/// Execs of each race: enough for thousands of crossings in few seconds. A run
/// of 50,000 each, two minutes on two busy CPUs, found no more.
const TIMES: u64 = 5_000;
/// The fewest times that each of two programs runs, and that another runs than
/// the buffer named at first: less would be no race.
const SOME: u64 = TIMES / 100;

pub fn b01_a_path_rewritten_while_the_call_runs() -> Result<()> {
    let scene = Scene::new()?;
    for (number, program) in ["nothing", "fails"].into_iter().enumerate() {
        let built = intruders::build(program)?;
        scene.image.program(&built, &format!("/app/run{number}"))?;
        scene.image.script(
            &format!("/app/script{number}"),
            &format!("#!/app/run{number}\n"),
        )?;
    }
    scene.intruder("race")?;
    scene.write_document(
        "  processes:
    - path: /bin/busybox
    - path: /opt/intruders/race
    - path: /app/run0
    - path: /app/script0
      interpreter: /app/run0
",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    let begun = Instant::now();
    let programs = race(&container, "/app/run")?;
    let scripts = race(&container, "/app/script")?;

    // What is on the list is known on the way in the kernel, and what is not is
    // told of by the path that ran: neither takes from the other.
    scene.finish_with(agent, |records| {
        for (path, ran) in [("/app/run1", programs), ("/app/script1", scripts)] {
            let told = counted(records, &container, path);
            ensure!(told == ran, "{path} ran {ran} times, {told} were told of");
        }
        // The first of each, one for every minute, and what was left.
        let minutes = begun.elapsed().as_secs() / 60;
        ensure!(records.len() as u64 <= 2 * (2 + minutes), "{records:#?}");
        let all: u64 = records.iter().map(super::expect::count).sum();
        ensure!(all == programs + scripts, "{all} were told of in all");
        Ok(())
    })
}

/// Runs a race; how often the program that is not on the list has run, by its
/// own telling.
fn race(container: &Container, path: &str) -> Result<u64> {
    let output = exec(container, &[&at("race"), &TIMES.to_string(), path])?;
    let printed = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = printed
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [zeros, ones, crossed] = numbers[..] else {
        anyhow::bail!("not three numbers: {printed}");
    };
    ensure!(zeros + ones == TIMES, "{printed}");
    ensure!(
        zeros.min(ones).min(crossed) >= SOME,
        "{path} was not raced for: {printed}"
    );
    Ok(ones)
}
