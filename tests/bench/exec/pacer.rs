//! The program that makes the execs: `tests/intruders/pace.rs`, told what to
//! run over its standard streams.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A running `pace`; it ends with its input when dropped.
pub struct Pacer {
    process: Child,
    // `None` only while it is dropped.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Pacer {
    /// Starts it. The command leads to `pace`, with its CPU.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("it was piped above")?;
        let mut pacer = Self {
            process,
            input,
            output: BufReader::new(output),
        };
        // Its answer says that everything on the way to it was executed.
        pacer.tell("0 /", 0)?;
        Ok(pacer)
    }

    /// Runs `program` this often; how long it took.
    pub fn run(&mut self, times: u64, program: &str) -> Result<Duration> {
        self.tell(&format!("{times} {program}"), times)
    }

    /// Runs `program0`, `program1`, … up to this many; how long it took.
    pub fn run_each(&mut self, times: u64, program: &str) -> Result<Duration> {
        self.tell(&format!("each {times} {program}"), times)
    }

    fn tell(&mut self, line: &str, times: u64) -> Result<Duration> {
        let input = self.input.as_mut().context("it is there until the end")?;
        writeln!(input, "{line}").context("cannot tell pace what to run")?;
        let mut answer = String::new();
        self.output
            .read_line(&mut answer)
            .context("cannot read the answer of pace")?;
        let (nanoseconds, ended_well) = answer
            .trim()
            .split_once(' ')
            .and_then(|(time, count)| Some((time.parse().ok()?, count.parse::<u64>().ok()?)))
            .with_context(|| format!("pace answered {answer:?} to {line:?}"))?;
        ensure!(
            ended_well == times,
            "of {times} execs of {line:?}, {ended_well} ended well"
        );
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
