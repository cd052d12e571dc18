//! Lines to a file that cannot be waited for.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

type Job = (Vec<u8>, oneshot::Sender<io::Result<()>>);

/// Standard output may be a pipe that nobody reads, and cannot be made
/// non-blocking, because it is shared with whoever started the agent; a file may be
/// on a disk that hangs: so a thread of its own writes. It ends with the process or
/// when this is dropped; unlike tokio's blocking pool, it holds up nobody's end.
#[derive(Debug)]
pub(super) struct Lines {
    jobs: SyncSender<Job>,
}

impl Lines {
    /// Starts the thread, which writes each line with `write`.
    pub(super) fn start(
        mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        // One line is under way at most: `send` waits for its outcome.
        let (jobs, todo) = sync_channel::<Job>(1);
        std::thread::Builder::new()
            .name("alerts-lines".to_owned())
            .spawn(move || {
                for (line, outcome) in todo {
                    // Nobody waits for it any more when the sink was ended.
                    let _ = outcome.send(write(&line));
                }
            })?;
        Ok(Self { jobs })
    }

    /// Writes one line.
    pub(super) async fn send(&self, line: Vec<u8>) -> io::Result<()> {
        let (outcome, written) = oneshot::channel();
        match self.jobs.try_send((line, outcome)) {
            Ok(()) => written.await.map_err(|_| gone())?,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the writing thread is gone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write as _};

    #[tokio::test]
    async fn lines_arrive_in_order() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let lines = Lines::start(move |line| writer.write_all(line)).unwrap();

        lines.send(b"one\n".to_vec()).await.unwrap();
        lines.send(b"two\n".to_vec()).await.unwrap();
        drop(lines);

        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_reader_that_left_is_an_error() {
        let (reader, mut writer) = io::pipe().unwrap();
        let lines = Lines::start(move |line| writer.write_all(line)).unwrap();

        drop(reader);

        let error = lines.send(b"one\n".to_vec()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
