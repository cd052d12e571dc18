//! What is unpacked below `target/setup`.

/// Debian packages that are unpacked and not installed: that would replace
/// something of the machine's, or bring a service to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unpacked {
    /// Their names: what is used, and libraries that nothing else has brought.
    pub packages: &'static [&'static str],
    /// Where below `target/setup`.
    pub folder: &'static str,
    /// Why.
    pub what_for: &'static str,
    /// What to bring where there is no apt.
    pub by_hand: &'static str,
}

pub const BUSYBOX: Unpacked = Unpacked {
    packages: &["busybox-static"],
    folder: "",
    what_for: "the containers' programs; the system's own stays",
    by_hand: "busybox (a static build, on PATH)",
};

pub const PROMETHEUS: Unpacked = Unpacked {
    packages: &["prometheus"],
    folder: "",
    what_for: "a real monitoring system; it starts no service",
    by_hand: "prometheus (with promtool, on PATH)",
};

/// The kustomize in it is of 2019: what it renders, every later one does.
pub const KUBECTL: Unpacked = Unpacked {
    packages: &["kubernetes-client"],
    folder: "",
    what_for: "to render what deploys the agent; the system's kubectl stays",
    by_hand: "kubectl (on PATH)",
};

/// Installing it takes twenty seconds, and has systemd listen for podman's clients
/// on a machine that wanted to run tests.
pub const PODMAN: Unpacked = Unpacked {
    packages: &[
        "podman",
        "conmon",
        "libassuan0",
        "libdevmapper1.02.1",
        "libglib2.0-0",
        "libgpgme11",
        "libsubid4",
    ],
    folder: testbed::podman::UNPACKED,
    what_for: "an engine of the tests' own; nothing is started",
    by_hand: "podman",
};

/// As a package it would take rsyslog's place. What else it needs, Debian or the
/// set-up brings.
pub const SYSLOG_NG: Unpacked = Unpacked {
    packages: &[
        "syslog-ng-core",
        "libglib2.0-0",
        "libivykis0",
        "libjson-c5",
        "libnet1",
        "libpcre3",
        "libwrap0",
    ],
    folder: testbed::syslog_ng::UNPACKED,
    what_for: "another syslog receiver; nothing is started, and the system's own stays",
    by_hand: "syslog-ng (3.38 or later)",
};

pub const DEBOOTSTRAP: Unpacked = Unpacked {
    packages: &["debootstrap"],
    folder: "",
    what_for: "roots of Debian's packages",
    by_hand: "debootstrap (on PATH)",
};
