//! Known, learning, deviating.

use anyhow::Result;
use execwarden::kernel::{Kernel, Sizes};

pub fn the_programs_load_and_attach() -> Result<()> {
    let mut kernel = Kernel::load(Sizes::default())?;

    kernel.attach()?;

    Ok(())
}
