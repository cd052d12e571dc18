//! This machine's own kernel.

use crate::kernel::btf::Btf;
use proptest::prelude::*;
use std::path::Path;
use std::time::Instant;

/// `None`, and said so, where the kernel has none.
fn vmlinux() -> Option<Vec<u8>> {
    let path = Path::new("/sys/kernel/btf/vmlinux");
    if path.exists() {
        return Some(std::fs::read(path).unwrap());
    }
    assert!(std::env::var_os("CI").is_none(), "this kernel has no BTF");
    eprintln!("skipped: this kernel has no BTF");
    None
}

#[test]
fn has_the_fields_that_identity_is_read_from() {
    let Some(bytes) = vmlinux() else { return };
    let start = Instant::now();
    let btf = Btf::parse(&bytes).unwrap();
    println!("parse: {:?}, {} types", start.elapsed(), btf.types.len());

    let start = Instant::now();
    let mut missing = Vec::new();
    for (strukt, path) in [
        ("task_struct", "pid"),
        ("task_struct", "tgid"),
        ("task_struct", "start_boottime"),
        ("task_struct", "real_parent"),
        ("task_struct", "comm"),
        ("task_struct", "cred"),
        ("task_struct", "nsproxy"),
        ("task_struct", "cgroups"),
        ("linux_binprm", "file"),
        ("linux_binprm", "filename"),
        ("linux_binprm", "interp"),
        ("file", "f_inode"),
        ("file", "f_path"),
        ("file", "f_path.dentry"),
        ("file", "f_path.mnt"),
        ("dentry", "d_parent"),
        ("dentry", "d_name"),
        ("dentry", "d_name.hash_len"),
        ("dentry", "d_name.name"),
        ("inode", "i_ino"),
        ("inode", "i_nlink"),
        ("inode", "i_sb"),
        ("inode", "i_generation"),
        ("super_block", "s_dev"),
        ("super_block", "s_magic"),
        ("mount", "mnt_parent"),
        ("mount", "mnt_mountpoint"),
        ("mount", "mnt.mnt_root"),
        ("cgroup", "kn"),
        ("kernfs_node", "id"),
        ("nsproxy", "mnt_ns"),
        ("mnt_namespace", "ns.inum"),
    ] {
        match btf.offset_of(strukt, path) {
            Ok(offset) => println!("{strukt}.{path}: {offset}"),
            Err(error) => missing.push(error.to_string()),
        }
    }
    println!("questions: {:?}", start.elapsed());
    assert!(missing.is_empty(), "{missing:#?}");
    // The first member of its struct in every kernel.
    assert_eq!(btf.offset_of("mount", "mnt_hash"), Ok(0));
    // Many kernels have overlayfs as a module.
    if btf.has_struct("ovl_inode") {
        assert!(btf.offset_of("ovl_inode", "__upperdentry").is_ok());
        assert!(btf.offset_of("ovl_inode", "vfs_inode").is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn changed_bytes_never_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..200),
    ) {
        let Some(mut bytes) = vmlinux() else { return Ok(()) };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            let _ = btf.offset_of("file", "f_path.dentry");
            let _ = btf.offset_of("page", "nothing");
        }
    }
}
