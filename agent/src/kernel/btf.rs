//! Where the kernel keeps its fields, read from its own type information.
//!
//! Reads the BTF that the running kernel shows in `/sys/kernel/btf` and
//! answers three questions: is there such a struct, how large is it, and how
//! many bytes from its start is this member. Nothing else of BTF is
//! understood; what is in between is only stepped over.
//!
//! Pure: bytes in, numbers out. The bytes come from the kernel, but nothing
//! here relies on them: every reference is checked, and every walk is bounded.

mod error;
mod raw;

pub use error::BtfError;

use raw::{Kind, Sections, Type};

/// How many typedefs and qualifiers may stand before a struct. C allows any
/// number, the kernel uses three.
const MAX_CHAIN: usize = 32;
/// How deep anonymous structs and unions may stand in one another. The
/// kernel's deepest is `struct page` with three.
const MAX_NESTING: usize = 16;
/// How many members one question may look at. The kernel's largest struct has
/// about four hundred.
const MAX_MEMBERS: u32 = 1 << 18;

/// The type information of a kernel or, with the kernel's as its base, of one
/// of its modules.
///
/// Borrows the bytes and keeps some more for each type (under a megabyte for
/// a distribution's kernel): ask and drop it.
#[derive(Debug)]
pub struct Btf<'a> {
    base: Option<&'a Btf<'a>>,
    sections: Sections<'a>,
    /// The offset of each type in the type section, from the first id on.
    types: Vec<u32>,
    /// The name and the id of all structs that have one, by name: to look
    /// through all of them for each question took longer than to read them.
    structs: Vec<(&'a [u8], u32)>,
}

/// A member that was found in a struct.
struct Member {
    /// From the start of the struct.
    bits: u32,
    type_id: u32,
    is_bitfield: bool,
}

impl<'a> Btf<'a> {
    /// Reads the content of `/sys/kernel/btf/vmlinux`.
    ///
    /// Walks over all types once: some milliseconds.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        Self::parse_over(bytes, None)
    }

    /// Reads the content of `/sys/kernel/btf/<module>`, which continues the
    /// kernel's own.
    pub fn parse_module(bytes: &'a [u8], base: &'a Self) -> Result<Self, BtfError> {
        Self::parse_over(bytes, Some(base))
    }

    fn parse_over(bytes: &'a [u8], base: Option<&'a Self>) -> Result<Self, BtfError> {
        let mut btf = Self {
            base,
            sections: Sections::parse(bytes)?,
            types: Vec::new(),
            structs: Vec::new(),
        };
        let mut id = btf.first_id();
        let mut offset = 0;
        while offset < btf.sections.types_len() {
            let (found, next) = btf.sections.type_at(offset)?;
            if found.kind == Kind::Struct
                && found.name != 0
                && let Some(name) = btf.name_at(found.name)
            {
                btf.structs.push((name, id));
            }
            // Sections hold less than 4 GiB: their lengths are 32 bits wide.
            btf.types.push(offset as u32);
            offset = next;
            id = id.checked_add(1).ok_or(BtfError::Damaged("the types"))?;
        }
        btf.structs.sort_unstable();
        Ok(btf)
    }

    /// Whether there is a struct of this name.
    pub fn has_struct(&self, name: &str) -> bool {
        !self.structs_named(name).is_empty()
    }

    /// The size of a struct in bytes.
    pub fn size_of_struct(&self, name: &str) -> Result<u32, BtfError> {
        self.agreed(name, "", |found| Ok(found.size_or_type))
    }

    /// How many bytes a member is from the start of a struct. Dots in its path
    /// lead into structs that it embeds (`f_path.dentry`), never over a
    /// pointer; anonymous structs and unions are seen through, as in C.
    pub fn offset_of(&self, strukt: &str, path: &str) -> Result<u32, BtfError> {
        self.agreed(strukt, path, |found| self.walk(strukt, path, found))
    }

    /// The one answer that all structs of this name give. BTF keeps structs
    /// of the same name apart where files define them differently.
    fn agreed(
        &self,
        strukt: &str,
        path: &str,
        ask: impl Fn(Type<'a>) -> Result<u32, BtfError>,
    ) -> Result<u32, BtfError> {
        let mut answer = None;
        let mut refusal = BtfError::NoStruct(strukt.to_owned());
        for (_, id) in self.structs_named(strukt) {
            match (self.type_of(*id).and_then(&ask), answer) {
                (Ok(new), Some(old)) if new != old => {
                    return Err(BtfError::Ambiguous {
                        strukt: strukt.to_owned(),
                        member: path.to_owned(),
                    });
                }
                (Ok(new), _) => answer = Some(new),
                (Err(error), _) => refusal = error,
            }
        }
        answer.ok_or(refusal)
    }

    fn walk(&self, strukt: &str, path: &str, start: Type<'a>) -> Result<u32, BtfError> {
        let names = || (strukt.to_owned(), path.to_owned());
        let no_member = || {
            let (strukt, member) = names();
            BtfError::NoMember { strukt, member }
        };
        let mut budget = MAX_MEMBERS;
        let mut bits = 0u32;
        let mut holder = Some(start);
        for name in path.split('.') {
            let inside = holder.ok_or_else(|| {
                let (strukt, member) = names();
                BtfError::NotEmbedded { strukt, member }
            })?;
            let found = self
                .find(inside, name.as_bytes(), MAX_NESTING, &mut budget)?
                .ok_or_else(no_member)?;
            bits = bits
                .checked_add(found.bits)
                .filter(|bits| bits.is_multiple_of(8) && !found.is_bitfield)
                .ok_or_else(|| {
                    let (strukt, member) = names();
                    BtfError::Bitfield { strukt, member }
                })?;
            holder = self.composite(found.type_id)?;
        }
        Ok(bits / 8)
    }

    /// The member of this name, looked for in anonymous members as well.
    fn find(
        &self,
        inside: Type<'a>,
        name: &[u8],
        nesting: usize,
        budget: &mut u32,
    ) -> Result<Option<Member>, BtfError> {
        for member in inside.members() {
            *budget = budget.checked_sub(1).ok_or(BtfError::TooDeep)?;
            if member.name != 0 {
                let other = self.name_at(member.name);
                if other.ok_or(BtfError::Damaged("a reference to a name"))? == name {
                    return Ok(Some(Member {
                        bits: member.bits,
                        type_id: member.type_id,
                        is_bitfield: member.is_bitfield,
                    }));
                }
                continue;
            }
            // An anonymous bit field is padding, and no composite.
            let Some(anonymous) = self.composite(member.type_id)? else {
                continue;
            };
            let nesting = nesting.checked_sub(1).ok_or(BtfError::TooDeep)?;
            if let Some(found) = self.find(anonymous, name, nesting, budget)? {
                let bits = found.bits.checked_add(member.bits);
                let bits = bits.ok_or(BtfError::Damaged("a member's offset"))?;
                return Ok(Some(Member { bits, ..found }));
            }
        }
        Ok(None)
    }

    /// The struct or union behind typedefs and qualifiers, if it is one.
    fn composite(&self, mut id: u32) -> Result<Option<Type<'a>>, BtfError> {
        for _ in 0..MAX_CHAIN {
            // 0 is void.
            if id == 0 {
                return Ok(None);
            }
            let found = self.type_of(id)?;
            match found.kind {
                Kind::Struct | Kind::Union => return Ok(Some(found)),
                Kind::Alias => id = found.size_or_type,
                Kind::Other => return Ok(None),
            }
        }
        Err(BtfError::TooDeep)
    }

    /// A module's own structs, or the kernel's where it has none of this name.
    fn structs_named(&self, name: &str) -> &[(&'a [u8], u32)] {
        let wanted = name.as_bytes();
        let from = self.structs.partition_point(|(name, _)| *name < wanted);
        let own = &self.structs[from..];
        let own = &own[..own.partition_point(|(name, _)| *name == wanted)];
        match self.base {
            Some(base) if own.is_empty() => base.structs_named(name),
            _ => own,
        }
    }

    fn type_of(&self, id: u32) -> Result<Type<'a>, BtfError> {
        let first = self.first_id();
        match self.base {
            Some(base) if id < first => base.type_of(id),
            _ => {
                let place = id.checked_sub(first).map(|place| place as usize);
                let offset = place.and_then(|place| self.types.get(place));
                let offset = *offset.ok_or(BtfError::Damaged("a reference to a type"))?;
                Ok(self.sections.type_at(offset as usize)?.0)
            }
        }
    }

    /// Types are numbered through, the kernel's from 1.
    fn first_id(&self) -> u32 {
        self.base
            .map_or(1, |base| base.first_id() + base.types.len() as u32)
    }

    /// Strings are numbered through as well: a module's begin where the
    /// kernel's end.
    fn name_at(&self, offset: u32) -> Option<&'a [u8]> {
        let first = self.first_string();
        match self.base {
            Some(base) if offset < first => base.name_at(offset),
            _ => self.sections.string_at(offset.checked_sub(first)? as usize),
        }
    }

    fn first_string(&self) -> u32 {
        self.base.map_or(0, |base| {
            base.first_string()
                .saturating_add(base.sections.strings_len() as u32)
        })
    }
}

#[cfg(test)]
mod tests;
