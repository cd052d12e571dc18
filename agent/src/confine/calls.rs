//! System calls that a compromised agent would want, and the agent never makes
//! once it has started.
//!
//! What is refused is listed, and not what is needed: the latter depends on the
//! C library and its version, and a call that it begins to make would break the
//! agent. The programs that the agent starts (plugins of kubeconfigs) are held to
//! the same.

use libc::*;

/// Refused with any arguments.
pub(super) const NEVER: &[c_long] = &[
    // Other processes: with CAP_SYS_PTRACE all of them are open to these.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_migrate_pages,
    SYS_move_pages,
    // Files past their paths: with CAP_DAC_READ_SEARCH every file of the node.
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    // Namespaces and what is mounted in them.
    SYS_setns,
    SYS_unshare,
    SYS_mount,
    SYS_umount2,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_pivot_root,
    SYS_chroot,
    SYS_mknodat,
    // The kernel itself.
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_perf_event_open,
    SYS_syslog,
    SYS_reboot,
    // The node.
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_swapon,
    SYS_swapoff,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_vhangup,
    // Parts of the kernel in which many ways up were found.
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_personality,
];

/// The same, of this architecture alone.
#[cfg(target_arch = "x86_64")]
pub(super) const NEVER_HERE: &[c_long] = &[
    SYS_kexec_file_load,
    SYS_mknod,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
];
#[cfg(target_arch = "aarch64")]
pub(super) const NEVER_HERE: &[c_long] = &[
    // kexec_file_load(2), which the crate does not have for musl.
    294,
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const NEVER_HERE: &[c_long] = &[];

/// What bpf(2) may still be asked, by its numbers in linux/bpf.h: to look up,
/// update, delete and walk the entries of maps, to pin an object that is open, and to
/// tell of it. So no program is loaded or attached, no map made, and none of somebody
/// else's opened.
pub(super) const OF_BPF: [u64; 6] = [1, 2, 3, 4, 6, 15];

/// The families of sockets that are made: the control socket and receivers, and
/// netlink for the resolver of host names.
pub(super) const FAMILIES: [c_int; 4] = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];

/// The flags by which clone(2) makes namespaces, as unshare(2) does. A user
/// namespace has every capability in it.
pub(super) const NAMESPACES: [c_int; 7] = [
    CLONE_NEWNS,
    CLONE_NEWCGROUP,
    CLONE_NEWUTS,
    CLONE_NEWIPC,
    CLONE_NEWUSER,
    CLONE_NEWPID,
    CLONE_NEWNET,
];
