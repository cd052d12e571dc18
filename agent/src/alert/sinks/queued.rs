//! What of the bytes written to a socket is still underway.

use rustix::io;
use rustix::ioctl::{Getter, ioctl};
use rustix::net::{RecvFlags, SocketAddrUnix};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// `SIOCOUTQ`, which libc has as `TIOCOUTQ`.
const SIOCOUTQ: rustix::ioctl::Opcode = libc::TIOCOUTQ as rustix::ioctl::Opcode;

/// Of TCP, the bytes that the other end's kernel did not acknowledge. Of a socket on
/// this node those that the other end did not read, with what the kernel needs to
/// keep them: more rather than less.
pub(super) fn queued(socket: impl AsFd) -> io::Result<u64> {
    // SAFETY: SIOCOUTQ writes an int, and nothing else.
    let queued: i32 = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new())? };
    Ok(queued.unsigned_abs().into())
}

/// Whether the other end of a stream on this node is there: one that goes away says
/// so before what it did not read is thrown away.
pub(super) fn is_there(socket: impl AsFd) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(socket, &mut [0; 1], flags) {
        Ok((_, received)) => received > 0,
        Err(error) => error == io::Errno::AGAIN,
    }
}

/// Which socket is at a path, as long as it is there: another one that is made
/// there is told from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct At {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

impl At {
    /// The socket at a path, if there is one that somebody listens at.
    pub(super) fn look(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let probe = rustix::net::socket(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::DGRAM,
            None,
        );
        let address = SocketAddrUnix::new(path).ok()?;
        rustix::net::connect(probe.ok()?, &address).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            made: (found.ctime(), found.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    #[test]
    fn what_a_stream_did_not_read_is_queued() {
        let (mut one, mut other) = UnixStream::pair().expect("a pair");
        assert_eq!(queued(&one), Ok(0));

        one.write_all(b"hello").expect("written");
        assert!(queued(&one).expect("an answer") >= 5);
        other.read_exact(&mut [0; 5]).expect("read");

        assert_eq!(queued(&one), Ok(0));
        assert!(is_there(&one));
    }

    #[test]
    fn one_that_went_away_is_not_there_whatever_is_queued() {
        for read in [true, false] {
            let (mut one, mut other) = UnixStream::pair().expect("a pair");
            one.write_all(b"hello").expect("written");
            if read {
                other.read_exact(&mut [0; 5]).expect("read");
            }

            drop(other);

            assert_eq!(queued(&one), Ok(0));
            assert!(!is_there(&one));
        }
    }

    #[test]
    fn a_socket_is_told_from_another_at_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        assert_eq!(At::look(&path), None);

        let first = UnixDatagram::bind(&path).expect("bound");
        let seen = At::look(&path).expect("is there");
        assert_eq!(At::look(&path), Some(seen));
        drop(first);
        assert_eq!(At::look(&path), None, "nobody listens");
        fs::remove_file(&path).expect("removed");
        let _second = UnixDatagram::bind(&path).expect("bound");

        assert_ne!(At::look(&path), Some(seen));
        fs::remove_file(&path).expect("removed");
        let _stream = UnixListener::bind(&path).expect("bound");
        assert_eq!(At::look(&path), None, "of another kind");
    }
}
