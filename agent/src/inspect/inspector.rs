//! The threads that read, and the way to them and back.

use super::board::{Board, Job, Reader, Reply};
use super::find::{self, Found, Peers};
use super::pace::Pace;
use super::{Request, Wanted, content, files, state};
use crate::model::{Content, Exec, Inspection};
use crate::process;
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// What a request is known by to the one who asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// The answer to one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The request's.
    pub ticket: Ticket,
    /// What was found.
    pub inspection: Inspection,
}

/// What inspecting may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest file that is hashed, in bytes.
    pub file_bytes: u64,
    /// What is read per second, averaged, all files together.
    pub bytes_per_second: u64,
    /// Threads that read.
    pub readers: usize,
    /// How many of them may hang and be replaced.
    pub replacements: usize,
    /// Requests that were taken in and whose answers were not received yet.
    pub waiting: usize,
    /// How many of them may wait for one container.
    pub waiting_per_container: usize,
    /// Contents that are remembered.
    pub cache: usize,
    /// How long a request may wait, and how long a read may take.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 256 * 1024 * 1024,
            bytes_per_second: 64 * 1024 * 1024,
            readers: 2,
            replacements: 4,
            waiting: 64,
            waiting_per_container: 16,
            cache: 4096,
            deadline: Duration::from_secs(15),
        }
    }
}

/// Reads files of containers on threads of its own. Dropped, it takes nothing
/// new and its threads end by themselves.
#[derive(Debug)]
pub struct Inspector {
    shared: Arc<Shared>,
    answers: Sender<Answer>,
    started: u64,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    room: Mutex<Room>,
    /// There is something to do, or the end.
    wake: Condvar,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Room {
    board: Board,
    /// Readers that are not given up.
    readers: usize,
    closed: bool,
}

impl Inspector {
    /// Starts the readers. The receiver gets one answer for each request that
    /// was taken in, in any order.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(limits: Limits) -> io::Result<(Self, Receiver<Answer>)> {
        let (answers, answered) = mpsc::channel(limits.waiting.max(1));
        let mut inspector = Self {
            shared: Arc::new(Shared {
                limits,
                room: Mutex::new(Room {
                    board: Board::new(limits),
                    readers: 0,
                    closed: false,
                }),
                wake: Condvar::new(),
                pace: Mutex::new(Pace::new(limits.bytes_per_second, Instant::now())),
            }),
            answers,
            started: 0,
        };
        for _ in 0..limits.readers {
            inspector.start_reader()?;
        }
        Ok((inspector, answered))
    }

    /// What is known of an exec's files without reading them: all of it, or
    /// `None`.
    pub fn cached(&self, exec: &Exec) -> Option<Inspection> {
        let (program, script) = files(exec);
        let mut room = self.shared.room();
        let mut content = |wanted: Option<Wanted>| match wanted {
            Some(wanted) => {
                let content = room.board.cache.get(&wanted.state)?;
                Some(Some(judged(content, &wanted, exec.at_ns)))
            }
            None => Some(None),
        };
        Some(Inspection {
            program: content(program)?,
            script: content(script)?,
        })
    }

    /// Asks for a request's files to be read. `false`: there is no room, for
    /// this container or at all, or one of its reads hangs; there will be no
    /// answer. Never waits.
    pub fn ask(&self, ticket: Ticket, request: Request) -> bool {
        let mut room = self.shared.room();
        if !room.board.has_room(&request) {
            return false;
        }
        let Ok(place) = self.answers.clone().try_reserve_owned() else {
            return false;
        };
        room.board.add(Job {
            request,
            reply: Reply { ticket, place },
            since: Instant::now(),
        });
        self.shared.wake.notify_one();
        true
    }

    /// To be called about once a second: answers what takes too long, and puts
    /// new readers in the place of those that hang.
    pub fn tick(&mut self) {
        let (hung, given_up, readers) = {
            let mut room = self.shared.room();
            let hung = room.board.give_up(Instant::now());
            room.readers -= hung.len();
            (hung, room.board.hung(), room.readers)
        };
        for container in hung {
            tracing::warn!(
                cgroup = container.0,
                hung = given_up,
                "a file of a container cannot be read to its end; nothing more of the container is inspected until that read returns"
            );
        }
        let limits = self.shared.limits;
        for _ in readers
            ..limits
                .readers
                .min((limits.readers + limits.replacements).saturating_sub(given_up))
        {
            if let Err(error) = self.start_reader() {
                tracing::error!(%error, "cannot start a thread to inspect files");
                break;
            }
        }
    }

    fn start_reader(&mut self) -> io::Result<()> {
        self.started += 1;
        let reader = Reader(self.started);
        let shared = Arc::clone(&self.shared);
        shared.room().readers += 1;
        thread::Builder::new()
            .name(format!("inspect-{}", reader.0))
            .stack_size(512 * 1024)
            .spawn(move || shared.serve(reader))
            .map(drop)
            .inspect_err(|_| self.shared.room().readers -= 1)
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.shared.room().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn room(&self) -> MutexGuard<'_, Room> {
        // Nothing that is done with it panics half way.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One reader's life.
    fn serve(&self, reader: Reader) {
        // The agent comes before the workloads; its readers need not.
        let _ = rustix::process::setpriority_process(None, 0);
        while let Some(request) = self.next(reader) {
            // What is read is hostile, and a library takes it apart.
            let inspection = catch_unwind(AssertUnwindSafe(|| self.inspect(request)));
            let inspection = inspection.unwrap_or_default();
            let mut room = self.room();
            match room.board.done(reader) {
                Some(reply) => reply.send(inspection),
                // Given up, and perhaps replaced.
                None if room.readers >= self.limits.readers => return,
                None => room.readers += 1,
            }
            // Its container and files may be read again.
            self.wake.notify_all();
        }
    }

    /// Waits for something to do; `None` at the end.
    fn next(&self, reader: Reader) -> Option<Request> {
        let mut room = self.room();
        loop {
            if room.closed {
                return None;
            }
            if let Some(request) = room.board.next(reader, Instant::now()) {
                return Some(request);
            }
            room = self.wake.wait(room).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn inspect(&self, request: Request) -> Inspection {
        let until = Instant::now() + self.limits.deadline;
        let process = process::find(request.pid, request.start_ns);
        let own = process.as_ref();
        let peers = Peers::new(request.peers);
        let content = |wanted: &Option<Wanted>, runs: bool| {
            let wanted = wanted.as_ref()?;
            if let Some(known) = self.room().board.cache.get(&wanted.state) {
                return Some(judged(known, wanted, request.at_ns));
            }
            let found = own
                .filter(|_| runs)
                .and_then(|process| find::running(process, wanted))
                .or_else(|| find::by_path(own, &peers, wanted))?;
            self.read(&found, wanted, request.at_ns, until).ok()
        };
        Inspection {
            program: content(&request.program, true),
            script: content(&request.script, false),
        }
    }

    /// Reads a file, and remembers what is certain. Reading begins only when
    /// the file is settled: what is remembered for a state is then what every
    /// later exec in that state runs.
    fn read(
        &self,
        found: &Found,
        wanted: &Wanted,
        at_ns: u64,
        until: Instant,
    ) -> io::Result<Content> {
        let before = |bytes: usize| {
            let now = Instant::now();
            let pause = self
                .pace
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(bytes, now);
            if now + pause > until || self.room().closed {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(pause);
            Ok(())
        };
        if found.same {
            thread::sleep(state::settles_in(wanted.state.ctime, wall_ns()));
        }
        let content = content::read(
            &found.file,
            wanted.state.size,
            self.limits.file_bytes,
            before,
        )?;
        if !(found.same && state::still_same(&found.file, &wanted.state)?) {
            return Ok(content);
        }
        self.room().board.cache.put(wanted.state, content);
        Ok(judged(content, wanted, at_ns))
    }
}

/// What a file in its state contains, for an exec at that monotonic time.
fn judged(content: Content, wanted: &Wanted, at_ns: u64) -> Content {
    let ago = ns(ClockId::Monotonic).saturating_sub(at_ns);
    Content {
        certain: state::settled(wanted.state.ctime, wall_ns().saturating_sub(ago)),
        ..content
    }
}

fn wall_ns() -> u64 {
    ns(ClockId::Realtime)
}

fn ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
