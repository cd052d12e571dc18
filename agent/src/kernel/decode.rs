//! Bytes from the kernel to values, with checks: a record that is not what it
//! says is refused, never read past its end.

use crate::model::{
    Ancestor, Args, Called, CgroupId, Exec, FileState, Identity, Layer, Origin, Role, Script, Slot,
    Stopped, Untrusted, last_component,
};
use agent_common::wire::{
    ANCESTORS, Bell, Escape, ExecRecord, Facts, FileFacts, Header, PATH_MAX, Seen, SeenKey,
    VERSION, ancestor, flag, kind, layer,
};
use std::ops::Range;
use zerocopy::FromBytes;

/// One record of the ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A first exec of its kind, with its key in the map of what was seen.
    Exec(SeenKey, Box<Exec>),
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
            let (record, tail) = take::<ExecRecord>(bytes, header.kind)?;
            let want = Parts::of(&record.facts).end;
            if tail.len() != want || record.facts.path_len as usize >= PATH_MAX {
                return Err(DecodeError::Short {
                    kind: header.kind,
                    got: tail.len(),
                    want,
                });
            }
            let exec = exec(&record.key, &record.facts, tail);
            Ok(Event::Exec(record.key, Box::new(exec)))
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

/// The exec that an entry of the map of what was seen stands for. What it
/// carries may be cut where the ring's record had it whole.
pub fn exec_of_seen(key: &SeenKey, seen: &Seen) -> Exec {
    let kept = (seen.tail_kept as usize).min(seen.tail.len());
    exec(key, &seen.facts, &seen.tail[..kept])
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

/// Where each part of a record's tail lies.
struct Parts {
    path: Range<usize>,
    name: Range<usize>,
    via: Range<usize>,
    applet: Range<usize>,
    args: Range<usize>,
    cwd: Range<usize>,
    ancestors: [Range<usize>; ANCESTORS],
    /// The tail's length.
    end: usize,
}

impl Parts {
    fn of(facts: &Facts) -> Self {
        let mut end = 0usize;
        let mut next = |len: u32| {
            let start = end;
            // Lengths are the kernel's, but a damaged record's may be anything.
            end = start + (len as usize).next_multiple_of(8);
            start..start + len as usize
        };
        let (path, name, via) = (
            next(facts.path_len),
            next(facts.name_len),
            next(facts.via_len),
        );
        let (applet, args, cwd) = (
            next(facts.applet_len),
            next(facts.args_len),
            next(facts.cwd_len),
        );
        let ancestors = facts
            .ancestors
            .map(|ancestor| next(ancestor.path_len.into()));
        Self {
            path,
            name,
            via,
            applet,
            args,
            cwd,
            ancestors,
            end,
        }
    }
}

fn exec(key: &SeenKey, facts: &Facts, tail: &[u8]) -> Exec {
    let has = |bit: u32| facts.flags & bit != 0;
    let parts = Parts::of(facts);
    let whole = |range: &Range<usize>| tail.get(range.clone());
    let start = |range: &Range<usize>| {
        let end = range.end.min(tail.len());
        tail.get(range.start..end).unwrap_or_default()
    };
    let is_script = has(flag::SCRIPT);
    let role = match is_script {
        false => Role::Program,
        true => Role::Script(Script {
            path: Untrusted::new(start(&parts.name)),
            via: strings(start(&parts.via)).0,
            layer: layer_of(key.layer >> 8),
        }),
    };
    // What was kept of a script is the identity, and must be there.
    let cut = whole(&parts.path).is_none()
        || (is_script && (whole(&parts.name).is_none() || whole(&parts.via).is_none()));
    Exec {
        identity: Identity {
            file: Untrusted::new(start(&parts.path)),
            role,
            layer: layer_of(key.layer & 0xff),
        },
        called: Called {
            applet: Untrusted::new(start(&parts.applet)),
            filename: match is_script {
                true => Untrusted::default(),
                false => filename(start(&parts.name), start(&parts.path)),
            },
            links: facts.links,
        },
        container: CgroupId(key.container),
        cgroup: CgroupId(facts.cgroup),
        at_ns: facts.at_ns,
        pid: facts.pid,
        ns_pid: facts.ns_pid,
        start_ns: facts.start_ns,
        ppid: facts.ppid,
        uid: facts.uid,
        euid: facts.euid,
        loginuid: (facts.loginuid != u32::MAX).then_some(facts.loginuid),
        capabilities: facts.capabilities,
        gained: facts.gained,
        comm: name(&facts.comm),
        parent_comm: name(&facts.parent_comm),
        origin: if has(flag::INIT) {
            Origin::Init
        } else if has(flag::INJECTED) {
            Origin::Injected
        } else {
            Origin::Container
        },
        from_outside: has(flag::FROM_OUTSIDE),
        tty: has(flag::TTY),
        pending: has(flag::PENDING),
        escaped: has(flag::ESCAPED),
        host_mntns: has(flag::HOST_MNTNS),
        outer_mntns: has(flag::OUTER_MNTNS),
        outside_file: has(flag::OUTSIDE_FILE),
        outside_cwd: has(flag::OUTSIDE_CWD),
        open_folder: has(flag::OPEN_FOLDER),
        stopped: match (has(flag::BLOCKED), has(flag::REFUSED)) {
            (false, _) => None,
            (true, false) => Some(Stopped::Killed),
            (true, true) if has(flag::MAPPED) => Some(Stopped::NotLoaded),
            (true, true) => Some(Stopped::Refused),
        },
        error: has(flag::ERROR),
        path_cut: cut,
        args: {
            let (list, cut) = strings(start(&parts.args));
            Args {
                list,
                cut: cut || facts.args_total > facts.args_len || whole(&parts.args).is_none(),
                unread: has(flag::ARGS_UNREAD),
            }
        },
        cwd: whole(&parts.cwd)
            .filter(|cwd| !cwd.is_empty())
            .map(Untrusted::new),
        ancestors: ancestors(facts, &parts, tail),
        file: state(&facts.program),
        script_file: is_script.then(|| state(&facts.script)),
    }
}

fn ancestors(facts: &Facts, parts: &Parts, tail: &[u8]) -> Vec<Ancestor> {
    let known = facts.ancestors.iter().zip(&parts.ancestors);
    known
        .take_while(|(ancestor, _)| ancestor.pid != 0)
        .map(|(ancestor, path)| {
            let has = |bit: u16| ancestor.flags & bit != 0;
            let path = tail.get(path.clone()).filter(|path| !path.is_empty());
            Ancestor {
                pid: ancestor.pid,
                start_ns: ancestor.start_ns,
                path: path.map(Untrusted::new),
                path_cut: has(ancestor::CUT),
                inside: has(ancestor::INSIDE),
                init: has(ancestor::INIT),
            }
        })
        .collect()
}

fn state(facts: &FileFacts) -> FileState {
    FileState {
        dev: facts.dev,
        ino: facts.ino,
        generation: facts.generation,
        ctime: facts.ctime,
        size: facts.size,
    }
}

/// Strings with a NUL behind each; and whether the last one lacks it.
fn strings(bytes: &[u8]) -> (Vec<Untrusted>, bool) {
    let cut = bytes.last().is_some_and(|&last| last != 0);
    let whole = match cut {
        true => bytes,
        false => &bytes[..bytes.len().saturating_sub(1)],
    };
    let list = match bytes {
        [] => Vec::new(),
        _ => whole.split(|&b| b == 0).map(Untrusted::new).collect(),
    };
    (list, cut)
}

/// The last component of the name that was given to execve. One that leads
/// through a descriptor or a process is no name of the file, which then has
/// its own.
fn filename(given: &[u8], path: &[u8]) -> Untrusted {
    let magic = [&b"/proc/"[..], b"/dev/fd/"];
    let name = match magic.iter().any(|folder| given.starts_with(folder)) || given.is_empty() {
        true => path,
        false => given,
    };
    Untrusted::new(last_component(name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::{FromZeros, IntoBytes};

    fn record(path: &[u8]) -> Vec<u8> {
        let padded = path.len().next_multiple_of(8);
        let mut record = ExecRecord::new_zeroed();
        record.header = Header {
            kind: kind::EXEC,
            version: VERSION,
            len: (size_of::<ExecRecord>() + padded) as u32,
        };
        record.key.layer = layer::IMAGE;
        record.facts.path_len = path.len() as u32;
        let mut bytes = [record.as_bytes(), path].concat();
        bytes.resize(size_of::<ExecRecord>() + padded, 0);
        bytes
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
    fn reads_every_part_of_the_tail() {
        let mut record = ExecRecord::new_zeroed();
        let facts = &mut record.facts;
        facts.flags = flag::SCRIPT;
        record.key.layer = layer::IMAGE | layer::VOLUME << 8;
        let parts: [&[u8]; 8] = [
            b"/bin/dash",
            b"/scripts/run",
            b"/b\0/c\0",
            b"",
            b"sh\0-c\0\0",
            b"/srv",
            b"/sbin/init",
            b"",
        ];
        facts.path_len = parts[0].len() as u32;
        facts.name_len = parts[1].len() as u32;
        facts.via_len = parts[2].len() as u32;
        facts.args_len = parts[4].len() as u32;
        facts.args_total = facts.args_len;
        facts.cwd_len = parts[5].len() as u32;
        facts.ancestors[0].pid = 7;
        facts.ancestors[0].path_len = parts[6].len() as u16;
        facts.ancestors[0].flags = ancestor::INSIDE | ancestor::INIT;
        facts.ancestors[1].pid = 2;
        let mut tail = Vec::new();
        for part in parts {
            tail.extend_from_slice(part);
            tail.resize(tail.len().next_multiple_of(8), 0xaa);
        }
        record.header = Header {
            kind: kind::EXEC,
            version: VERSION,
            len: (size_of::<ExecRecord>() + tail.len()) as u32,
        };

        let event = decode(&[record.as_bytes(), &tail].concat()).unwrap();

        let Event::Exec(_, exec) = event else {
            panic!("{event:?}")
        };
        let list = |list: &[&str]| list.iter().map(|&one| one.into()).collect::<Vec<_>>();
        let script = exec.identity.as_script().unwrap();
        assert_eq!(script.path, "/scripts/run".into());
        assert_eq!(script.via, list(&["/b", "/c"]));
        assert_eq!(script.layer, Layer::Volume);
        assert_eq!(exec.args.list, list(&["sh", "-c", ""]));
        assert!(!exec.args.cut);
        assert_eq!(exec.cwd, Some("/srv".into()));
        assert_eq!(exec.ancestors.len(), 2);
        assert_eq!(exec.ancestors[0].path, Some("/sbin/init".into()));
        assert!(exec.ancestors[0].init && exec.ancestors[0].inside);
        assert_eq!(exec.ancestors[1].path, None);
    }

    #[test]
    fn what_a_short_tail_lacks_is_marked() {
        let mut seen = Seen::new_zeroed();
        seen.facts.path_len = 2000;
        seen.facts.args_len = 10;
        seen.tail_kept = 1024;

        let exec = exec_of_seen(&SeenKey::new_zeroed(), &seen);

        assert!(exec.path_cut);
        assert_eq!(exec.identity.file.as_bytes().len(), 1024);
        assert!(exec.args.cut);
        assert_eq!(exec.cwd, None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn never_panics_on_a_damaged_record(at in 0usize..380, byte: u8) {
            let mut bytes = record(b"/usr/bin/true");
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }
}
