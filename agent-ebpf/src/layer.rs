//! Where a file comes from, and whether that is in the container at all.

use crate::kernel::{host_mntns, layout, peek, peek_or_zero};
use crate::maps::{CGROUPS, MNTNS};
use agent_common::layout::ABSENT;
use agent_common::wire::layer;

pub const OVERLAYFS: u64 = 0x794c_7630;
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const HUGETLBFS: u64 = 0x9584_58f6;

/// In what [`execwarden_layer`] returns, beside the layer: the file lies in a
/// mount namespace that is none of the container's.
pub const OUTSIDE: u64 = 1 << 8;

/// Where a mount stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In the task's mount namespace, or another of its container's.
    Inside,
    /// In another.
    Outside,
    /// In none that has a path to it: taken away, or never put anywhere.
    Nowhere,
    /// Its namespace could not be read.
    Unreadable,
}

/// Of the mount at `mount`, for a task in `namespace` (its address).
#[inline(always)]
fn place(mount: u64, namespace: u64, container: u64) -> Place {
    match peek::<u64>(mount, layout!(mount_ns)) {
        None => Place::Unreadable,
        Some(0) => Place::Nowhere,
        Some(own) if own == namespace => Place::Inside,
        // An anonymous namespace has no number.
        Some(other) => match peek::<u64>(other, layout!(mntns_id)) {
            None => Place::Unreadable,
            Some(0) => Place::Nowhere,
            Some(id) if is_of(id, container) => Place::Inside,
            Some(_) => Place::Outside,
        },
    }
}

/// Whether a mount namespace belongs to a container.
#[inline(always)]
fn is_of(namespace: u64, container: u64) -> bool {
    let Some(owner) = MNTNS.get_ptr(&namespace) else {
        return false;
    };
    // SAFETY: values of maps, valid while the program runs.
    let owner = unsafe { *owner };
    if owner == container {
        return true;
    }
    // It was noted under a child cgroup's id, before the child had a name.
    match CGROUPS.get_ptr(&owner) {
        // SAFETY: as above.
        Some(entry) => unsafe { (*entry).container == container },
        None => false,
    }
}

/// Whether a mount stands in a namespace that is none of the container's: 1
/// or 0. What is nowhere leads nowhere.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_outside(mount: u64, namespace: u64, container: u64) -> u64 {
    (place(mount, namespace, container) == Place::Outside) as u64
}

/// The layer of an open file and [`OUTSIDE`], given the mount at the root of
/// its path, the device of the container's root file system, the address of
/// the task's mount namespace, and the container. Likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_layer(
    file: u64,
    root_mount: u64,
    root_dev: u64,
    namespace: u64,
    container: u64,
) -> u64 {
    let inode = peek_or_zero(file, layout!(file_inode));
    let dentry = peek_or_zero(file, layout!(file_dentry));
    let links = peek_or_zero(inode, layout!(inode_nlink)) as u32;
    let hashed = peek_or_zero(dentry, layout!(dentry_pprev));
    if links == 0 || hashed == 0 {
        return layer::MEMORY as u64;
    }
    let mount = peek_or_zero(file, layout!(file_mnt)).wrapping_sub(layout!(mount_mnt) as u64);
    let outside = match place(mount, namespace, container) {
        Place::Inside => 0,
        Place::Outside => OUTSIDE,
        Place::Nowhere => return layer::MEMORY as u64,
        Place::Unreadable => return layer::UNKNOWN as u64,
    };
    let own = peek_or_zero(mount, layout!(mount_ns));
    if peek_or_zero(own, layout!(mntns_inum)) as u32 == host_mntns() {
        return layer::HOST as u64 | outside;
    }
    let superblock = peek_or_zero(inode, layout!(inode_sb));
    let magic = peek_or_zero(superblock, layout!(sb_magic));
    if magic == TMPFS || magic == RAMFS || magic == HUGETLBFS {
        return layer::TMPFS as u64 | outside;
    }
    // An overlay that the container mounted itself is no image of its.
    let dev = peek_or_zero(superblock, layout!(sb_dev)) as u32 as u64;
    if mount != root_mount || dev != root_dev {
        return layer::VOLUME as u64 | outside;
    }
    if magic != OVERLAYFS {
        return layer::IMAGE as u64 | outside;
    }
    if layout!(ovl_upper) as u32 == ABSENT {
        return layer::UNKNOWN as u64;
    }
    let overlay = inode.wrapping_sub(layout!(ovl_inode) as u64);
    match peek::<u64>(overlay, layout!(ovl_upper)) {
        None => layer::UNKNOWN as u64,
        // A container's root is the whole overlay. A folder of it that was
        // mounted and made the root would give its files others' paths.
        Some(0)
            if peek_or_zero(mount, layout!(mount_mnt) + layout!(vfsmount_root))
                != peek_or_zero(superblock, layout!(sb_root)) =>
        {
            layer::VOLUME as u64 | outside
        }
        Some(0) => layer::IMAGE as u64 | outside,
        Some(_) => layer::UPPER as u64 | outside,
    }
}

/// How far from the image a layer is, for the worst of several.
#[inline(always)]
fn distance(layer: u32) -> u32 {
    match layer {
        layer::IMAGE => 0,
        layer::VOLUME => 1,
        layer::HOST => 2,
        layer::TMPFS => 3,
        layer::UPPER => 4,
        layer::MEMORY => 5,
        _ => 6,
    }
}

/// The one that is further from the image.
#[inline(always)]
pub fn worse(one: u32, other: u32) -> u32 {
    if distance(one) >= distance(other) {
        one
    } else {
        other
    }
}

/// The device of the mount's file system.
#[inline(always)]
pub fn mount_dev(mount: u64) -> Option<u32> {
    let root: u64 = peek(mount, layout!(mount_mnt) + layout!(vfsmount_root))?;
    // Every dentry of a mount is of its superblock; the root's inode has it.
    let inode: u64 = peek(root, layout!(dentry_inode))?;
    let superblock: u64 = peek(inode, layout!(inode_sb))?;
    peek(superblock, layout!(sb_dev))
}
