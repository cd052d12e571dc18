//! Who waits to be inspected, who is being read, and what is known.
//!
//! Pure: time is passed in. Fairness lies in two rules: a container has a
//! share of the places to wait, and one reader at a time. A container whose
//! read hangs has none until it returns.

use super::Request;
use super::cache::Cache;
use super::inspector::{Answer, Limits, Ticket};
use crate::model::Inspection;
use crate::model::{CgroupId, FileState};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use tokio::sync::mpsc::OwnedPermit;

/// A thread that reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reader(pub u64);

/// A request that was taken in. It has its place in the channel of answers, so
/// an answer can always be given.
#[derive(Debug)]
pub struct Job {
    pub request: Request,
    pub reply: Reply,
    pub since: Instant,
}

/// The right and the duty to answer.
#[derive(Debug)]
pub struct Reply {
    pub ticket: Ticket,
    pub place: OwnedPermit<Answer>,
}

impl Reply {
    /// Answers.
    pub fn send(self, inspection: Inspection) {
        self.place.send(Answer {
            ticket: self.ticket,
            inspection,
        });
    }
}

/// What a reader is at.
#[derive(Debug)]
struct Reading {
    container: CgroupId,
    states: Vec<FileState>,
    since: Instant,
    /// Taken away when nobody waits for the reader any longer.
    reply: Option<Reply>,
}

/// All that the readers share.
#[derive(Debug)]
pub struct Board {
    pub cache: Cache,
    limits: Limits,
    waiting: VecDeque<Job>,
    reading: BTreeMap<Reader, Reading>,
}

impl Board {
    /// Nothing waits and nothing is known.
    pub fn new(limits: Limits) -> Self {
        Self {
            cache: Cache::new(limits.cache),
            limits,
            waiting: VecDeque::new(),
            reading: BTreeMap::new(),
        }
    }

    /// Whether a request of this container for these files may wait.
    pub fn has_room(&self, request: &Request) -> bool {
        let waiting = self
            .waiting
            .iter()
            .filter(|job| job.request.container == request.container);
        waiting.count() < self.limits.waiting_per_container
            && !self.given_up().any(|reading| reading.meets(request))
    }

    /// Takes a request in.
    pub fn add(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// The next request for a reader: the oldest whose container and files
    /// have none.
    pub fn next(&mut self, reader: Reader, now: Instant) -> Option<Request> {
        let index = self.waiting.iter().position(|job| {
            !self
                .reading
                .values()
                .any(|reading| reading.meets(&job.request))
        })?;
        let job = self.waiting.remove(index)?;
        self.reading.insert(
            reader,
            Reading {
                container: job.request.container,
                states: job.request.states().collect(),
                since: now,
                reply: Some(job.reply),
            },
        );
        Some(job.request)
    }

    /// A reader is done. `None` if it took so long that the answer was given
    /// without it.
    pub fn done(&mut self, reader: Reader) -> Option<Reply> {
        self.reading.remove(&reader)?.reply
    }

    /// Answers what has waited or been read for too long; returns the
    /// containers whose readers were given up.
    pub fn give_up(&mut self, now: Instant) -> Vec<CgroupId> {
        let patience = self.limits.deadline;
        let is_late = |since: Instant| now.duration_since(since) >= patience;
        while let Some(job) = self.waiting.pop_front_if(|job| is_late(job.since)) {
            job.reply.send(Inspection::default());
        }
        let mut hung = Vec::new();
        for reading in self.reading.values_mut() {
            if is_late(reading.since)
                && let Some(reply) = reading.reply.take()
            {
                reply.send(Inspection::default());
                hung.push(reading.container);
            }
        }
        hung
    }

    /// How many readers do not come back.
    pub fn hung(&self) -> usize {
        self.given_up().count()
    }

    fn given_up(&self) -> impl Iterator<Item = &Reading> {
        self.reading
            .values()
            .filter(|reading| reading.reply.is_none())
    }
}

impl Reading {
    fn meets(&self, request: &Request) -> bool {
        self.container == request.container
            || request.states().any(|state| self.states.contains(&state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Wanted;
    use std::time::Duration;
    use tokio::sync::mpsc::{self, Receiver, Sender};

    const DEADLINE: Duration = Duration::from_secs(15);

    fn request(container: u64, ino: u64) -> Request {
        Request {
            container: CgroupId(container),
            pid: 0,
            start_ns: 0,
            at_ns: 0,
            program: Some(Wanted {
                path: "/x".into(),
                state: FileState {
                    ino,
                    ..FileState::default()
                },
            }),
            script: None,
            peers: Box::new(Vec::new),
        }
    }

    /// A board with requests (container, inode), whose tickets are their
    /// places in the list.
    fn board(requests: &[(u64, u64)], now: Instant) -> (Board, Receiver<Answer>) {
        let (answers, answered): (Sender<Answer>, _) = mpsc::channel(64);
        let mut board = Board::new(Limits {
            deadline: DEADLINE,
            ..Limits::default()
        });
        for (ticket, (container, ino)) in (0..).zip(requests) {
            board.add(Job {
                request: request(*container, *ino),
                reply: Reply {
                    ticket: Ticket(ticket),
                    place: answers.clone().try_reserve_owned().unwrap(),
                },
                since: now,
            });
        }
        (board, answered)
    }

    /// The container and the inode that a reader gets.
    fn next(board: &mut Board, reader: u64, now: Instant) -> Option<(u64, u64)> {
        let request = board.next(Reader(reader), now)?;
        Some((request.container.0, request.program?.state.ino))
    }

    #[test]
    fn a_container_has_one_reader_at_a_time() {
        let now = Instant::now();
        let (mut board, _answered) = board(&[(1, 10), (1, 11), (2, 12)], now);

        assert_eq!(next(&mut board, 1, now), Some((1, 10)));
        assert_eq!(next(&mut board, 2, now), Some((2, 12)));
        assert_eq!(next(&mut board, 3, now), None);
        assert!(board.done(Reader(1)).is_some());
        assert_eq!(next(&mut board, 3, now), Some((1, 11)));
    }

    #[test]
    fn a_file_has_one_reader_at_a_time() {
        let now = Instant::now();
        let (mut board, _answered) = board(&[(1, 10), (2, 10)], now);

        assert_eq!(next(&mut board, 1, now), Some((1, 10)));
        assert_eq!(next(&mut board, 2, now), None);
        assert!(board.done(Reader(1)).is_some());
        assert_eq!(next(&mut board, 2, now), Some((2, 10)));
    }

    #[test]
    fn every_request_is_answered_once_however_long_it_takes() {
        let now = Instant::now();
        let (mut board, mut answered) = board(&[(1, 10), (1, 11)], now);
        assert_eq!(next(&mut board, 1, now), Some((1, 10)));

        assert_eq!(board.give_up(now + DEADLINE / 2), []);
        assert!(answered.try_recv().is_err());
        assert_eq!(board.give_up(now + DEADLINE), [CgroupId(1)]);
        assert_eq!(board.give_up(now + DEADLINE * 2), []);

        let tickets = [(); 2].map(|()| answered.try_recv().unwrap().ticket);
        assert_eq!(tickets, [Ticket(1), Ticket(0)]);
        assert_eq!(board.hung(), 1);
        assert!(!board.has_room(&request(1, 12)), "the container");
        assert!(!board.has_room(&request(2, 10)), "the file");
        assert!(board.has_room(&request(2, 12)));

        assert!(board.done(Reader(1)).is_none(), "answered already");
        assert_eq!(board.hung(), 0);
        assert!(board.has_room(&request(1, 12)));
    }
}
