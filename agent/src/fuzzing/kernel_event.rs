//! Fuzzing of what comes from the kernel: a record is refused or is what it says,
//! and nothing of it is read past its end.

use super::Source;
use crate::kernel::{DecodeError, Event, decode, exec_of_seen};
use crate::model::{Exec, last_component};
use agent_common::wire::{ANCESTORS, Header, PATH_MAX, Seen, SeenKey, VERSION};
use zerocopy::FromBytes;

/// A record of the ring, and an entry of the map of what was seen.
pub fn kernel_event(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    if source.flag() {
        of_map(source.rest());
    } else {
        of_ring(source.rest());
    }
}

fn of_ring(bytes: &[u8]) {
    let Ok((header, _)) = Header::read_from_prefix(bytes) else {
        assert!(matches!(decode(bytes), Err(DecodeError::Short { .. })));
        return;
    };
    let event = decode(bytes);
    if event.is_ok() {
        assert_eq!(header.version, VERSION);
        let own = &bytes[..header.len as usize];
        assert_eq!(decode(own), event, "it reads behind its end");
    }
    if let Ok(Event::Exec(key, exec)) = event {
        assert_eq!(exec.container.0, key.container);
        assert!(exec.identity.file.as_bytes().len() < PATH_MAX);
        assert!(!exec.path_cut, "a record of the ring is whole");
        assert_bounded(&exec, header.len as usize);
    }
}

fn of_map(bytes: &[u8]) {
    let Ok((key, rest)) = SeenKey::read_from_prefix(bytes) else {
        return;
    };
    let mut seen = [0; size_of::<Seen>()];
    let there = rest.len().min(seen.len());
    seen[..there].copy_from_slice(&rest[..there]);
    let seen = Seen::read_from_bytes(&seen).expect("of its size");

    let exec = exec_of_seen(&key, &seen);

    assert_eq!(exec.container.0, key.container);
    assert_bounded(&exec, size_of::<Seen>());
}

/// No text is longer than what it comes from, and what is found in arguments is
/// what a file's name may be.
fn assert_bounded(exec: &Exec, most: usize) {
    let script = exec.identity.as_script();
    assert_eq!(script.is_some(), exec.script_file.is_some());
    let via = script.map_or(&[][..], |script| &script.via);
    let ancestors = exec.ancestors.iter();
    let texts = [
        &exec.identity.file,
        &exec.called.applet,
        &exec.called.filename,
    ];
    let total: usize = texts
        .into_iter()
        .chain(script.map(|script| &script.path))
        .chain(via)
        .chain(&exec.args.list)
        .chain(&exec.cwd)
        .chain(ancestors.filter_map(|ancestor| ancestor.path.as_ref()))
        .map(|text| text.as_bytes().len())
        .sum();
    // The name of a program may be taken from its path, so that is there twice.
    assert!(total <= 2 * most, "{total} bytes of {most}");
    assert!(exec.comm.as_bytes().len() <= 16 && exec.parent_comm.as_bytes().len() <= 16);
    assert!(exec.ancestors.len() <= ANCESTORS);
    for one in via.iter().chain(&exec.args.list) {
        assert!(!one.as_bytes().contains(&0), "{one:?}");
    }

    let applet = exec.args.applet();
    assert_eq!(last_component(applet.as_bytes()), applet.as_bytes());
    for of_applet in [false, true] {
        let rest = exec.args.after_name(of_applet);
        assert!(exec.args.list.ends_with(rest), "{rest:?}");
    }
}
