//! Puts what is constant on this node into the programs, before they are
//! loaded: the kernel's offsets, which mount namespace is the host's, whether a
//! program can be preempted, and whose programs it runs.

use agent_common::layout::{Field, HOST_MNTNS, Layout, MACHINES, MARK, PREEMPTIBLE};
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSection as _, SectionKind};
use zerocopy::IntoBytes as _;

/// The operation that loads a 64-bit constant: two instructions, each with half
/// of the number in its last four bytes.
const LOAD_CONSTANT: u8 = 0x18;
const INSTRUCTION: usize = 8;

/// What is constant on this node.
pub(super) struct Constants<'a> {
    /// The offsets of this kernel's fields.
    pub(super) layout: &'a Layout,
    /// The inode number of the host's mount namespace.
    pub(super) host_mntns: u32,
    /// Whether a program at a tracepoint can be preempted.
    pub(super) preemptible: bool,
    /// See [`MACHINES`].
    pub(super) machines: u32,
}

/// What a marked constant stands for.
enum Meaning {
    Offset(&'static Field),
    HostNamespace,
    Preemptible,
    Machines,
}

impl Constants<'_> {
    fn get(&self, meaning: &Meaning) -> u32 {
        match meaning {
            Meaning::Offset(field) => (field.get)(self.layout),
            Meaning::HostNamespace => self.host_mntns,
            Meaning::Preemptible => u32::from(self.preemptible),
            Meaning::Machines => self.machines,
        }
    }
}

/// The compiled programs with what is constant on this node in place of the
/// constants that stand for it; aligned as the loader wants it.
pub(super) fn relocated(object: &[u8], constants: &Constants<'_>) -> Vec<u64> {
    let mut words = vec![0u64; object.len().div_ceil(size_of::<u64>())];
    let bytes = words.as_mut_bytes();
    bytes[..object.len()].copy_from_slice(object);
    for (at, meaning) in places(object) {
        bytes[at + 4..at + 8].copy_from_slice(&constants.get(&meaning).to_le_bytes());
        bytes[at + 12..at + 16].fill(0);
    }
    words
}

/// Where in the object marked constants are loaded, and what they stand for.
fn places(object: &[u8]) -> Vec<(usize, Meaning)> {
    let elf = ElfFile64::<Endianness>::parse(object).expect("the programs are an ELF object");
    let mut places = Vec::new();
    for section in elf.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        let (begin, size) = section.file_range().expect("code is in the file");
        let code = &object[begin as usize..(begin + size) as usize];
        let (code, _) = code.as_chunks::<INSTRUCTION>();
        for (n, pair) in code.windows(2).enumerate() {
            if pair[0][0] == LOAD_CONSTANT && immediate(pair[1]) == MARK {
                let meaning = match immediate(pair[0]) {
                    HOST_MNTNS => Meaning::HostNamespace,
                    PREEMPTIBLE => Meaning::Preemptible,
                    MACHINES => Meaning::Machines,
                    place => Meaning::Offset(field_at(place)),
                };
                places.push((begin as usize + n * INSTRUCTION, meaning));
            }
        }
    }
    places
}

fn immediate([_, _, _, _, number @ ..]: [u8; INSTRUCTION]) -> u32 {
    u32::from_le_bytes(number)
}

fn field_at(place: u32) -> &'static Field {
    let mut fields = Layout::FIELDS.iter();
    fields
        .find(|field| field.place == place)
        .expect("programs and agent are built with the same layout")
}

#[cfg(test)]
mod tests {
    use super::super::load::OBJECT;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_programs_use_every_field() {
        let used: BTreeSet<_> = places(OBJECT)
            .iter()
            .filter_map(|(_, meaning)| match meaning {
                Meaning::Offset(field) => Some(field.name),
                Meaning::HostNamespace | Meaning::Preemptible | Meaning::Machines => None,
            })
            .collect();

        let all: BTreeSet<_> = Layout::FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(used, all);
    }

    #[test]
    fn numbers_take_the_place_of_their_marks() {
        const NAMESPACE: u32 = 0xf000_0000;
        const OWN: u32 = 0xe000_0000;
        let mut layout = Layout::EMPTY;
        for (n, field) in (1000..).zip(Layout::FIELDS) {
            (field.set)(&mut layout, n);
        }

        let constants = Constants {
            layout: &layout,
            host_mntns: NAMESPACE,
            preemptible: true,
            machines: OWN,
        };

        let words = relocated(OBJECT, &constants);

        assert!(places(words.as_bytes()).is_empty());
        let mut others = BTreeSet::new();
        for (at, meaning) in places(OBJECT) {
            let expected = match meaning {
                Meaning::Offset(field) => (field.get)(&layout),
                Meaning::HostNamespace => NAMESPACE,
                Meaning::Preemptible => 1,
                Meaning::Machines => OWN,
            };
            if !matches!(meaning, Meaning::Offset(_)) {
                others.insert(expected);
            }
            let number = [words[at / 8] >> 32, words[at / 8 + 1] >> 32];
            assert_eq!(number, [expected.into(), 0], "at {at}");
        }
        assert_eq!(others, [1, OWN, NAMESPACE].into());
    }
}
