//! What a process can do once it is confined: in processes of their own, since
//! nothing of it can be taken back.

use super::calls::{FAMILIES, NAMESPACES, NEVER, NEVER_HERE, OF_BPF};
use super::*;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;

/// Set in the process that a test starts to be confined.
const IS_CONFINED: &str = "EXECWARDEN_TEST_IS_CONFINED";

fn is_confined() -> bool {
    std::env::var_os(IS_CONFINED).is_some()
}

fn run_confined(test: &str) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", &format!("confine::tests::{test}")])
        .env(IS_CONFINED, "yes")
        .output()
        .expect("started");

    assert!(output.status.success(), "{test}: {output:?}");
}

/// A line of this thread's status.
fn status(key: &str) -> String {
    let text = fs::read_to_string("/proc/thread-self/status").expect("a status");
    let mut lines = text.lines().filter_map(|line| line.split_once(":\t"));
    let line = lines.find(|(name, _)| *name == key);
    line.expect("such a line").1.to_owned()
}

/// The error of a call whose six arguments are these and then nonsense.
#[expect(
    unsafe_code,
    reason = "calls that no crate has, with no valid argument"
)]
fn error_of(call: libc::c_long, first: u64) -> Option<i32> {
    // SAFETY: no address among the arguments is mapped, so nothing is written.
    let result = unsafe { libc::syscall(call, first, -1i64, -1i64, -1i64, -1i64, -1i64) };
    (result < 0).then(|| io::Error::last_os_error().raw_os_error().expect("errno"))
}

#[test]
fn refused_calls_are_refused_whoever_makes_them() {
    if !is_confined() {
        return run_confined("refused_calls_are_refused_whoever_makes_them");
    }
    // With every capability that this process has: it is the filter that refuses.
    thread::spawn(|| {
        thread::sleep(std::time::Duration::from_secs(1000));
    });
    rustix::thread::set_no_new_privs(true).expect("set");
    filter_calls().expect("filtered");
    assert_eq!(status("Seccomp"), "2");
    let refused = Some(libc::EPERM);

    let nonsense = u64::MAX;
    // First of all one that does no harm if the filter does not hold.
    assert_eq!(error_of(libc::SYS_ptrace, nonsense), refused);
    for call in NEVER.iter().chain(NEVER_HERE) {
        assert_eq!(error_of(*call, nonsense), refused, "{call}");
    }
    for command in 0..64 {
        let error = error_of(libc::SYS_bpf, command);
        assert_eq!(error == refused, !OF_BPF.contains(&command), "{command}");
    }
    for family in 0..64 {
        let is_made = FAMILIES.contains(&family);
        let error = error_of(libc::SYS_socket, family as u64);
        assert_eq!(error == refused, !is_made, "{family}");
    }
    for flag in NAMESPACES {
        let error = error_of(libc::SYS_clone, flag as u64 | libc::SIGCHLD as u64);
        assert_eq!(error, refused, "{flag:#x}");
    }
    assert_eq!(error_of(libc::SYS_clone3, nonsense), Some(libc::ENOSYS));
    #[cfg(target_arch = "x86_64")]
    assert_eq!(error_of(0x4000_0000 | libc::SYS_getpid, nonsense), refused);

    // Every thread is held to it, and every program that is started.
    let other = thread::spawn(move || error_of(libc::SYS_ptrace, nonsense));
    assert_eq!(other.join().expect("ended"), refused);
    let unshare = Command::new("unshare").args(["--mount", "true"]).output();
    let unshare = unshare.expect("started");
    let said = String::from_utf8_lossy(&unshare.stderr);
    assert!(said.contains("not permitted"), "{unshare:?}");
}

#[test]
fn a_confined_process_goes_about_its_work() {
    if !is_confined() {
        return run_confined("a_confined_process_goes_about_its_work");
    }
    let confinement = confine();

    // This test is not on its process's first thread.
    let [other] = &*confinement.problems else {
        panic!("{confinement:?}");
    };
    assert_eq!(
        other,
        "threads that keep the capabilities that they have: 1"
    );
    assert!(confinement.calls_are_filtered);

    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("new"), "x").expect("written");
    fs::rename(at("new"), at("file")).expect("renamed");
    let _socket = UnixListener::bind(at("socket")).expect("bound");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("bound");
    TcpStream::connect(address).expect("connected");
    ("localhost", 1).to_socket_addrs().expect("resolved");
    assert_eq!(thread::spawn(|| 1).join().expect("ended"), 1);
    let echo = Command::new("sh").args(["-c", "echo $(echo a)"]).output();
    assert_eq!(echo.expect("started").stdout, b"a\n");
}

#[test]
fn capabilities_are_gone_from_every_set_and_for_every_program() {
    if !is_confined() {
        return run_confined("capabilities_are_gone_from_every_set_and_for_every_program");
    }
    let held = rustix::thread::capabilities(None).expect("known").permitted;
    let confinement = confine();

    let kept = format!("{:016x}", confinement.capabilities.bits());
    let none = "0000000000000000";
    let version = KernelVersion::current().ok();
    let needed = capabilities::needed_at_run_time(held, version);
    assert_eq!(confinement.capabilities, needed);
    assert_eq!((status("CapPrm"), status("CapEff")), (kept.clone(), kept));
    assert_eq!((&*status("CapInh"), &*status("CapAmb")), (none, none));
    assert_eq!(status("NoNewPrivs"), "1");

    let program = Command::new("cat")
        .arg("/proc/self/status")
        .stderr(Stdio::inherit())
        .output();
    let program = String::from_utf8(program.expect("started").stdout).expect("text");
    let has = |line: &str| program.lines().any(|one| one == line);
    assert!(has("NoNewPrivs:\t1") && has("Seccomp:\t2"), "{program}");
    if held.contains(CapabilitySet::SETPCAP) {
        assert_eq!(status("CapBnd"), none);
        assert!(has(&format!("CapPrm:\t{none}")), "{program}");
    }
}
