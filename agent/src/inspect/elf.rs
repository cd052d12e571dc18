//! Whether a program is a program loader.
//!
//! Run by itself, a loader (`ld-linux-x86-64.so.2 ./anything`) executes a file
//! that the kernel never sees as one. It is a shared object that the kernel
//! starts without another loader, and so is a position independent program
//! that was linked statically; that one is marked as a program by its linker
//! (`DF_1_PIE`; GNU ld since 2.26, lld, mold). A name of its own
//! (`DT_SONAME`), as glibc's loader has, is no condition: musl's may have none.

use object::Endianness;
use object::elf::{
    DF_1_PIE, DT_FLAGS_1, DT_NULL, DT_SONAME, ET_DYN, FileHeader32, FileHeader64, PT_DYNAMIC,
    PT_INTERP,
};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::read::{FileKind, ReadRef};

/// The largest table that is read, in bytes. The kernel refuses a program with
/// larger program headers; real dynamic sections have some hundreds.
const TABLE_MAX: u64 = 64 * 1024;

/// Whether the file is a loader. What is no ELF file, or a broken one, is none.
pub fn is_loader<'data, R: ReadRef<'data>>(data: R) -> bool {
    match FileKind::parse(data) {
        Ok(FileKind::Elf64) => check::<FileHeader64<Endianness>, R>(data),
        Ok(FileKind::Elf32) => check::<FileHeader32<Endianness>, R>(data),
        _ => None,
    }
    .unwrap_or(false)
}

fn check<'data, Elf: FileHeader, R: ReadRef<'data>>(data: R) -> Option<bool> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    // Not object's own count, which follows a hostile file further.
    let size = u64::from(header.e_phnum(endian)) * u64::from(header.e_phentsize(endian));
    if header.e_type(endian) != ET_DYN || size > TABLE_MAX {
        return None;
    }
    let segments = header.program_headers(endian, data).ok()?;
    if segments
        .iter()
        .any(|segment| segment.p_type(endian) == PT_INTERP)
    {
        return Some(false);
    }
    let dynamic = segments
        .iter()
        .find(|segment| segment.p_type(endian) == PT_DYNAMIC)?;
    if dynamic.p_filesz(endian).into() > TABLE_MAX {
        return None;
    }
    let mut named = false;
    let mut program = false;
    for entry in dynamic.dynamic(endian, data).ok()?? {
        match (entry.d_tag(endian).into(), entry.d_val(endian).into()) {
            (DT_NULL, _) => break,
            (DT_SONAME, _) => named = true,
            (DT_FLAGS_1, flags) => program = flags & u64::from(DF_1_PIE) != 0,
            _ => {}
        }
    }
    Some(named || !program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A 64-bit file with an interpreter or none, and a dynamic section.
    fn elf(kind: u16, interpreter: bool, dynamic: &[(i64, u64)]) -> Vec<u8> {
        let segments = 1 + u16::from(interpreter);
        let table = 64 + 56 * u64::from(segments);
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend(kind.to_le_bytes());
        file.extend(62_u16.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend([0; 8]);
        file.extend(64_u64.to_le_bytes());
        file.extend([0; 12]);
        file.extend(64_u16.to_le_bytes());
        file.extend(56_u16.to_le_bytes());
        file.extend(segments.to_le_bytes());
        file.extend([0; 6]);
        let mut segment = |kind: u32, size: u64| {
            file.extend(kind.to_le_bytes());
            file.extend(4_u32.to_le_bytes());
            file.extend(table.to_le_bytes());
            file.extend([0; 16]);
            file.extend(size.to_le_bytes());
            file.extend([0; 16]);
        };
        if interpreter {
            segment(PT_INTERP, 0);
        }
        segment(PT_DYNAMIC, 16 * dynamic.len() as u64);
        for (tag, value) in dynamic {
            file.extend(tag.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        file
    }

    const PIE: (i64, u64) = (DT_FLAGS_1, DF_1_PIE as u64 | 1);
    const NOW: (i64, u64) = (DT_FLAGS_1, 1);
    const NAME: (i64, u64) = (DT_SONAME, 7);
    const END: (i64, u64) = (DT_NULL, 0);

    #[track_caller]
    fn check(file: &[u8], expected: bool) {
        assert_eq!(is_loader(file), expected);
    }

    #[test]
    fn a_shared_object_that_needs_no_loader_is_one() {
        // glibc's, and musl's as Debian builds it.
        check(&elf(ET_DYN, false, &[NAME, END]), true);
        check(&elf(ET_DYN, false, &[NOW, END]), true);
    }

    #[test]
    fn programs_are_none() {
        // Static and position independent, dynamic, libc.so.6, not position
        // independent.
        check(&elf(ET_DYN, false, &[PIE, END]), false);
        check(&elf(ET_DYN, true, &[PIE, END]), false);
        check(&elf(ET_DYN, true, &[NAME, END]), false);
        check(&elf(object::elf::ET_EXEC, false, &[END]), false);
    }

    #[test]
    fn what_comes_after_the_end_does_not_count() {
        check(&elf(ET_DYN, false, &[NOW, END, PIE]), true);
    }

    #[test]
    fn a_broken_file_is_none_wherever_it_is_broken() {
        let whole = elf(ET_DYN, false, &[NAME, END]);
        for length in 0..whole.len() {
            check(&whole[..length], false);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut file = whole.clone();
                file[at] = value;
                // Whatever it says of it, it comes back.
                is_loader(file.as_slice());
            }
        }
    }

    #[test]
    fn this_machines_own_files_are_told_apart() {
        let loader = PathBuf::from(
            fs::read_to_string("/proc/self/maps")
                .unwrap()
                .lines()
                .filter_map(|line| line.split_whitespace().nth(5))
                .find(|path| {
                    path.rsplit('/')
                        .next()
                        .is_some_and(|name| name.starts_with("ld-"))
                })
                .expect("the tests are linked dynamically"),
        );

        check(&fs::read(&loader).unwrap(), true);
        check(
            &fs::read(loader.with_file_name("libc.so.6")).unwrap(),
            false,
        );
        check(&fs::read("/proc/self/exe").unwrap(), false);
        // Static and position independent on Debian.
        check(&fs::read("/sbin/ldconfig").unwrap(), false);
        check(b"#!/bin/sh\n", false);
    }
}
