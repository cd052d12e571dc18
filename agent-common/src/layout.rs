//! Where the kernel keeps what the programs read.
//!
//! Rust has no relocations for kernel structs: the agent looks every offset up
//! in the running kernel's BTF and hands the whole [`Layout`] to the programs
//! as one frozen read-only global, so that the verifier sees constants.

/// The offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

macro_rules! layout {
    ($($(#[$doc:meta])* $field:ident: $need:ident [$($member:literal),+],)*) => {
        /// Offsets in bytes from the beginning of the struct, and what else is
        /// constant while the programs are loaded.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Layout {
            $($(#[$doc])* pub $field: u32,)*
        }

        #[cfg(feature = "user")]
        // SAFETY: `repr(C)` and nothing but `u32`.
        unsafe impl aya::Pod for Layout {}

        impl Layout {
            /// Nothing looked up yet.
            pub const EMPTY: Self = Self { $($field: 0,)* };

            /// Every field with the members that may hold it, newest kernel
            /// first, as `struct.member.member`.
            pub const FIELDS: &'static [Field] = &[
                $(Field {
                    name: stringify!($field),
                    members: &[$($member),+],
                    need: Need::$need,
                    set: |layout, offset| layout.$field = offset,
                },)*
            ];
        }
    };
}

/// One offset to look up.
pub struct Field {
    /// Its name in [`Layout`].
    pub name: &'static str,
    /// Where it may be, newest kernel first.
    pub members: &'static [&'static str],
    /// Whether the programs can do without.
    pub need: Need,
    /// Puts it into its place.
    pub set: fn(&mut Layout, u32),
}

/// Whether the programs can do without a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing works without it.
    Must,
    /// Only the layers `image` and `upper` need it; it may stand in the
    /// overlay module's BTF.
    Overlay,
}

layout! {
    // The fast path's, side by side in two cache lines.
    /// `task_struct.cgroups`: `css_set *`.
    task_cgroups: Must ["task_struct.cgroups"],
    /// `css_set.dfl_cgrp`: the task's cgroup in the v2 hierarchy.
    css_set_cgroup: Must ["css_set.dfl_cgrp"],
    /// `cgroup.kn`.
    cgroup_kn: Must ["cgroup.kn"],
    /// `kernfs_node.id`.
    kn_id: Must ["kernfs_node.id"],
    /// `task_struct.nsproxy`.
    task_nsproxy: Must ["task_struct.nsproxy"],
    /// `nsproxy.mnt_ns`.
    nsproxy_mnt: Must ["nsproxy.mnt_ns"],
    /// `linux_binprm.file`.
    bprm_file: Must ["linux_binprm.file"],
    /// `linux_binprm.filename`.
    bprm_filename: Must ["linux_binprm.filename"],
    /// `linux_binprm.interp`.
    bprm_interp: Must ["linux_binprm.interp"],
    /// `file.f_inode`.
    file_inode: Must ["file.f_inode"],
    /// `file.f_path.mnt`.
    file_mnt: Must ["file.f_path.mnt"],
    /// `file.f_path.dentry`.
    file_dentry: Must ["file.f_path.dentry"],
    /// `inode.i_sb`.
    inode_sb: Must ["inode.i_sb"],
    /// `inode.i_ino`.
    inode_ino: Must ["inode.i_ino"],
    /// `inode.i_size`.
    inode_size: Must ["inode.i_size"],
    /// `inode.i_nlink`.
    inode_nlink: Must ["inode.i_nlink"],
    /// Seconds of the inode's change time.
    inode_ctime_sec: Must ["inode.i_ctime_sec", "inode.__i_ctime.tv_sec", "inode.i_ctime.tv_sec"],
    /// Nanoseconds of the inode's change time.
    inode_ctime_nsec: Must [
        "inode.i_ctime_nsec", "inode.__i_ctime.tv_nsec", "inode.i_ctime.tv_nsec"
    ],
    /// `inode.i_generation`.
    inode_generation: Must ["inode.i_generation"],
    /// `super_block.s_dev`.
    sb_dev: Must ["super_block.s_dev"],
    /// `dentry.d_name.hash_len`: the hash in the low half, the length above.
    dentry_hash_len: Must ["dentry.d_name.hash_len", "dentry.__d_name.hash_len"],
    /// `dentry.d_hash.pprev`: null when the name was removed.
    dentry_pprev: Must ["dentry.d_hash.pprev"],
    // All others.
    /// `task_struct.real_parent`.
    task_real_parent: Must ["task_struct.real_parent"],
    /// `task_struct.tgid`.
    task_tgid: Must ["task_struct.tgid"],
    /// `task_struct.start_boottime`, nanoseconds.
    task_start: Must ["task_struct.start_boottime", "task_struct.real_start_time"],
    /// `task_struct.cred`.
    task_cred: Must ["task_struct.cred"],
    /// `task_struct.comm`.
    task_comm: Must ["task_struct.comm"],
    /// `task_struct.signal`.
    task_signal: Must ["task_struct.signal"],
    /// `task_struct.fs`.
    task_fs: Must ["task_struct.fs"],
    /// `signal_struct.tty`.
    signal_tty: Must ["signal_struct.tty"],
    /// `cred.uid`.
    cred_uid: Must ["cred.uid"],
    /// `cred.euid`.
    cred_euid: Must ["cred.euid"],
    /// `fs_struct.pwd.mnt`.
    fs_pwd_mnt: Must ["fs_struct.pwd.mnt"],
    /// `fs_struct.pwd.dentry`.
    fs_pwd_dentry: Must ["fs_struct.pwd.dentry"],
    /// `cgroup.self.parent`.
    cgroup_parent: Must ["cgroup.self.parent"],
    /// `cgroup.self`: from the parent's css back to its cgroup.
    cgroup_self: Must ["cgroup.self"],
    /// `cgroup.root`: one hierarchy has one root.
    cgroup_root: Must ["cgroup.root"],
    /// `mnt_namespace.ns.inum`.
    mntns_inum: Must ["mnt_namespace.ns.inum"],
    /// A 64-bit number of the mount namespace that is never used twice.
    mntns_id: Must ["mnt_namespace.ns.ns_id", "mnt_namespace.seq"],
    /// `super_block.s_magic`.
    sb_magic: Must ["super_block.s_magic"],
    /// `dentry.d_parent`.
    dentry_parent: Must ["dentry.d_parent"],
    /// `dentry.d_inode`.
    dentry_inode: Must ["dentry.d_inode"],
    /// `dentry.d_name.name`.
    dentry_name: Must ["dentry.d_name.name", "dentry.__d_name.name"],
    /// `vfsmount.mnt_root`.
    vfsmount_root: Must ["vfsmount.mnt_root"],
    /// `mount.mnt`: from a `vfsmount` back to its `mount`.
    mount_mnt: Must ["mount.mnt"],
    /// `mount.mnt_parent`.
    mount_parent: Must ["mount.mnt_parent"],
    /// `mount.mnt_mountpoint`.
    mount_mountpoint: Must ["mount.mnt_mountpoint"],
    /// `mount.mnt_ns`.
    mount_ns: Must ["mount.mnt_ns"],
    /// `ovl_inode.vfs_inode`: from the inode back to overlayfs's own.
    ovl_inode: Overlay ["ovl_inode.vfs_inode"],
    /// `ovl_inode.__upperdentry`: null while the file is the image's.
    ovl_upper: Overlay ["ovl_inode.__upperdentry"],
}
