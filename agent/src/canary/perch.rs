//! The canary's cgroup, a child of the agent's own, and the helper that stands in it.

use super::helper::{self, Ended, PROCESSES};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

/// How the name of each agent's begins; its process id follows.
const PREFIX: &str = "execwarden-canary-";
/// A cgroup can be removed as soon as the last process in it has ended, which may
/// take a moment.
const PAUSE: Duration = Duration::from_millis(5);
const TRIES: u32 = 60;

/// Why there is no place for a canary.
#[derive(Debug, thiserror::Error)]
pub enum PerchError {
    /// The agent's own cgroup is not to be seen.
    #[error("the agent's own cgroup is not among those below {}", .0.display())]
    NoOwn(PathBuf),
    /// No cgroup.
    #[error("its cgroup {} cannot be made: {source}", .folder.display())]
    Make {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No helper.
    #[error("the process that is to execute it cannot be started: {0}")]
    Start(io::Error),
    /// It stays outside.
    #[error("the process that is to execute it cannot be moved into {}: {source}", .folder.display())]
    Move {
        /// The cgroup's folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The cgroup.
#[derive(Debug)]
pub struct Perch {
    folder: PathBuf,
    id: u64,
}

impl Perch {
    /// Makes it in the folder of the agent's own cgroup, and removes what agents
    /// that were killed have left beside it: that of one that lives has its helper
    /// in it, and stays.
    pub fn make(own: &Path) -> Result<Self, PerchError> {
        let folder = own.join(format!("{PREFIX}{}", std::process::id()));
        let error = |source| PerchError::Make {
            folder: folder.clone(),
            source,
        };
        for left in left_below(own) {
            let _ = fs::remove_dir(left);
        }
        fs::create_dir(&folder).map_err(error)?;
        let id = fs::metadata(&folder).map_err(error)?.ino();
        Ok(Self { folder, id })
    }

    /// Whether it still is.
    pub fn is_there(&self) -> bool {
        fs::metadata(&self.folder).is_ok_and(|folder| folder.ino() == self.id)
    }

    /// The cgroup's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Removes it, when the helper has ended, which it does by itself if it can.
    pub async fn remove(self) {
        if !self.is_there() {
            return;
        }
        for _ in 0..TRIES {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    tokio::time::sleep(PAUSE).await;
                }
                _ => return,
            }
        }
        let folder = self.folder.display();
        tracing::warn!(%folder, "the canary's cgroup could not be removed; the next agent does that");
    }

    /// Puts a process into it, and makes sure that it is there.
    fn take_in(&self, pid: u32) -> io::Result<()> {
        let processes = self.folder.join(PROCESSES);
        let pid = pid.to_string();
        OpenOptions::new()
            .write(true)
            .open(&processes)?
            .write_all(pid.as_bytes())?;
        let there = fs::read_to_string(&processes)?;
        match there.lines().any(|line| line == pid) {
            true => Ok(()),
            false => Err(io::Error::other("it is not in there afterwards")),
        }
    }
}

fn left_below(own: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(own).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    ours.map(|entry| entry.path())
}

/// What is heard of a helper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    /// How a run ended.
    Ended(u64, Ended),
    /// The helper with this process id has ended.
    HelperEnded(u32),
}

/// The process that waits in the cgroup and executes canaries. It is ended when this
/// is dropped.
#[derive(Debug)]
pub struct Helper {
    child: Option<Child>,
    /// It ends when this is closed.
    input: Option<ChildStdin>,
    pid: u32,
}

impl Helper {
    /// Starts it and moves it there; call it within a tokio runtime. It executes
    /// nothing before it is told to.
    pub fn start(perch: &Perch, words: mpsc::Sender<Word>) -> Result<Self, PerchError> {
        let mut child = helper::command(&perch.folder)
            .spawn()
            .map_err(PerchError::Start)?;
        let pid = child.id();
        let pipes = child.stdin.take().zip(child.stdout.take());
        let helper = |input| Self {
            child: Some(child),
            input: Some(input),
            pid,
        };
        let Some((input, output)) = pipes else {
            return Err(PerchError::Start(io::Error::other("it has no pipes")));
        };
        // From here on whatever fails ends it.
        let helper = helper(input);
        perch.take_in(pid).map_err(|source| PerchError::Move {
            folder: perch.folder.clone(),
            source,
        })?;
        let output = Receiver::from_owned_fd(OwnedFd::from(output)).map_err(PerchError::Start)?;
        tokio::spawn(listen(output, pid, words));
        Ok(helper)
    }

    /// Has it execute one.
    pub fn send(&mut self, run: u64) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        writeln!(self.input.as_mut().ok_or_else(closed)?, "{run}")
    }

    /// Lets it end by itself: it takes the cgroup along, which the agent may not be
    /// able to any more.
    pub async fn end(mut self) {
        self.input = None;
        let Some(child) = &mut self.child else {
            return;
        };
        for _ in 0..TRIES {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = child.kill();
        // Who is killed ends soon; somebody who froze it must not freeze the agent.
        std::thread::spawn(move || child.wait());
    }
}

/// Hands on what a helper says, until it ends.
async fn listen(output: Receiver, pid: u32, words: mpsc::Sender<Word>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some((run, ended)) = line.split_once(' ') else {
            continue;
        };
        if let (Ok(run), Ok(ended)) = (run.parse(), ended.parse())
            && words.send(Word::Ended(run, ended)).await.is_err()
        {
            return;
        }
    }
    // Nobody listens any more where the agent ends.
    let _ = words.send(Word::HelperEnded(pid)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_agent_left_is_removed_and_nothing_else() {
        let own = tempfile::tempdir().expect("a folder");
        let at = |name: &str| own.path().join(name);
        for name in ["execwarden-canary-1", "execwarden-canary-2", "other"] {
            fs::create_dir(at(name)).expect("made");
        }
        // As the helper of one that lives keeps its cgroup from being removed.
        fs::create_dir(at("execwarden-canary-2/x")).expect("made");

        let perch = Perch::make(own.path()).expect("made");

        let left: Vec<bool> = ["execwarden-canary-1", "execwarden-canary-2", "other"]
            .map(|name| at(name).exists())
            .into();
        assert_eq!(left, [false, true, true]);
        assert_eq!(perch.folder, at(&format!("{PREFIX}{}", std::process::id())));
        let again = Perch::make(own.path()).expect("an empty one is one that was left");
        assert_ne!((again.id, &again.folder), (0, &own.path().to_path_buf()));
    }

    #[test]
    fn where_nothing_can_be_made_it_says_where() {
        let nowhere = Path::new("/proc/self/fd");

        let error = Perch::make(nowhere).expect_err("no folder can be made there");

        assert!(
            error
                .to_string()
                .contains("/proc/self/fd/execwarden-canary-"),
            "{error}"
        );
    }
}
