//! Where the kernel keeps what the programs read.
//!
//! Rust has no relocations for kernel structs, so this is one: wherever the
//! programs need an offset they load a 64-bit constant with [`MARK`] in its
//! upper half and the offset's own place in [`Layout`] in its lower half. The
//! agent looks every offset up in the running kernel's BTF and puts them in the
//! constants' place before it loads the programs, so that neither the verifier
//! nor an exec has to fetch them from memory.

/// The offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// The upper half of a constant that stands for an offset.
pub const MARK: u32 = 0x7761_7264;

/// What the lower half says where no offset is meant, but the inode number of
/// the host's mount namespace.
pub const HOST_MNTNS: u32 = u32::MAX;

/// The same, but whether this kernel preempts a program at a tracepoint: 1 or
/// 0.
pub const PREEMPTIBLE: u32 = u32::MAX - 1;

/// The same, but the machines (`e_machine` of an ELF file) whose programs this
/// kernel runs itself, one in each half; 0 where it asks nobody before an exec.
pub const MACHINES: u32 = u32::MAX - 2;

macro_rules! layout {
    ($($(#[$doc:meta])* $field:ident: $need:ident [$($member:literal),+],)*) => {
        /// Offsets in bytes from the beginning of the struct.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Layout {
            $($(#[$doc])* pub $field: u32,)*
        }

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
                    place: core::mem::offset_of!(Layout, $field) as u32,
                    get: |layout| layout.$field,
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
    /// Its own place in [`Layout`], in bytes.
    pub place: u32,
    /// Takes it from its place.
    pub get: fn(&Layout) -> u32,
    /// Puts it into its place.
    pub set: fn(&mut Layout, u32),
}

/// Whether the programs can do without a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing works without it.
    Must,
    /// Only what lies on overlayfs needs it: to tell `image` from `upper`, and
    /// a loader from a script. It may stand in the overlay module's BTF.
    Overlay,
    /// Evidence that is left out where it is missing.
    Evidence,
}

layout! {
    /// `task_struct.cgroups`: `css_set *`.
    task_cgroups: Must ["task_struct.cgroups"],
    /// `css_set.dfl_cgrp`: the task's cgroup in the v2 hierarchy.
    css_set_cgroup: Must ["css_set.dfl_cgrp"],
    /// `cgroup.self.serial_nr`: a 64-bit number that is never used twice.
    cgroup_serial: Must ["cgroup.self.serial_nr"],
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
    /// `linux_binprm.execfd`: the descriptor of the file that a format wants
    /// handed over open.
    bprm_execfd: Must ["linux_binprm.execfd"],
    /// `linux_binprm.filename`.
    bprm_filename: Must ["linux_binprm.filename"],
    /// `linux_binprm.interp`.
    bprm_interp: Must ["linux_binprm.interp"],
    /// `linux_binprm.buf`: how the file begins.
    bprm_buf: Must ["linux_binprm.buf"],
    /// The number of the system call that a task is in: x86-64.
    regs_call: Evidence ["pt_regs.orig_ax"],
    /// Its second argument.
    regs_second: Evidence ["pt_regs.si"],
    /// Its third.
    regs_third: Evidence ["pt_regs.dx"],
    /// The second of a 32-bit call.
    regs_second_of_32: Evidence ["pt_regs.cx"],
    /// Where perf's form of `sched_process_exec` says where the name is.
    event_filename: Evidence ["trace_event_raw_sched_process_exec.__data_loc_filename"],
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
    /// `inode.i_mode`.
    inode_mode: Must ["inode.i_mode"],
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
    /// `task_struct.fs`.
    task_fs: Must ["task_struct.fs"],
    /// `task_struct.files`.
    task_files: Must ["task_struct.files"],
    /// `files_struct.fdt`.
    files_table: Must ["files_struct.fdt"],
    /// `fdtable.fd`: an array of `struct file *`.
    table_files: Must ["fdtable.fd"],
    /// `fs_struct.pwd.mnt`.
    fs_pwd_mnt: Must ["fs_struct.pwd.mnt"],
    /// `mount.mnt`: from a `vfsmount` back to its `mount`.
    mount_mnt: Must ["mount.mnt"],
    /// `mount.mnt_ns`.
    mount_ns: Must ["mount.mnt_ns"],
    /// `task_struct.real_parent`.
    task_real_parent: Must ["task_struct.real_parent"],
    /// `task_struct.tgid`.
    task_tgid: Must ["task_struct.tgid"],
    /// `task_struct.start_boottime`, nanoseconds.
    task_start: Must ["task_struct.start_boottime", "task_struct.real_start_time"],
    /// `task_struct.self_exec_id`: how many execs it and those before it have
    /// made.
    task_exec_id: Must ["task_struct.self_exec_id"],
    /// `task_struct.group_leader`.
    task_leader: Must ["task_struct.group_leader"],
    /// `task_struct.mm`: null for a kernel thread.
    task_mm: Must ["task_struct.mm"],
    /// `task_struct.task_works`: what is done before the task returns to user
    /// space, the newest first.
    task_works: Must ["task_struct.task_works"],
    /// `task_struct.thread_pid`.
    task_thread_pid: Must ["task_struct.thread_pid"],
    /// `task_struct.loginuid`: only with auditing.
    task_loginuid: Evidence ["task_struct.loginuid"],
    /// `callback_head.next`.
    callback_next: Must ["callback_head.next"],
    /// The `callback_head` in a file that waits to be closed.
    file_work: Must ["file.f_task_work", "file.f_rcuhead", "file.f_u.fu_rcuhead"],
    /// `file.f_flags`.
    file_flags: Must ["file.f_flags"],
    /// `file.f_cred`: the credentials it was opened with.
    file_cred: Must ["file.f_cred"],
    /// `file.private_data`: on overlayfs what leads to the file of a layer.
    file_private: Must ["file.private_data"],
    /// How often a file is referred to, less one.
    file_more_refs: Overlay ["file.f_ref.refcnt.counter"],
    /// How often a file is referred to, in kernels before 6.13.
    file_refs: Overlay ["file.f_count.counter"],
    /// `mm_struct.arg_start`.
    mm_arg_start: Must ["mm_struct.arg_start"],
    /// `mm_struct.arg_end`.
    mm_arg_end: Must ["mm_struct.arg_end"],
    /// `mm_struct.saved_auxv`: what the kernel tells a program when it starts.
    mm_auxv: Must ["mm_struct.saved_auxv"],
    /// `mm_struct.exe_file`.
    mm_exe_file: Must ["mm_struct.exe_file"],
    /// `pid.level`: how deep its pid namespace is.
    pid_level: Must ["pid.level"],
    /// `pid.numbers`: one `upid` for each level.
    pid_numbers: Must ["pid.numbers"],
    /// `upid.ns`, the second of a `upid`'s two fields.
    upid_ns: Must ["upid.ns"],
    /// `task_struct.cred`.
    task_cred: Must ["task_struct.cred"],
    /// `task_struct.comm`.
    task_comm: Must ["task_struct.comm"],
    /// `task_struct.signal`.
    task_signal: Must ["task_struct.signal"],
    /// `signal_struct.tty`.
    signal_tty: Must ["signal_struct.tty"],
    /// `cred.uid`.
    cred_uid: Must ["cred.uid"],
    /// `cred.euid`.
    cred_euid: Must ["cred.euid"],
    /// `cred.cap_effective`: 64 bits.
    cred_capabilities: Must ["cred.cap_effective"],
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
    /// `super_block.s_root`.
    sb_root: Must ["super_block.s_root"],
    /// `dentry.d_parent`.
    dentry_parent: Must ["dentry.d_parent"],
    /// `dentry.d_inode`.
    dentry_inode: Must ["dentry.d_inode"],
    /// `dentry.d_name.name`.
    dentry_name: Must ["dentry.d_name.name", "dentry.__d_name.name"],
    /// `vfsmount.mnt_root`.
    vfsmount_root: Must ["vfsmount.mnt_root"],
    /// `vfsmount.mnt_sb`.
    vfsmount_sb: Must ["vfsmount.mnt_sb"],
    /// `super_block.s_type`.
    sb_type: Must ["super_block.s_type"],
    /// `file_system_type.name`.
    fs_type_name: Must ["file_system_type.name"],
    /// `mount.mnt_parent`.
    mount_parent: Must ["mount.mnt_parent"],
    /// `mount.mnt_mountpoint`.
    mount_mountpoint: Must ["mount.mnt_mountpoint"],
    /// `ovl_inode.vfs_inode`: from the inode back to overlayfs's own.
    ovl_inode: Overlay ["ovl_inode.vfs_inode"],
    /// `ovl_inode.__upperdentry`: null while the file is the image's.
    ovl_upper: Overlay ["ovl_inode.__upperdentry"],
    /// `ovl_file.realfile`: the file of a layer; before 6.13 an overlay's file
    /// has that itself for its `private_data`.
    ovl_realfile: Overlay ["ovl_file.realfile"],
}
