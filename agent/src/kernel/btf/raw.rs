//! The bytes of BTF: the header, and one type at a time.
//!
//! Format: `include/uapi/linux/btf.h`. Linux 7.1 added a table with each
//! kind's size, and 7.2 widened two fields of `info` into bits that were zero
//! before; both are read here.

use super::BtfError;
use std::ffi::CStr;

const MAGIC: u16 = 0xeb9f;
/// `struct btf_header` up to the string section's length.
const HEADER: usize = 24;
/// `struct btf_type`.
const TYPE: usize = 12;
/// `struct btf_member`.
const MEMBER: usize = 12;

/// What a type is, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Struct,
    Union,
    /// A typedef or a qualifier: another name for the type it refers to.
    Alias,
    Other,
}

/// `struct btf_type` with what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) kind: Kind,
    /// Where its name is in the strings; 0 for none.
    pub(super) name: u32,
    /// The size in bytes of a struct or union, else the type it refers to.
    pub(super) size_or_type: u32,
    /// Whether members say how many bits they have.
    has_bitfields: bool,
    rest: &'a [u8],
}

/// `struct btf_member`.
pub(super) struct RawMember {
    pub(super) name: u32,
    pub(super) type_id: u32,
    pub(super) bits: u32,
    pub(super) is_bitfield: bool,
}

impl<'a> Type<'a> {
    /// Empty but for a struct or union.
    pub(super) fn members(self) -> impl Iterator<Item = RawMember> + 'a {
        let rest = match self.kind {
            Kind::Struct | Kind::Union => self.rest,
            Kind::Alias | Kind::Other => &[],
        };
        rest.as_chunks::<MEMBER>().0.iter().map(move |member| {
            let [name, type_id, offset] = words(member);
            let (bits, width) = if self.has_bitfields {
                (offset & 0x00ff_ffff, offset >> 24)
            } else {
                (offset, 0)
            };
            RawMember {
                name,
                type_id,
                bits,
                is_bitfield: width != 0,
            }
        })
    }
}

/// The sections of one BTF blob.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// `struct btf_layout` for each kind; empty before Linux 7.1.
    layout: &'a [u8],
}

impl<'a> Sections<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let damaged = BtfError::Damaged;
        match bytes.first_chunk().map(|magic| u16::from_ne_bytes(*magic)) {
            Some(MAGIC) => {}
            Some(magic) if magic.swap_bytes() == MAGIC => return Err(BtfError::OtherByteOrder),
            _ => return Err(BtfError::NotBtf),
        }
        let version = *bytes.get(2).ok_or(damaged("its header"))?;
        if version != 1 {
            return Err(BtfError::Version(version));
        }
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(damaged("its header"))?;
        let [_, header_len, types_at, types_len, strings_at, strings_len] = words(header);
        let body = bytes
            .get(header_len as usize..)
            .filter(|_| header_len as usize >= HEADER)
            .ok_or(damaged("its header"))?;
        let section = |at: u32, len: u32| {
            let end = at.checked_add(len)?;
            body.get(at as usize..end as usize)
        };
        let layout = match bytes[..header_len as usize].get(HEADER..HEADER + 8) {
            Some(more) => {
                let [at, len] = words(more.first_chunk::<8>().ok_or(damaged("its header"))?);
                section(at, len).ok_or(damaged("its layouts"))?
            }
            None => &[],
        };
        Ok(Self {
            types: section(types_at, types_len).ok_or(damaged("its types"))?,
            strings: section(strings_at, strings_len).ok_or(damaged("its names"))?,
            layout,
        })
    }

    /// In bytes; fits 32 bits.
    pub(super) fn types_len(&self) -> usize {
        self.types.len()
    }

    /// In bytes; fits 32 bits.
    pub(super) fn strings_len(&self) -> usize {
        self.strings.len()
    }

    /// The type at this offset, and the offset of the next.
    pub(super) fn type_at(&self, offset: usize) -> Result<(Type<'a>, usize), BtfError> {
        let damaged = BtfError::Damaged("its types");
        let bytes = self.types.get(offset..).ok_or(damaged.clone())?;
        let (head, rest) = bytes.split_first_chunk::<TYPE>().ok_or(damaged.clone())?;
        let [name, info, size_or_type] = words(head);
        // 16 and 5 bits wide before Linux 7.2, the bits beside them zero.
        let (count, kind) = (info & 0x00ff_ffff, (info >> 24 & 0x7f) as u8);
        let (fixed, each) = self.size_of_kind(kind)?;
        let len = u64::from(count) * u64::from(each) + u64::from(fixed);
        let rest = usize::try_from(len)
            .ok()
            .and_then(|len| rest.get(..len))
            .ok_or(damaged)?;
        let kind = match kind {
            4 => Kind::Struct,
            5 => Kind::Union,
            // typedef, volatile, const, restrict, type tag
            8..=11 | 18 => Kind::Alias,
            _ => Kind::Other,
        };
        let found = Type {
            kind,
            name,
            size_or_type,
            has_bitfields: info >> 31 != 0,
            rest,
        };
        Ok((found, offset + TYPE + rest.len()))
    }

    /// How many bytes follow a type of this kind: once, and for each of what
    /// it counts.
    fn size_of_kind(&self, kind: u8) -> Result<(u8, u8), BtfError> {
        Ok(match kind {
            // ptr, fwd, typedef, volatile, const, restrict, func, float, type tag
            2 | 7..=12 | 16 | 18 => (0, 0),
            // int, var, decl tag
            1 | 14 | 17 => (4, 0),
            // array
            3 => (12, 0),
            // struct, union, datasec, enum64
            4 | 5 | 15 | 19 => (0, 12),
            // enum, func proto
            6 | 13 => (0, 8),
            // Newer than this code: `info_sz` and `elem_sz`, if it says them.
            newer => {
                let layouts = self.layout.as_chunks::<4>().0;
                let [fixed, each, ..] = layouts
                    .get(usize::from(newer))
                    .filter(|_| newer > 19)
                    .ok_or(BtfError::UnknownKind(newer))?;
                (*fixed, *each)
            }
        })
    }

    /// The string at this offset, without its NUL; `None` beyond the end.
    pub(super) fn string_at(&self, offset: usize) -> Option<&'a [u8]> {
        let string = CStr::from_bytes_until_nul(self.strings.get(offset..)?);
        string.ok().map(CStr::to_bytes)
    }
}

/// Reads this many words of 32 bits, which must be there.
fn words<const BYTES: usize, const WORDS: usize>(bytes: &[u8; BYTES]) -> [u32; WORDS] {
    const { assert!(BYTES == WORDS * 4) };
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}
