//! What a person sees while something takes long: one line on a terminal, which is
//! gone when it is over. Nothing where nobody watches.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// What is shorter than this is over before it is read.
const SHORT: Duration = Duration::from_millis(500);
/// How often the line changes, at most.
const PERIOD: Duration = Duration::from_millis(200);

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    /// When it changes next; `None`: nobody watches.
    due: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// For whoever is at stderr.
    pub(super) fn new() -> Self {
        let watched = io::stderr().is_terminal();
        Self {
            due: watched.then(|| Instant::now() + SHORT),
            is_shown: false,
        }
    }

    /// Says how far it is, if it is time.
    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.due.is_some_and(|due| now >= due) {
            self.due = Some(now + PERIOD);
            self.is_shown = true;
            // To the left, what was there away, and the new.
            let _ = write!(io::stderr(), "\r\x1b[K{}", line());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
