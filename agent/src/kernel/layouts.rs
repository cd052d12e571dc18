//! Fills the programs' [`Layout`] from the running kernel's BTF.

use super::{Btf, BtfError};
use agent_common::layout::{ABSENT, Layout, Need};

/// The kernel does not say where a field is.
#[derive(Debug, thiserror::Error)]
#[error(
    "this kernel's BTF does not have {field}, looked for as {tried}; execwarden does not know this kernel yet"
)]
pub struct LayoutError {
    /// The field's name in [`Layout`].
    pub field: &'static str,
    /// Every `struct.member` that was tried.
    pub tried: String,
    /// What the last of them said.
    #[source]
    pub source: BtfError,
}

/// Looks every field up. `overlay` is the overlay module's BTF where overlayfs
/// is a module; without it in either place its fields are [`ABSENT`].
pub fn find_layout(vmlinux: &Btf, overlay: Option<&Btf>) -> Result<Layout, LayoutError> {
    let mut layout = Layout::EMPTY;
    for field in Layout::FIELDS {
        let mut found = find(vmlinux, field.members);
        if found.is_err()
            && field.need == Need::Overlay
            && let Some(overlay) = overlay
        {
            found = find(overlay, field.members);
        }
        let offset = match (found, field.need) {
            (Ok(offset), _) => offset,
            (Err(_), Need::Overlay) => ABSENT,
            (Err(source), Need::Must) => {
                return Err(LayoutError {
                    field: field.name,
                    tried: field.members.join(", "),
                    source,
                });
            }
        };
        (field.set)(&mut layout, offset);
    }
    Ok(layout)
}

fn find(btf: &Btf, members: &[&str]) -> Result<u32, BtfError> {
    let mut last = None;
    for member in members {
        let (strukt, path) = member
            .split_once('.')
            .expect("Layout::FIELDS names struct.member");
        match btf.offset_of(strukt, path) {
            Ok(offset) => return Ok(offset),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("Layout::FIELDS names at least one member"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_in_the_running_kernel() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            eprintln!("skipped: /sys/kernel/btf/vmlinux cannot be read");
            return;
        };

        let layout = find_layout(&Btf::parse(&bytes).unwrap(), None).unwrap();

        assert_ne!(layout.task_cgroups, 0);
        assert_ne!(layout.bprm_file, ABSENT);
    }
}
