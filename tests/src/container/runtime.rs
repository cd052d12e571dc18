//! The programs that make containers.

use std::path::Path;
use std::process::Command;

/// A low-level runtime, with the folder in which it keeps the state of root's
/// containers unless told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// In Go; executes itself inside the container's cgroup.
    #[default]
    Runc,
    /// In C; a copy of itself in memory enters the container.
    Crun,
}

impl Runtime {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Runc, Self::Crun];

    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    pub(crate) fn state_folder(self) -> &'static Path {
        Path::new(match self {
            Self::Runc => "/run/runc",
            Self::Crun => "/run/crun",
        })
    }

    pub(super) fn command(self) -> Command {
        let program = self.program();
        Command::new(crate::find_program(program).unwrap_or(program.into()))
    }
}
