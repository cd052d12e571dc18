//! What stands in a segment of a spool: a header, then entries, each under its own
//! checksum. Pure.
//!
//! All numbers are little-endian. The header is the magic, the sequence of the
//! first entry, the greatest number of a record before it (both 64 bits) and the
//! CRC-32 of the two. An entry is the length and the CRC-32 of its payload (32
//! bits each), and the payload: sequence, number, the workload's length (16 bits),
//! the workload, the text.

use super::super::entry::Encoded;
use bytes::{Buf, BufMut};
use crc32fast::hash;

/// The first bytes of every segment; the last digit is the format's.
const MAGIC: &[u8; 8] = b"EXWSPL01";
/// The length of the header.
pub(super) const HEADER: usize = 8 + 8 + 8 + 4;
/// What stands before each payload.
const FRAME: usize = 4 + 4;
/// The most that an entry's payload may have: what is more is damage. No form of an
/// alert has half of it.
pub(super) const MAX_PAYLOAD: usize = 1 << 18;

/// The beginning of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// The sequence of its first entry.
    pub first: u64,
    /// The greatest number of a record before it.
    pub number: u64,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.put_u64_le(self.first);
        bytes.put_u64_le(self.number);
        let sum = hash(&bytes[MAGIC.len()..]);
        bytes.put_u32_le(sum);
        bytes
    }

    /// `None` if it is damaged, or no header.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?.strip_prefix(MAGIC)?;
        let (mut fields, mut sum) = bytes.split_at(16);
        (hash(fields) == sum.get_u32_le()).then(|| Self {
            first: fields.get_u64_le(),
            number: fields.get_u64_le(),
        })
    }
}

/// Puts an entry at the end of `bytes`.
pub(super) fn encode(entry: &Encoded, bytes: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(entry.text.len() + entry.workload.len() + 18);
    payload.put_u64_le(entry.sequence);
    payload.put_u64_le(entry.number);
    let workload = entry.workload.as_bytes();
    let workload = &workload[..workload.len().min(usize::from(u16::MAX))];
    payload.put_u16_le(workload.len() as u16);
    payload.put_slice(workload);
    payload.put_slice(&entry.text);
    bytes.put_u32_le(payload.len() as u32);
    bytes.put_u32_le(hash(&payload));
    bytes.put_slice(&payload);
}

/// What stands at the beginning of some bytes.
#[derive(Debug)]
pub(super) enum Next {
    /// An entry, of so many bytes.
    Entry(Encoded, usize),
    /// Something damaged of so many bytes, with entries behind it perhaps.
    Damaged(usize),
    /// No whole entry: the end, or a write that was cut short.
    End,
}

/// Reads one entry.
pub(super) fn decode(bytes: &[u8]) -> Next {
    let Some((mut frame, rest)) = bytes.split_at_checked(FRAME) else {
        return Next::End;
    };
    let (length, sum) = (frame.get_u32_le() as usize, frame.get_u32_le());
    let Some(payload) = rest.get(..length).filter(|_| length <= MAX_PAYLOAD) else {
        // Where the length itself is damaged, nobody knows where the next begins.
        return Next::End;
    };
    let whole = FRAME + length;
    match (hash(payload) == sum).then(|| entry(payload)).flatten() {
        Some(entry) => Next::Entry(entry, whole),
        None => Next::Damaged(whole),
    }
}

fn entry(mut payload: &[u8]) -> Option<Encoded> {
    let sequence = payload.try_get_u64_le().ok()?;
    let number = payload.try_get_u64_le().ok()?;
    let length = payload.try_get_u16_le().ok()?;
    let (workload, text) = payload.split_at_checked(usize::from(length))?;
    Some(Encoded {
        sequence,
        number,
        workload: String::from_utf8_lossy(workload).into_owned(),
        tells_of_loss: false,
        text: text.to_vec(),
    })
}

/// The entries in the body of a segment, from its beginning.
pub(super) struct Entries<'a> {
    body: &'a [u8],
    begin: usize,
    at: usize,
    damaged: u64,
}

impl<'a> Entries<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self {
            body,
            begin: 0,
            at: 0,
            damaged: 0,
        }
    }

    /// How many bytes were gone through.
    pub(super) fn read(&self) -> usize {
        self.at
    }

    /// Where the last whole one begins.
    pub(super) fn begin(&self) -> usize {
        self.begin
    }

    /// How many entries behind the last whole one are damaged.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }
}

impl Iterator for Entries<'_> {
    type Item = Encoded;

    /// The next that is whole.
    fn next(&mut self) -> Option<Encoded> {
        loop {
            match decode(self.body.get(self.at..)?) {
                Next::Entry(entry, length) => {
                    self.begin = self.at;
                    self.at += length;
                    self.damaged = 0;
                    return Some(entry);
                }
                Next::Damaged(length) => {
                    self.at += length;
                    self.damaged += 1;
                }
                Next::End => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(sequence: u64, text: &[u8]) -> Encoded {
        Encoded {
            sequence,
            number: sequence * 2,
            workload: "runc/web".to_owned(),
            tells_of_loss: false,
            text: text.to_vec(),
        }
    }

    fn body(entries: &[Encoded]) -> Vec<u8> {
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| encode(entry, &mut bytes));
        bytes
    }

    #[test]
    fn a_header_that_is_damaged_is_none() {
        let header = Header {
            first: 7,
            number: 9,
        };
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::decode(&bytes), Some(header));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Header::decode(&damaged), None, "byte {at}");
        }
        assert_eq!(Header::decode(&bytes[..HEADER - 1]), None);
    }

    #[test]
    fn what_follows_a_damaged_text_is_read() {
        let entries = [entry(1, b"one"), entry(2, b"two"), entry(3, b"three")];
        let mut bytes = body(&entries);
        let second = body(&entries[..2]).len() - 1;
        bytes[second] ^= 1;

        let read: Vec<Encoded> = Entries::of(&bytes).collect();

        assert_eq!(read, [entries[0].clone(), entries[2].clone()]);
    }

    proptest! {
        #[test]
        fn what_was_written_whole_is_read_and_no_more(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let entries: Vec<Encoded> = texts
                .iter()
                .enumerate()
                .map(|(n, text)| entry(n as u64 + 1, text))
                .collect();
            let bytes = body(&entries);
            let cut = cut.index(bytes.len() + 1);

            let mut reader = Entries::of(&bytes[..cut]);
            let read: Vec<Encoded> = reader.by_ref().collect();

            let whole = (0..=entries.len()).rev().find(|n| body(&entries[..*n]).len() <= cut);
            let whole = whole.expect("none is whole, at least");
            prop_assert_eq!(&read[..], &entries[..whole]);
            prop_assert_eq!(reader.read(), body(&entries[..whole]).len());
        }

        #[test]
        fn no_bytes_make_it_fail(bytes: Vec<u8>) {
            for _ in Entries::of(&bytes) {}
            Header::decode(&bytes);
        }
    }
}
