//! What reading the file of an exec told.

use super::Digest;

/// What the files of one exec contained, as far as they were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Inspection {
    /// The file that the kernel ran; `None` where it was not or could not be
    /// read.
    pub program: Option<Content>,
    /// The script's file, likewise.
    pub script: Option<Content>,
}

/// What one file contained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Content {
    /// `None` for a file larger than the bound.
    pub sha256: Option<Digest>,
    /// Whether it says of itself that it is many programs in one: busybox,
    /// toybox, coreutils.
    pub multicall: bool,
    /// Whether it is a program loader: what stands in other programs as their
    /// `PT_INTERP`.
    pub loader: bool,
    /// Whether this is certainly what ran. Not so if the file was changed
    /// within a clock tick before the exec (another content could have had the
    /// same state), or after it (a program that deletes itself). It is then
    /// what is known of what ran, and proves nothing.
    pub certain: bool,
}

impl Content {
    /// The SHA-256 of what certainly ran.
    pub fn proven_sha256(&self) -> Option<Digest> {
        self.sha256.filter(|_| self.certain)
    }
}
