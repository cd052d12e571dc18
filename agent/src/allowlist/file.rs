//! Files that anybody may have put there: none of them stops the agent, and none is
//! read beyond what it may have.

use crate::model::Untrusted;
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The bytes of a file that has at most so many.
///
/// # Errors
/// It cannot be read, has more, or is no regular file.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    // O_NONBLOCK: a fifo by the name of a document must not stop the agent.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > most {
        true => Err(io::Error::other(format!(
            "it is larger than {most} bytes, the most that such a file may have"
        ))),
        false => Ok(bytes),
    }
}

/// A path in messages.
pub fn printable(path: &Path) -> String {
    Untrusted::new(path.as_os_str().as_bytes()).escaped(1024)
}
