//! What is in a file, read once from its beginning to its end.

use super::elf;
use super::signature::Scan;
use crate::model::{Content, Digest};
use object::read::ReadCache;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

/// How much is read at once, in bytes.
const PIECE: usize = 256 * 1024;

/// Whether the file that a process runs is a multi-call binary. Reads at once,
/// and not much: those that there are have two megabytes. `false` where it
/// cannot be read.
pub fn runs_multicall(pid: u32) -> bool {
    const BOUND: u64 = 8 * 1024 * 1024;

    let mut scan = Scan::default();
    let mut piece = Vec::new();
    let Ok(file) = File::open(format!("/proc/{pid}/exe")) else {
        return false;
    };
    let mut file = file.take(BOUND);
    while !scan.found() {
        piece.clear();
        match file.by_ref().take(PIECE as u64).read_to_end(&mut piece) {
            Ok(1..) => scan.feed(&piece),
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

/// Reads a file of `size` bytes, at most `bound` of them: of a larger one only
/// what tells a loader. `before` is called before each piece with its size; it
/// may wait, and its error ends the reading.
///
/// # Errors
/// The file is shorter than `size`, or cannot be read, or `before` said no.
pub fn read(
    file: &File,
    size: u64,
    bound: u64,
    mut before: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<Content> {
    let mut content = Content {
        loader: elf::is_loader(&ReadCache::new(file)),
        ..Content::default()
    };
    if size > bound {
        return Ok(content);
    }
    let mut hash = Sha256::new();
    let mut scan = None;
    let mut piece = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE))];
    let mut at = 0;
    while at < size {
        let rest = usize::try_from(size - at).unwrap_or(PIECE);
        let part = &mut piece[..rest.min(PIECE)];
        before(part.len())?;
        file.read_exact_at(part, at)?;
        hash.update(&*part);
        if at == 0 && part.starts_with(b"\x7fELF") {
            scan = Some(Scan::default());
        }
        if let Some(scan) = &mut scan {
            scan.feed(part);
        }
        at += part.len() as u64;
    }
    content.sha256 = Some(Digest(hash.finalize().into()));
    content.multicall = scan.is_some_and(|scan| scan.found());
    Ok(content)
}
