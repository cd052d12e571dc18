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

/// Where overlayfs's own types are, if not among the kernel's.
#[derive(Debug)]
pub enum OverlayTypes<'a> {
    /// In the module's BTF.
    Module(Btf<'a>),
    /// Nowhere: this kernel has BTF for none of its modules, as all before 5.11.
    Untold,
    /// Nowhere yet: the module is not loaded.
    NotLoaded,
}

/// Looks every field up. Those of overlayfs are [`ABSENT`] while its module is
/// not loaded.
pub fn find_layout(vmlinux: &Btf, overlay: &OverlayTypes) -> Result<Layout, LayoutError> {
    let mut layout = Layout::EMPTY;
    for field in Layout::FIELDS {
        let mut found = find(vmlinux, field.members);
        if found.is_err()
            && field.need == Need::Overlay
            && let OverlayTypes::Module(overlay) = overlay
        {
            found = find(overlay, field.members);
        }
        let offset = match (found, field.need) {
            (Ok(offset), _) => offset,
            (Err(_), Need::Overlay | Need::Evidence) => ABSENT,
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
    if layout.ovl_upper == ABSENT && matches!(overlay, OverlayTypes::Untold) {
        (layout.ovl_inode, layout.ovl_upper) = (0, behind_inode(vmlinux)?);
    }
    Ok(layout)
}

/// Where overlayfs keeps the upper dentry, from the inode on: right behind it,
/// in every kernel since `struct ovl_inode` is there (4.13). The suite holds
/// this against every kernel that does tell.
fn behind_inode(vmlinux: &Btf) -> Result<u32, LayoutError> {
    vmlinux
        .size_of_struct("inode")
        .map_err(|source| LayoutError {
            field: "ovl_upper",
            tried: "struct inode's size".to_owned(),
            source,
        })
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

        let layout = find_layout(&Btf::parse(&bytes).unwrap(), &OverlayTypes::NotLoaded).unwrap();

        assert_ne!(layout.task_cgroups, 0);
        assert_ne!(layout.bprm_file, ABSENT);
    }
}
