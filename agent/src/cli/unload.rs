//! `execwarden unload`: the off switch, which needs no agent.

use super::args::UnloadArguments;
use super::{CommandError, Outcome, output};
use crate::config::DEFAULT_PINS;
use crate::kernel::{PinError, remove_pins};
use std::path::PathBuf;

pub(super) fn execute(arguments: UnloadArguments) -> Result<Outcome, CommandError> {
    let folder = { arguments.pins }.map_or_else(|| DEFAULT_PINS.into(), PathBuf::from);
    let text = match remove_pins(&folder) {
        Ok(true) => format!(
            "removed {}: nothing is seen or stopped on this node any more, until an agent runs\n",
            folder.display()
        ),
        Ok(false) => format!(
            "there is no {}: no agent has left anything in the kernel\n",
            folder.display()
        ),
        Err(error @ PinError::InUse(_)) => {
            output::complain(&format!("{error}, and would go on; end it first"));
            return Ok(Outcome::No);
        }
        Err(error) => return Err(error.into()),
    };
    output::print(&text)?;
    Ok(Outcome::Done)
}
