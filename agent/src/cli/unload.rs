//! `execwarden unload`: the off switch, which needs no agent.

use super::args::UnloadArguments;
use super::{CommandError, Outcome, output};
use crate::config::DEFAULT_PINS;
use crate::kernel::remove_pins;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

pub(super) fn execute(arguments: UnloadArguments) -> Result<Outcome, CommandError> {
    let control = PathBuf::from(arguments.agent.control);
    if UnixStream::connect(&control).is_ok() {
        output::complain(&format!(
            "an agent runs, and would go on; end it first (it listens at {})",
            control.display()
        ));
        return Ok(Outcome::No);
    }
    let folder = { arguments.pins }.map_or_else(|| DEFAULT_PINS.into(), PathBuf::from);
    let removed = remove_pins(&folder)?;
    let folder = folder.display();
    let text = match removed {
        true => format!(
            "removed {folder}: nothing is seen or stopped on this node any more, until an agent runs\n"
        ),
        false => format!("there is no {folder}: no agent has left anything in the kernel\n"),
    };
    output::print(&text)?;
    Ok(Outcome::Done)
}
