//! Capabilities by the names that people know.

/// By number, as `linux/capability.h` has them; the last came with 5.9.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The names of the bits that are set, lowest first; a bit that has none yet
/// is its number.
pub(super) fn names(bits: u64) -> Vec<String> {
    (0..64)
        .filter(|bit| bits & 1 << bit != 0)
        .map(|bit| match NAMES.get(bit) {
            Some(name) => (*name).to_owned(),
            None => bit.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_the_kernels_names() {
        assert_eq!(names(0), [""; 0]);
        assert_eq!(names(1 << 7 | 1 << 21), ["CAP_SETUID", "CAP_SYS_ADMIN"]);
        assert_eq!(
            names(1 << 31 | 1 << 40),
            ["CAP_SETFCAP", "CAP_CHECKPOINT_RESTORE"]
        );
        assert_eq!(names(1 << 41 | 1 << 63), ["41", "63"]);
    }
}
