//! Real files and real processes.

use super::*;
use crate::model::Digest;
use crate::model::Inspection;
use rustix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped());
        // Another test may fork while this one's file is open for writing, and
        // what is open for writing cannot be run.
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match command.spawn() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    assert!(Instant::now() < until, "{command:?} stays busy");
                    thread::sleep(Duration::from_millis(1));
                }
                started => return Self(started.unwrap()),
            }
        }
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn start_ns(&self) -> u64 {
        crate::process::tests::start_ns(self.pid())
    }

    /// Waits until the process has mapped the file: device and inode number
    /// as its memory map shows them.
    fn mapped(&self, file: &Path) -> (u32, u64) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
            let line = maps
                .lines()
                .find(|line| line.ends_with(file.to_str().unwrap()));
            if let Some(line) = line {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (major, minor) = words[3].split_once(':').unwrap();
                let number = |text| u32::from_str_radix(text, 16).unwrap();
                return (
                    number(major) << 20 | number(minor),
                    words[4].parse().unwrap(),
                );
            }
            assert!(Instant::now() < until, "{file:?} was not executed: {maps}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the process has executed the file.
    fn runs(&self, file: &Path) {
        let exe = format!("/proc/{}/exe", self.pid());
        let until = Instant::now() + Duration::from_secs(10);
        let ino = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        while ino(Path::new(&exe)) != ino(file) {
            assert!(Instant::now() < until, "{file:?} was not executed");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the kernel says of a file, where `stat` says the same.
fn state_of(path: &Path) -> FileState {
    let meta = fs::metadata(path).unwrap();
    FileState {
        dev: rustix::fs::major(meta.dev()) << 20 | rustix::fs::minor(meta.dev()),
        ino: meta.ino(),
        generation: 0,
        ctime: (meta.ctime() << 30 | meta.ctime_nsec()).cast_unsigned(),
        size: meta.size(),
    }
}

fn wanted(path: &Path) -> Wanted {
    Wanted {
        path: Untrusted::new(path.as_os_str().as_bytes()),
        state: state_of(path),
    }
}

fn nobody() -> Box<dyn FnOnce() -> Vec<u32> + Send> {
    Box::new(Vec::new)
}

/// A request of a process that has ended, a moment after the file was written.
fn of_nobody(program: Wanted) -> Request {
    thread::sleep(Duration::from_millis(25));
    let now = clock_gettime(ClockId::Monotonic);
    Request {
        container: CgroupId(7),
        pid: u32::MAX,
        start_ns: 0,
        at_ns: now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs(),
        program: Some(program),
        script: None,
        peers: nobody(),
    }
}

fn of(process: &Running, program: Wanted) -> Request {
    Request {
        pid: process.pid(),
        start_ns: process.start_ns(),
        ..of_nobody(program)
    }
}

fn answer(request: Request) -> Inspection {
    let (inspector, mut answers) = Inspector::start(Limits::default()).unwrap();
    assert!(inspector.ask(Ticket(3), request));
    let answer = next(&mut answers);
    assert_eq!(answer.ticket, Ticket(3));
    answer.inspection
}

fn next(answers: &mut Receiver<Answer>) -> Answer {
    answers.blocking_recv().unwrap()
}

fn sha256(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap())
}

/// `cat`, which waits for its input, under another name.
fn program(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("program");
    fs::copy("/bin/cat", &path).unwrap();
    path
}

#[test]
fn a_running_program_is_found_without_its_path() {
    for dir in [std::env::temp_dir(), "/dev/shm".into()] {
        let dir = tempfile::tempdir_in(dir).unwrap();
        let path = program(dir.path());
        let process = Running::start(&mut Command::new(&path));

        let nowhere = Wanted {
            path: "/nowhere".into(),
            ..wanted(&path)
        };
        let content = answer(of(&process, nowhere)).program.unwrap();

        assert_eq!(content.proven_sha256(), Some(sha256(&path)));
        assert!(!content.multicall && !content.loader);
    }
}

#[test]
fn of_a_process_that_ended_the_file_is_found_through_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());

    let alone = answer(of_nobody(wanted(&path)));
    let with_peers = answer(Request {
        peers: Box::new(|| vec![u32::MAX, std::process::id()]),
        ..of_nobody(wanted(&path))
    });

    assert_eq!(alone, Inspection::default());
    assert_eq!(
        with_peers.program.unwrap().proven_sha256(),
        Some(sha256(&path))
    );
}

#[test]
fn a_process_that_moved_on_does_not_run_it_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    fs::copy("/bin/sh", &path).unwrap();
    let process = Running::start(Command::new(&path).args(["-c", "exec cat"]));
    process.runs(Path::new("/bin/cat"));

    let by_path = answer(of(&process, wanted(&path)));
    let nowhere = answer(of(
        &process,
        Wanted {
            path: "/nowhere".into(),
            ..wanted(&path)
        },
    ));

    assert_eq!(
        by_path.program.unwrap().proven_sha256(),
        Some(sha256(&path))
    );
    assert_eq!(nowhere, Inspection::default());
}

#[test]
fn a_file_in_its_place_is_not_taken_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let ran = wanted(&path);
    let peers = || Box::new(|| vec![std::process::id()]);

    // Rewritten in place, with the same size.
    thread::sleep(Duration::from_millis(25));
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
    let rewritten = answer(Request {
        peers: peers(),
        ..of_nobody(ran.clone())
    });
    // Another file with the same size and age.
    let twin = Wanted {
        state: FileState {
            ino: ran.state.ino + 1,
            ..state_of(&path)
        },
        ..ran
    };
    let replaced = answer(Request {
        peers: peers(),
        ..of_nobody(twin)
    });

    assert_eq!(rewritten, Inspection::default());
    assert_eq!(replaced, Inspection::default());
}

#[test]
fn a_program_that_deleted_itself_is_read_but_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let process = Running::start(&mut Command::new(&path));
    let (ran, expected) = (wanted(&path), sha256(&path));
    thread::sleep(Duration::from_millis(25));
    fs::remove_file(&path).unwrap();

    let content = answer(of(&process, ran)).program.unwrap();

    assert_eq!(content.sha256, Some(expected));
    assert_eq!(content.proven_sha256(), None);
}

#[test]
fn what_was_written_a_moment_before_it_ran_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let process = Running::start(&mut Command::new(&path));

    let mut request = of(&process, wanted(&path));
    // As if it had run when it was written, however long its start took.
    let written = path.metadata().and_then(|found| found.modified()).unwrap();
    let ago = written.elapsed().unwrap().as_nanos();
    request.at_ns -= u64::try_from(ago).unwrap();
    let content = answer(request).program.unwrap();

    assert_eq!(content.sha256, Some(sha256(&path)));
    assert!(!content.certain);
}

#[test]
fn a_memfd_is_read_through_its_process() {
    let flags = rustix::fs::MemfdFlags::empty();
    let mut memory = File::from(rustix::fs::memfd_create("x", flags).unwrap());
    memory.write_all(&fs::read("/bin/cat").unwrap()).unwrap();
    let fd = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let state = state_of(Path::new(&fd));
    // Opened again for reading only: what is open for writing cannot be run.
    let reading = File::open(&fd).unwrap();
    drop(memory);
    let path = format!("/proc/{}/fd/{}", std::process::id(), reading.as_raw_fd());
    let process = Running::start(&mut Command::new(path));

    let ran = Wanted {
        path: "/memfd:x".into(),
        state,
    };
    let content = answer(of(&process, ran)).program.unwrap();

    assert_eq!(content.proven_sha256(), Some(sha256(Path::new("/bin/cat"))));
}

#[test]
fn the_script_is_found_by_its_path_and_the_interpreter_by_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\nread line\n").unwrap();
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let process = Running::start(Command::new("/bin/sh").arg(&script));
    process.runs(&shell);

    let found = answer(Request {
        script: Some(wanted(&script)),
        ..of(&process, wanted(&shell))
    });

    assert_eq!(found.program.unwrap().proven_sha256(), Some(sha256(&shell)));
    assert_eq!(found.script.unwrap().proven_sha256(), Some(sha256(&script)));
}

/// In a mount namespace of its own, where `stat` gives the device of the file
/// system below and not that of the overlay. The kernel's own device and inode
/// number are taken from `maps`.
#[test]
fn on_overlayfs_the_kernels_device_and_number_count() {
    const MOUNT: &str = "cd \"$0\" && mount -t tmpfs none rw && mkdir rw/upper rw/work \
        && mount -t overlay none -o lowerdir=lower,upperdir=rw/upper,workdir=rw/work merged \
        && cp merged/program merged/copy && exec merged/$1";
    for (name, by) in [("program", "the image"), ("copy", "the container")] {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["lower", "rw", "merged"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        program(&dir.path().join("lower"));
        let mut unshare = Command::new("unshare");
        // Without root, in a user namespace: what the kernel needs for it all.
        unshare.args(["--mount", "--map-root-user", "sh", "-c", MOUNT]);
        let process = Running::start(unshare.arg(dir.path()).arg(name));
        let path = dir.path().join("merged").join(name);
        let (dev, ino) = process.mapped(&path);
        let ran = Wanted {
            path: Untrusted::new(path.as_os_str().as_bytes()),
            state: FileState {
                dev,
                ino,
                ..state_of(
                    &Path::new("/proc")
                        .join(process.pid().to_string())
                        .join("exe"),
                )
            },
        };
        let through_peer = |state| {
            let pid = process.pid();
            let request = of_nobody(Wanted {
                state,
                ..ran.clone()
            });
            answer(Request {
                peers: Box::new(move || vec![pid]),
                ..request
            })
        };

        let running = answer(of(&process, ran.clone())).program.unwrap();
        let by_path = through_peer(ran.state).program.unwrap();
        let other_device = through_peer(FileState {
            dev: dev + 1,
            ..ran.state
        });
        let other_number = through_peer(FileState {
            ino: ino + 1,
            ..ran.state
        });

        let expected = Some(sha256(Path::new("/bin/cat")));
        assert_eq!(running.proven_sha256(), expected, "{by}");
        assert_eq!(by_path.proven_sha256(), expected, "{by}");
        assert_eq!(other_device, Inspection::default(), "{by}");
        assert_eq!(other_number, Inspection::default(), "{by}");
    }
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();

    let found = answer(Request {
        peers: Box::new(|| vec![std::process::id()]),
        ..of_nobody(wanted(&path))
    });

    assert_eq!(found, Inspection::default());
}

#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();

    let found = answer(Request {
        peers: Box::new(|| vec![std::process::id()]),
        ..of_nobody(wanted(&link))
    });

    assert_eq!(found, Inspection::default());
}

#[test]
fn a_file_over_the_bound_has_no_digest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();

    let found = answer(Request {
        peers: Box::new(|| vec![std::process::id()]),
        ..of_nobody(wanted(&path))
    });

    let content = found.program.unwrap();
    assert_eq!(content.sha256, None);
    assert!(content.certain);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_has_no_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![0; 1024 * 1024]).unwrap();
    let file = File::open(&path).unwrap();

    let mut pieces = 0;
    let read = content::read(&file, 1024 * 1024, u64::MAX, |_| {
        pieces += 1;
        if pieces == 2 {
            File::options().write(true).open(&path)?.set_len(1024)?;
        }
        Ok(())
    });

    assert_eq!(read.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_file_that_is_changed_while_it_is_read_is_not_in_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let (file, ran) = (File::open(&path).unwrap(), state_of(&path));
    assert!(state::still_same(&file, &ran).unwrap());
    thread::sleep(Duration::from_millis(25));

    fs::hard_link(&path, dir.path().join("link")).unwrap();

    assert!(!state::still_same(&file, &ran).unwrap());
}

#[test]
fn a_read_file_is_known_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let (inspector, mut answers) = Inspector::start(Limits::default()).unwrap();
    let ran = wanted(&path);
    assert!(inspector.ask(
        Ticket(1),
        Request {
            peers: Box::new(|| vec![std::process::id()]),
            ..of_nobody(ran.clone())
        }
    ));
    let first = next(&mut answers);

    // Nowhere to be found: only what is known can answer.
    assert!(inspector.ask(Ticket(2), of_nobody(ran.clone())));
    let again = next(&mut answers);
    let changed = FileState {
        ctime: ran.state.ctime + 1,
        ..ran.state
    };
    let other = Wanted {
        state: changed,
        ..ran
    };
    assert!(inspector.ask(Ticket(3), of_nobody(other)));
    let other = next(&mut answers);

    assert!(first.inspection.program.unwrap().certain);
    assert_eq!(again.inspection, first.inspection);
    assert_eq!(other.inspection, Inspection::default());
}

#[test]
fn a_read_that_hangs_costs_only_its_own_container() {
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path());
    let (mut inspector, mut answers) = Inspector::start(Limits {
        readers: 1,
        replacements: 1,
        deadline: Duration::from_millis(100),
        ..Limits::default()
    })
    .unwrap();
    // A file system that does not answer, played by a question for peers.
    let (release, hung) = mpsc::channel::<()>();
    let hangs = Request {
        peers: Box::new(move || {
            let _ = hung.recv();
            Vec::new()
        }),
        ..of_nobody(wanted(&path))
    };
    let fine = |container| Request {
        container: CgroupId(container),
        peers: Box::new(|| vec![std::process::id()]),
        ..of_nobody(Wanted {
            path: Untrusted::new(path.as_os_str().as_bytes()),
            state: FileState {
                generation: u32::try_from(container).unwrap(),
                ..state_of(&path)
            },
        })
    };

    assert!(inspector.ask(Ticket(1), hangs));
    thread::sleep(Duration::from_millis(150));
    inspector.tick();
    let given_up = next(&mut answers);
    assert!(!inspector.ask(Ticket(2), fine(7)), "its container has none");
    assert!(inspector.ask(Ticket(3), fine(8)));
    let other = next(&mut answers);
    drop(release);
    let until = Instant::now() + Duration::from_secs(10);
    while !inspector.ask(Ticket(4), fine(7)) {
        assert!(Instant::now() < until, "the reader did not come back");
        thread::sleep(Duration::from_millis(1));
    }
    let back = next(&mut answers);

    assert_eq!(
        (given_up.ticket, given_up.inspection),
        (Ticket(1), Inspection::default())
    );
    assert!(other.inspection.program.is_some());
    assert!(back.inspection.program.is_some());
}

#[test]
fn what_does_not_fit_is_refused_at_once() {
    let (inspector, mut answers) = Inspector::start(Limits {
        readers: 0,
        waiting: 3,
        waiting_per_container: 2,
        ..Limits::default()
    })
    .unwrap();
    let of = |container| Request {
        container: CgroupId(container),
        ..of_nobody(wanted(Path::new("/bin/cat")))
    };

    assert!(inspector.ask(Ticket(1), of(1)));
    assert!(inspector.ask(Ticket(2), of(1)));
    assert!(!inspector.ask(Ticket(3), of(1)), "its share is taken");
    assert!(inspector.ask(Ticket(4), of(2)));
    assert!(!inspector.ask(Ticket(5), of(3)), "everything is taken");

    drop(inspector);
    assert!(answers.try_recv().is_err());
}
