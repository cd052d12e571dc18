//! Which capabilities runtime work needs.

use procfs::KernelVersion;
use rustix::thread::CapabilitySet;

/// Before this kernel, who may not make maps may not use them either, not even
/// through a descriptor (unless `kernel.unprivileged_bpf_disabled` is 0).
const DESCRIPTORS_SUFFICE: KernelVersion = KernelVersion {
    major: 5,
    minor: 19,
    patch: 0,
};

/// What the running agent needs of what it holds. A kernel that does not tell its
/// version is taken for an old one.
///
/// - CAP_SYS_PTRACE: namespaces, executables and files of containers' processes
///   are looked at through `/proc/<pid>`
/// - CAP_DAC_READ_SEARCH: files of containers, runtimes and operators that belong
///   to other users
/// - CAP_BPF: the maps, on an old kernel
/// - CAP_KILL: where what deviates is stopped, what began before it was known
pub(super) fn needed_at_run_time(
    held: CapabilitySet,
    version: Option<KernelVersion>,
) -> CapabilitySet {
    let either = |narrow: CapabilitySet, wide| match held.contains(narrow) {
        true => narrow,
        false => held & wide,
    };
    let mut needed = held & (CapabilitySet::SYS_PTRACE | CapabilitySet::KILL);
    needed |= either(CapabilitySet::DAC_READ_SEARCH, CapabilitySet::DAC_OVERRIDE);
    if version.is_none_or(|version| version < DESCRIPTORS_SUFFICE) {
        needed |= either(CapabilitySet::BPF, CapabilitySet::SYS_ADMIN);
    }
    needed
}

/// The kernel's names of them, in the order of their numbers.
pub fn names(set: CapabilitySet) -> Vec<String> {
    { set.iter_names() }
        .map(|(name, _)| format!("CAP_{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: CapabilitySet = CapabilitySet::all();
    const NEW: Option<KernelVersion> = Some(KernelVersion {
        major: 6,
        minor: 1,
        patch: 0,
    });
    const OLD: Option<KernelVersion> = Some(KernelVersion {
        major: 5,
        minor: 18,
        patch: 19,
    });

    fn kept(held: CapabilitySet, version: Option<KernelVersion>) -> Vec<String> {
        names(needed_at_run_time(held, version))
    }

    #[test]
    fn what_runtime_work_needs_is_kept_and_nothing_else() {
        let files = ["CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_PTRACE"];
        let maps = [
            "CAP_DAC_READ_SEARCH",
            "CAP_KILL",
            "CAP_SYS_PTRACE",
            "CAP_BPF",
        ];

        assert_eq!(kept(ALL, NEW), files);
        assert_eq!(kept(ALL, OLD), maps);
        assert_eq!(kept(ALL, None), maps);
    }

    #[test]
    fn a_wider_one_is_kept_only_in_the_place_of_a_narrower_one() {
        let narrow = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::BPF;

        assert_eq!(
            kept(ALL - narrow, OLD),
            [
                "CAP_DAC_OVERRIDE",
                "CAP_KILL",
                "CAP_SYS_PTRACE",
                "CAP_SYS_ADMIN"
            ]
        );
    }

    #[test]
    fn what_is_not_held_is_not_asked_for() {
        assert_eq!(kept(CapabilitySet::empty(), None), [""; 0]);
        assert_eq!(kept(CapabilitySet::SYS_ADMIN, NEW), [""; 0]);
    }
}
