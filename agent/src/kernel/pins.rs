//! What stays in the kernel when the agent ends, by names in a BPF file system:
//!
//! ```text
//! /sys/fs/bpf/execwarden/
//!   execwarden_gate-{leads-to,program,link}    the gate at every exec
//!   CLAIMS                                     who judges it, where two may
//!   3-v3/                                      the third agent's, of records v3
//!     SEEN, TOLD, …                            its maps
//!     cgroup_mkdir, …                          its links
//! ```
//!
//! The gate (and its spare, from Linux 7.0 on) is one for all agents and never
//! changes. Everything else is one agent's: the next one has its own beside it, has
//! the gate lead to its own program when it knows as much, takes in what the one
//! before has left ([`super::left`]), and removes that. So there is no moment in
//! which nobody judges, whatever either of them has for maps.

use super::load::KernelError;
use super::pinned_program::PinnedProgram;
use agent_common::wire::VERSION;
use aya::maps::Map;
use aya::pin::PinError as Refused;
use aya::programs::Program;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// `BPF_FS_MAGIC` of linux/magic.h.
const BPF_FS: u64 = 0xcafe_4a11;

/// Whether something is in a BPF file system.
pub fn is_in_bpf_fs(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|system| system.f_type as u64 == BPF_FS)
}

/// Why nothing can be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The folder cannot be made or looked at.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is somewhere else.
    #[error("{} is in no BPF file system; mount one with `mount -t bpf bpf /sys/fs/bpf`", .0.display())]
    NoBpfFs(PathBuf),
    /// Others could put something in its place.
    #[error("{} is not root's alone; remove it, and the agent makes it anew", .0.display())]
    NotOurs(PathBuf),
    /// The kernel does not do it.
    #[error("{}: {source}", path.display())]
    Pin {
        /// What was to be pinned.
        path: PathBuf,
        /// Why it is not.
        source: Refused,
    },
    /// Another agent runs that pins there.
    #[error("{} is that of an agent that runs", .0.display())]
    InUse(PathBuf),
    /// A link that was pinned, and cannot be opened.
    #[error("{}: {source}", path.display())]
    Held {
        /// Where it is pinned.
        path: PathBuf,
        /// Why.
        source: LinkError,
    },
    /// A hook that ends with who attached it.
    #[error("what hangs on {event} cannot be pinned on this kernel: {source}")]
    NoLink {
        /// Where it hangs.
        event: &'static str,
        /// Why.
        source: LinkError,
    },
}

impl From<PinError> for KernelError {
    fn from(error: PinError) -> Self {
        Self::Pin(error)
    }
}

/// The folder, opened, with a part of it for this agent.
pub struct Pins {
    folder: PathBuf,
    /// As long as this is open, no other agent opens the folder.
    _lock: OwnedFd,
    own: PathBuf,
    before: Vec<Generation>,
}

/// What one agent has pinned.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Generation {
    /// Each agent's is greater than that of the one before.
    number: u64,
    /// That of its records.
    pub(super) version: u16,
    pub(super) folder: PathBuf,
}

impl Generation {
    fn of(folder: PathBuf) -> Option<Self> {
        let (number, version) = folder.file_name()?.to_str()?.split_once("-v")?;
        Some(Self {
            number: number.parse().ok()?,
            version: version.parse().ok()?,
            folder,
        })
    }

    /// Removes all in it but these maps: the kernel lets go of the programs.
    pub(super) fn remove_links(&self, maps: &[&str]) -> Result<(), PinError> {
        let entries = std::fs::read_dir(&self.folder);
        let entries = entries.map_err(|error| failed(&self.folder, error))?;
        let is_map = |path: &PathBuf| maps.iter().any(|map| path.ends_with(map));
        for link in entries.flatten().map(|entry| entry.path()) {
            if !is_map(&link) {
                std::fs::remove_file(&link).map_err(|error| failed(&link, error))?;
            }
        }
        Ok(())
    }

    /// Removes what is in it, which the kernel then lets go of.
    pub(super) fn remove(&self) -> Result<(), PinError> {
        remove_all(&self.folder)
    }
}

impl Pins {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// Where nothing can be pinned there, or somebody else could have.
    pub fn open(folder: &Path) -> Result<Self, PinError> {
        make_folder(folder)?;
        let lock = open_alone(folder)?;
        let before = generations(folder)?;
        let number = before.last().map_or(1, |last| last.number + 1);
        let own = folder.join(format!("{number}-v{VERSION}"));
        make_folder(&own)?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            own,
            before,
        })
    }

    /// What earlier agents have left, oldest first.
    pub(super) fn take_before(&mut self) -> Vec<Generation> {
        std::mem::take(&mut self.before)
    }

    /// The place of this agent's own map or link of a name.
    pub(super) fn of_own(&self, name: &str) -> PathBuf {
        self.own.join(name)
    }

    /// The place of a map that all agents share.
    pub(super) fn of_all(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The place of a part of a gate.
    pub(super) fn of_gate(&self, gate: &str, part: &str) -> PathBuf {
        self.folder.join(format!("{gate}-{part}"))
    }

    pub(super) fn map(&self, path: &Path, map: &Map) -> Result<(), PinError> {
        let path = make_way(path)?;
        map.pin(path).map_err(|source| refused(path, source))
    }

    pub(super) fn program(&self, path: &Path, program: &mut Program) -> Result<(), PinError> {
        let path = make_way(path)?;
        program.pin(path).map_err(|source| refused(path, source))
    }

    pub(super) fn open_program(&self, path: &Path) -> Result<PinnedProgram, PinError> {
        PinnedProgram::open(path).map_err(|error| failed(path, error))
    }

    pub(super) fn program_again(
        &self,
        path: &Path,
        program: &PinnedProgram,
    ) -> Result<(), PinError> {
        let path = make_way(path)?;
        program.pin(path).map_err(|error| failed(path, error))
    }

    pub(super) fn link(&self, path: &Path, link: FdLink) -> Result<HeldLink, PinError> {
        link.pin(make_way(path)?)
            .map_err(|source| refused(path, source))?;
        HeldLink::found(path)
    }

    /// Makes the folders anew that somebody has removed.
    pub(super) fn make_again(&self) -> Result<(), PinError> {
        make_folder(&self.folder)?;
        open(&self.folder)?;
        make_folder(&self.own)
    }
}

/// A link that is pinned, and held for as long as the agent runs: whoever removes the
/// pin takes nothing off its event.
pub(super) struct HeldLink {
    /// Never let go of.
    _held: PinnedLink,
    /// To be pinned again with; a pin that fails takes it.
    spare: Option<PinnedLink>,
    path: PathBuf,
}

impl HeldLink {
    /// Holds one that is pinned.
    pub(super) fn found(path: &Path) -> Result<Self, PinError> {
        let open = || {
            PinnedLink::from_pin(path).map_err(|source| PinError::Held {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            _held: open()?,
            spare: Some(open()?),
            path: path.to_owned(),
        })
    }

    /// Whether it is still pinned.
    pub(super) fn is_pinned(&self) -> bool {
        self.path.exists()
    }

    /// Pins it where it was.
    pub(super) fn pin_again(&mut self) -> Result<(), PinError> {
        if self.is_pinned() {
            return Ok(());
        }
        if let Some(spare) = self.spare.take() {
            let pinned = FdLink::from(spare).pin(&self.path);
            self.spare = Some(pinned.map_err(|source| refused(&self.path, source))?);
        }
        Ok(())
    }
}

/// Removes everything that agents have pinned in a folder: nothing is judged or
/// stopped any more. Whether there was anything.
///
/// # Errors
/// What cannot be removed; the gate goes first.
pub fn remove_pins(folder: &Path) -> Result<bool, PinError> {
    let _lock = match open_alone(folder) {
        Err(PinError::Folder { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(false);
        }
        other => other?,
    };
    remove_all(folder)?;
    Ok(true)
}

fn refused(path: &Path, source: Refused) -> PinError {
    let path = path.to_owned();
    PinError::Pin { path, source }
}

fn failed(path: &Path, source: io::Error) -> PinError {
    let path = path.to_owned();
    PinError::Folder { path, source }
}

fn make_folder(path: &Path) -> Result<(), PinError> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|error| failed(path, error)),
    }
}

/// Opens a folder of a BPF file system that only root may write to. No link is
/// followed.
fn open(folder: &Path) -> Result<OwnedFd, PinError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty());
    let opened = opened.map_err(|error| failed(folder, error.into()))?;
    let system = rustix::fs::fstatfs(&opened).map_err(|error| failed(folder, error.into()))?;
    if system.f_type as u64 != BPF_FS {
        return Err(PinError::NoBpfFs(folder.to_owned()));
    }
    let found = rustix::fs::fstat(&opened).map_err(|error| failed(folder, error.into()))?;
    if found.st_uid != 0 || found.st_mode & 0o022 != 0 {
        return Err(PinError::NotOurs(folder.to_owned()));
    }
    Ok(opened)
}

/// The same, where nobody else has it.
fn open_alone(folder: &Path) -> Result<OwnedFd, PinError> {
    let opened = open(folder)?;
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(PinError::InUse(folder.to_owned())),
        locked => locked
            .map(|()| opened)
            .map_err(|error| failed(folder, error.into())),
    }
}

/// Something that was left half made stands in the way.
fn make_way(path: &Path) -> Result<&Path, PinError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        Ok(()) | Err(_) => Ok(path),
    }
}

fn generations(folder: &Path) -> Result<Vec<Generation>, PinError> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<Generation> = paths.filter_map(Generation::of).collect();
    found.sort();
    Ok(found)
}

/// Removes a folder of pins. The links of its own files first: what still hangs on
/// an event would else run on with half of its maps unreachable.
fn remove_all(folder: &Path) -> Result<(), PinError> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = entries
        .flatten()
        .map(|entry| entry.path())
        .partition(|path| path.is_dir());
    files.sort_by_key(|path| !path.to_string_lossy().ends_with("-link"));
    for file in files {
        std::fs::remove_file(&file).map_err(|error| failed(&file, error))?;
    }
    for inner in folders {
        remove_all(&inner)?;
    }
    std::fs::remove_dir(folder).map_err(|error| failed(folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_another_file_system_is_none() {
        let folder = tempfile::tempdir().expect("a folder");

        let refused = Pins::open(folder.path()).err().expect("no pins");

        assert!(refused.to_string().contains("mount -t bpf"), "{refused}");
        let refused = remove_pins(folder.path()).expect_err("nothing is removed");
        assert!(matches!(refused, PinError::NoBpfFs(_)));
    }

    #[test]
    fn where_nothing_was_pinned_there_is_nothing_to_remove() {
        let folder = tempfile::tempdir().expect("a folder");

        assert!(!remove_pins(&folder.path().join("none")).expect("is no error"));
    }

    #[test]
    fn a_generation_is_known_by_its_name() {
        let of = |name: &str| Generation::of(PathBuf::from("/p").join(name));

        let third = of("3-v4").expect("is one");
        assert_eq!((third.number, third.version), (3, 4));
        assert!(of("10-v3") > of("9-v4"));
        for other in ["execwarden_gate-link", "3", "x-v3", "3-v"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
