//! What the file that ran contains: its SHA-256, whether it is a multi-call
//! binary, whether it is a program loader.
//!
//! - [`Inspector`]: requests in, answers out; the threads that read
//! - `board`: who waits, who is read, what is known (pure)
//! - `find`: the very file that the kernel ran, opened
//! - `state`: whether an open file is that file, in that state; `own`: whether what
//!   ran is this program
//! - `content`: one file, read once, bounded
//! - `signature`, `elf`: what tells a multi-call binary and a loader (pure)
//! - `cache`, `pace`: least recently used contents; bytes per second (pure)
//!
//! Reads `/proc` and files of containers, changes nothing. It never decides
//! anything, and nobody waits for it: a file system of a container may let a
//! read hang for ever, and that costs that container its inspections.
//!
//! What it cannot know: a file system that is answered for by a process (FUSE)
//! or another machine may show the agent another content under the same state.

mod board;
mod cache;
mod content;
mod elf;
mod find;
mod inspector;
mod own;
mod pace;
mod signature;
mod state;
#[cfg(test)]
mod tests;

pub use content::runs_multicall;
pub use inspector::{Answer, Inspector, Limits, Ticket};
pub use own::is_this_program;

use crate::model::{CgroupId, Exec, FileState, Untrusted};
use std::fmt;

/// A file to be inspected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// From the root of the process's mount namespace.
    pub path: Untrusted,
    /// Its state when it ran.
    pub state: FileState,
}

/// The files of one exec, and where they may be found.
pub struct Request {
    /// Whose it is: each container has a share of the readers.
    pub container: CgroupId,
    /// The process, in the initial pid namespace.
    pub pid: u32,
    /// Nanoseconds since boot at which it began.
    pub start_ns: u64,
    /// Monotonic nanoseconds at which it executed the file.
    pub at_ns: u64,
    /// What the kernel ran; `None` where its state is not known.
    pub program: Option<Wanted>,
    /// The script.
    pub script: Option<Wanted>,
    /// The container's other processes, asked for only if its own is gone; the
    /// first sixteen are tried. Called on a reader's thread.
    pub peers: Box<dyn FnOnce() -> Vec<u32> + Send>,
}

impl Request {
    /// Both files of an exec.
    pub fn of(exec: &Exec, peers: impl FnOnce() -> Vec<u32> + Send + 'static) -> Self {
        let (program, script) = files(exec);
        Self {
            container: exec.container,
            pid: exec.pid,
            start_ns: exec.start_ns,
            at_ns: exec.at_ns,
            program,
            script,
            peers: Box::new(peers),
        }
    }

    /// The states of the files.
    fn states(&self) -> impl Iterator<Item = FileState> {
        [&self.program, &self.script]
            .into_iter()
            .flatten()
            .map(|wanted| wanted.state)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("container", &self.container)
            .field("pid", &self.pid)
            .field("program", &self.program)
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

/// The files of an exec whose states the kernel could read: it has no inode 0.
fn files(exec: &Exec) -> (Option<Wanted>, Option<Wanted>) {
    let wanted = |path: &Untrusted, state: FileState| {
        (state.ino != 0).then(|| Wanted {
            path: path.clone(),
            state,
        })
    };
    let script = exec.identity.as_script().zip(exec.script_file);
    (
        wanted(&exec.identity.file, exec.file),
        script.and_then(|(script, state)| wanted(&script.path, state)),
    )
}
