//! Rules that somebody else wrote to.

use super::files::Folder;
use super::watch::watching;
use crate::meddler::Meddler;
use agent_common::wire::mode::ENFORCE;
use anyhow::{Result, ensure};
use execwarden::model::{Identity, Tampering};

pub fn b37_what_somebody_else_wrote_is_found_and_put_back() -> Result<()> {
    watching(|watch| {
        let folder = Folder::new()?;
        let hello = folder.hello("hello")?;
        let mut web = watch.container(ENFORCE)?;
        let other = watch.container(ENFORCE)?;
        watch.allow(&web, &Identity::image(&hello))?;
        web.exec(&[&hello])?;
        let (found, put_back) = watch.kernel.put_back();
        put_back?;
        ensure!(found.is_empty(), "nobody wrote: {found:?}");

        let mut meddler = Meddler::new()?;
        let slot = web.slot();
        let entries = meddler.entries(slot.0);
        ensure!(meddler.remove_entries(slot.0)? == entries.len() as u64 && !entries.is_empty());
        meddler.add_entry(slot.0)?;
        meddler.switch_off(slot.0)?;
        meddler.move_container(other.id().0, slot.0)?;
        let (found, put_back) = watch.kernel.put_back();
        put_back?;

        let of = |slot| found.get(&slot).copied().unwrap_or_default();
        let expected = Tampering {
            added: 1,
            removed: entries.len() as u64,
            changed: 1,
        };
        ensure!(of(slot) == expected, "{found:?}");
        let moved = Tampering {
            changed: 1,
            ..Tampering::default()
        };
        ensure!(of(other.slot()) == moved, "{found:?}");
        ensure!(meddler.entries(slot.0) == entries);
        ensure!(meddler.slot_of(other.id().0)? == other.slot().0);
        let (found, _) = watch.kernel.put_back();
        ensure!(found.is_empty(), "it was put back: {found:?}");
        web.exec(&[&hello])?;
        ensure!(watch.seen(&web).is_empty(), "it is allowed as before");
        Ok(())
    })
}
