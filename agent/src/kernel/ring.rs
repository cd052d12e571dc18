//! The doorbell's user end.

use super::{DecodeError, Event, decode};
use aya::maps::{MapData, RingBuf};
use std::io;
use tokio::io::unix::AsyncFd;

/// The ring that the programs write to. One consumer; a record is decoded
/// before the next is looked at, so that nothing is copied that is refused.
pub struct Ring {
    ring: RingBuf<MapData>,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
    }

    /// For waiting until there is a record.
    pub fn into_async(self) -> io::Result<AsyncRing> {
        // SAFETY: the ring owns its descriptor, keeps the same one for its whole
        // life, and is owned by the `AsyncFd` from here on.
        let ring = unsafe { AsyncFd::register(self.ring)? };
        Ok(AsyncRing(ring))
    }
}

/// The records that are there now.
impl Iterator for Ring {
    type Item = Result<Event, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.ring.next().map(|record| decode(&record))
    }
}

/// The ring in tokio's hands.
pub struct AsyncRing(AsyncFd<RingBuf<MapData>>);

impl AsyncRing {
    /// Waits for records and takes up to `most` of them; a burst does not keep
    /// the agent from its other work.
    ///
    /// # Errors
    /// When the ring's descriptor cannot be waited for.
    pub async fn take(&mut self, most: usize) -> io::Result<Vec<Result<Event, DecodeError>>> {
        let mut guard = self.0.readable_mut().await?;
        let mut events = Vec::new();
        while events.len() < most {
            let event = guard.get_inner_mut().next().map(|record| decode(&record));
            let Some(event) = event else {
                guard.clear_ready();
                break;
            };
            events.push(event);
        }
        Ok(events)
    }
}
