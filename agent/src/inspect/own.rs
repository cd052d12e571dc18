//! Whether what ran is this program.

use super::state::{Likeness, compare};
use crate::model::FileState;
use procfs::process::Process;
use std::fs::File;
use std::os::fd::AsFd as _;

/// Whether the file that the kernel ran is this process's own, told by the file and
/// its state and never by a name. Where that cannot be told, it is not.
pub fn is_this_program(ran: &FileState) -> bool {
    let (Ok(process), Ok(file)) = (Process::myself(), File::open("/proc/self/exe")) else {
        return false;
    };
    matches!(compare(file.as_fd(), &process, ran), Ok(Likeness::Same))
}
