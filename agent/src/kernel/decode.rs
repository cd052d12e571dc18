//! Bytes from the kernel to values, with checks: a record that is not what it
//! says is refused, never read past its end.

use crate::model::{CgroupId, Exec, Identity, Layer, Origin, Slot, Untrusted};
use agent_common::wire::{
    Bell, Escape, ExecRecord, Facts, Header, PATH_MAX, Seen, SeenKey, VERSION, flag, kind, layer,
};
use zerocopy::FromBytes;

/// One record of the ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A first exec of its kind, with its key in the map of what was seen.
    Exec(SeenKey, Exec),
    /// Cgroups came or went: look into the map of newborns.
    Cgroup,
    /// A process left its container: look into the map of escapes.
    Escape,
    /// A slot is over its quota.
    Overflow(Slot),
}

/// A record that is not what it says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter than its kind needs, or than it says.
    #[error("a ring record of kind {kind} has {got} bytes where {want} are needed")]
    Short {
        /// The kind, 0 where not even the header is there.
        kind: u16,
        /// Bytes that are there.
        got: usize,
        /// Bytes that are needed.
        want: usize,
    },
    /// Made by programs of another version.
    #[error("a ring record has version {0}; this agent reads version {VERSION}")]
    Version(u16),
    /// A kind that this agent does not know.
    #[error("a ring record has the unknown kind {0}")]
    Kind(u16),
}

/// Decodes one ring record.
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let (header, _) = take::<Header>(bytes, 0)?;
    if header.version != VERSION {
        return Err(DecodeError::Version(header.version));
    }
    let want = header.len as usize;
    let Some(bytes) = bytes.get(..want) else {
        return Err(DecodeError::Short {
            kind: header.kind,
            got: bytes.len(),
            want,
        });
    };
    match header.kind {
        kind::EXEC => {
            let (record, path) = take::<ExecRecord>(bytes, header.kind)?;
            let len = record.facts.path_len as usize;
            if path.len() != len || len >= PATH_MAX {
                return Err(DecodeError::Short {
                    kind: header.kind,
                    got: path.len(),
                    want: len,
                });
            }
            Ok(Event::Exec(
                record.key,
                exec(&record.key, &record.facts, path),
            ))
        }
        kind::CGROUP => take::<Bell>(bytes, header.kind).map(|_| Event::Cgroup),
        kind::ESCAPE => take::<Escape>(bytes, header.kind).map(|_| Event::Escape),
        kind::OVERFLOW => {
            let (bell, _) = take::<Bell>(bytes, header.kind)?;
            Ok(Event::Overflow(Slot(bell.subject as u32)))
        }
        other => Err(DecodeError::Kind(other)),
    }
}

/// The exec that an entry of the map of what was seen stands for. Its path may
/// be cut where the ring's record had it whole.
pub fn exec_of_seen(key: &SeenKey, seen: &Seen) -> Exec {
    let kept = (seen.path_kept as usize).min(seen.path.len());
    exec(key, &seen.facts, &seen.path[..kept])
}

fn take<T>(bytes: &[u8], kind: u16) -> Result<(T, &[u8]), DecodeError>
where
    T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable,
{
    T::read_from_prefix(bytes).map_err(|_| DecodeError::Short {
        kind,
        got: bytes.len(),
        want: size_of::<T>(),
    })
}

fn exec(key: &SeenKey, facts: &Facts, path: &[u8]) -> Exec {
    let has = |bit: u32| facts.flags & bit != 0;
    let script_len = (facts.script_len as usize).min(facts.script.len());
    let script = has(flag::SCRIPT).then(|| normalise(&facts.script[..script_len]));
    Exec {
        identity: Identity {
            file: Untrusted::new(path),
            script: script.map(Untrusted::new),
            layer: layer_of(key.layer),
        },
        container: CgroupId(key.container),
        cgroup: CgroupId(facts.cgroup),
        at_ns: facts.at_ns,
        pid: facts.pid,
        start_ns: facts.start_ns,
        ppid: facts.ppid,
        uid: facts.uid,
        euid: facts.euid,
        comm: name(&facts.comm),
        parent_comm: name(&facts.parent_comm),
        origin: if has(flag::FROM_OUTSIDE) {
            Origin::Outside
        } else {
            Origin::Container
        },
        tty: has(flag::TTY),
        pending: has(flag::PENDING),
        escaped: has(flag::ESCAPED),
        host_mntns: has(flag::HOST_MNTNS),
        outer_mntns: has(flag::OUTER_MNTNS),
        error: has(flag::ERROR),
        path_cut: (facts.path_len as usize) > path.len(),
    }
}

fn layer_of(word: u32) -> Layer {
    match word {
        layer::IMAGE => Layer::Image,
        layer::UPPER => Layer::Upper,
        layer::VOLUME => Layer::Volume,
        layer::TMPFS => Layer::Tmpfs,
        layer::MEMORY => Layer::Memory,
        layer::HOST => Layer::Host,
        _ => Layer::Unknown,
    }
}

fn name(comm: &[u8; 16]) -> Untrusted {
    let end = comm.iter().position(|&b| b == 0).unwrap_or(comm.len());
    Untrusted::new(&comm[..end])
}

/// Removes `.`, `//` and `..` from an absolute name, without asking the file
/// system: the process may have had another.
fn normalise(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = Vec::with_capacity(name.len());
    for part in parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::{FromZeros, IntoBytes};

    fn record(path: &[u8]) -> Vec<u8> {
        let mut record = ExecRecord::new_zeroed();
        record.header = Header {
            kind: kind::EXEC,
            version: VERSION,
            len: (size_of::<ExecRecord>() + path.len()) as u32,
        };
        record.key.layer = layer::IMAGE;
        record.facts.path_len = path.len() as u32;
        [record.as_bytes(), path].concat()
    }

    #[test]
    fn reads_an_exec_with_its_path() {
        let event = decode(&record(b"/bin/sh")).unwrap();

        let Event::Exec(_, exec) = event else {
            panic!("{event:?}")
        };
        assert_eq!(exec.identity, Identity::image("/bin/sh"));
    }

    #[test]
    fn refuses_what_is_not_what_it_says() {
        let whole = record(b"/bin/sh");
        for len in 0..whole.len() {
            assert!(decode(&whole[..len]).is_err(), "{len} bytes");
        }
        let mut other = whole.clone();
        other[2] = 9;
        assert_eq!(decode(&other), Err(DecodeError::Version(9)));
        let mut other = whole;
        other[0] = 77;
        assert_eq!(decode(&other), Err(DecodeError::Kind(77)));
    }

    #[test]
    fn script_names_lose_their_detours() {
        for (name, expected) in [
            ("/app/run.sh", "/app/run.sh"),
            ("/app/./run.sh", "/app/run.sh"),
            ("/app//x/../run.sh", "/app/run.sh"),
            ("/../../a", "/a"),
            ("/", "/"),
        ] {
            assert_eq!(normalise(name.as_bytes()), expected.as_bytes(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn never_panics_on_a_damaged_record(at in 0usize..680, byte: u8) {
            let mut bytes = record(b"/usr/bin/true");
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }
}
