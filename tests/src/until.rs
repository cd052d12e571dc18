//! Waiting for what happens in another process.

use crate::node;
use anyhow::{Result, bail};
use std::thread;
use std::time::{Duration, Instant};

/// How often the condition is looked at. Short beside what a container's start
/// costs (30 ms), long beside a look at a file.
const PAUSE: Duration = Duration::from_millis(5);

/// A factor for every time that a test gives, where a machine is much slower
/// than those that they are made for: an emulated one.
const PATIENCE: &str = "EXECWARDEN_TEST_PATIENCE";

/// Looks until there is something, at most `deadline` long, or as many times as
/// that as `EXECWARDEN_TEST_PATIENCE` says. `what` completes the sentence
/// "waited 5s for …".
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let deadline = deadline * patience();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if node::ending() {
            bail!("interrupted while waiting for {what}");
        }
        if begun.elapsed() >= deadline {
            bail!("waited {deadline:?} for {what}");
        }
        thread::sleep(PAUSE);
    }
}

/// That factor, for what is no deadline: how long the agent learns, or how long
/// a flood runs.
pub fn patience() -> u32 {
    let said = std::env::var(PATIENCE).ok();
    said.and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_comes_later() {
        let mut looks = 0;

        let found = until("the third look", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some("here"))
        });

        assert_eq!(found.unwrap(), "here");
    }

    #[test]
    fn says_what_it_waited_for() {
        let error = until::<()>("nothing", Duration::ZERO, || Ok(None)).unwrap_err();

        assert_eq!(error.to_string(), "waited 0ns for nothing");
    }
}
