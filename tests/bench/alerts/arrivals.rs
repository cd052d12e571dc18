//! When records stand in the receiver's file.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime};

/// How often the file is looked at, which is as exact as the numbers are.
const LOOK: Duration = Duration::from_millis(1);

/// A thread that looks at a file.
pub struct Arrivals {
    lines: Receiver<(SystemTime, String)>,
    count: usize,
}

impl Arrivals {
    /// Watches the file, which need not be there yet, until it has so many lines.
    pub fn watch(file: PathBuf, count: usize) -> Self {
        let (found, lines) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let mut seen = 0;
            let mut open = None;
            while seen < count {
                thread::sleep(LOOK);
                let Some(file) = opened(&mut open, &file) else {
                    continue;
                };
                if file.read_to_string(&mut text).is_err() {
                    return;
                }
                let now = SystemTime::now();
                while let Some((line, rest)) = text.split_once('\n') {
                    seen += 1;
                    if found.send((now, line.to_owned())).is_err() {
                        return;
                    }
                    text = rest.to_owned();
                }
            }
        });
        Self { lines, count }
    }

    /// The milliseconds from what each record tells to its arrival, in order.
    pub fn wait(self, patience: Duration) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        while took.len() < self.count {
            let (arrived, line) = self
                .lines
                .recv_timeout(patience)
                .with_context(|| format!("{} of {} records came", took.len(), self.count))?;
            let record: Value = serde_json::from_str(&line)?;
            let told = record["timestamp"].as_str().context("a timestamp")?;
            let told: jiff::Timestamp = told.parse()?;
            let millis = match arrived.duration_since(told.into()) {
                Ok(took) => took.as_secs_f64() * 1000.0,
                // The agent's clock and the wall's are some microseconds apart.
                Err(_) => 0.0,
            };
            took.push(millis);
        }
        ensure!(!took.is_empty(), "there is no record");
        took.sort_by(f64::total_cmp);
        Ok(took)
    }
}

fn opened<'a>(open: &'a mut Option<File>, path: &Path) -> Option<&'a mut File> {
    if open.is_none() {
        *open = File::open(path).ok();
    }
    open.as_mut()
}
