//! Small blobs, written by hand.

use crate::kernel::btf::{Btf, BtfError};
use proptest::prelude::*;

/// Writes BTF one type after the other; the first has id 1.
#[derive(Clone, Default)]
struct Blob {
    /// How long the names of the base are.
    names_before: u32,
    types: Vec<u8>,
    names: Vec<u8>,
    layout: Vec<u8>,
}

const FLAG: u32 = 1 << 31;
const INT: u32 = 1;

impl Blob {
    fn new() -> Self {
        Self {
            names: vec![0],
            ..Self::default()
        }
        // Type 1, for members that need one.
        .add(1, "int", 4, &[32])
    }

    /// The blob of a module, whose base is `base`.
    fn over(base: &Self) -> Self {
        Self {
            names_before: base.names.len() as u32,
            ..Self::default()
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.names_before + self.names.len() as u32;
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        offset
    }

    /// `info` is the kind, counts and flags in place.
    fn push(mut self, info: u32, name: &str, size_or_type: u32, rest: &[u32]) -> Self {
        let name = self.name(name);
        for word in [&[name, info, size_or_type], rest].concat() {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        self
    }

    fn add(self, kind: u32, name: &str, size_or_type: u32, rest: &[u32]) -> Self {
        self.push(kind << 24, name, size_or_type, rest)
    }

    fn composite(mut self, kind: u32, name: &str, size: u32, members: &[(&str, u32, u32)]) -> Self {
        let mut rest = Vec::new();
        for (member, type_id, offset) in members {
            rest.extend([self.name(member), *type_id, *offset]);
        }
        self.push(kind << 24 | members.len() as u32, name, size, &rest)
    }

    fn strukt(self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> Self {
        self.composite(4, name, size, members)
    }

    fn union(self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> Self {
        self.composite(5, name, size, members)
    }

    fn bytes(&self) -> Vec<u8> {
        let header_len: u32 = if self.layout.is_empty() { 24 } else { 32 };
        let (types, names) = (self.types.len() as u32, self.names.len() as u32);
        let mut words = vec![header_len, 0, types, types, names];
        if !self.layout.is_empty() {
            words.extend([types + names, self.layout.len() as u32]);
        }
        let mut bytes = [&0xeb9f_u16.to_ne_bytes()[..], &[1, 0]].concat();
        for word in words {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        [
            bytes,
            self.types.clone(),
            self.names.clone(),
            self.layout.clone(),
        ]
        .concat()
    }

    fn offset_of(&self, strukt: &str, path: &str) -> Result<u32, BtfError> {
        Btf::parse(&self.bytes())?.offset_of(strukt, path)
    }
}

/// A struct `file` as kernels have it: an embedded struct behind a typedef and
/// a `const`, anonymous unions, a pointer, a bit field.
fn file() -> Blob {
    Blob::new()
        .strukt("path", 16, &[("mnt", INT, 0), ("dentry", INT, 64)]) // 2
        .add(8, "path_t", 2, &[]) // 3: typedef
        .add(10, "", 3, &[]) // 4: const
        .union("", 8, &[("f_hash", INT, 0), ("f_len", INT, 32)]) // 5
        .strukt("", 16, &[("", 5, 64), ("f_first", INT, 0)]) // 6
        .add(2, "", 2, &[]) // 7: pointer
        .push(
            FLAG | 4 << 24 | 2,
            "flags",
            4,
            &[0, INT, 3 << 24, 0, INT, 8 | 8 << 24],
        ) // 8, members without a name
        .strukt(
            "file",
            64,
            &[
                ("f_mode", INT, 32),
                ("f_path", 4, 64),
                ("", 6, 192),
                ("f_owner", 7, 320),
                ("f_flags", 8, 384),
            ],
        )
}

fn check(path: &str, expected: u32) {
    assert_eq!(file().offset_of("file", path), Ok(expected), "{path}");
}

fn refused(strukt: &str, path: &str, expected: &str) {
    let error = file().offset_of(strukt, path).unwrap_err();

    assert_eq!(error.to_string(), expected, "{path}");
}

#[test]
fn finds_members_and_sizes() {
    check("f_mode", 4);
    check("f_path", 8);
    check("f_owner", 40);
    let blob = file().bytes();
    let btf = Btf::parse(&blob).unwrap();
    assert_eq!(btf.size_of_struct("file"), Ok(64));
    assert!(btf.has_struct("path"));
    assert!(!btf.has_struct("pat"));
    assert!(!btf.has_struct("path_t"));
}

#[test]
fn dots_lead_into_embedded_structs() {
    check("f_path.mnt", 8);
    check("f_path.dentry", 16);
}

#[test]
fn anonymous_members_are_seen_through() {
    check("f_first", 24);
    check("f_hash", 32);
    check("f_len", 36);
}

#[test]
fn what_is_not_there_is_named() {
    refused("dir", "x", "the kernel's BTF has no `struct dir`");
    refused(
        "file",
        "f_inode",
        "the kernel's BTF has no member `f_inode` in `struct file`",
    );
    for path in ["f_path.inode", "", ".", "f_path.", "f_mod", "f_modee"] {
        refused(
            "file",
            path,
            &format!("the kernel's BTF has no member `{path}` in `struct file`"),
        );
    }
    for path in ["f_owner.mnt", "f_mode.x"] {
        refused(
            "file",
            path,
            &format!("`{path}` leads out of `struct file`: what stands before a dot is no struct"),
        );
    }
}

#[test]
fn bit_fields_are_refused() {
    let mut blob = Blob::new();
    let (a, b) = (blob.name("a"), blob.name("b"));
    let members = [a, INT, 3 << 24 | 8, b, INT, 32];
    let blob = blob.push(FLAG | 4 << 24 | 2, "s", 8, &members);

    assert_eq!(
        blob.offset_of("s", "a").unwrap_err().to_string(),
        "the member `a` of `struct s` is a bit field in this kernel"
    );
    assert_eq!(blob.offset_of("s", "b"), Ok(4));
    assert!(matches!(
        Blob::new()
            .strukt("s", 8, &[("old", INT, 3)])
            .offset_of("s", "old"),
        Err(BtfError::Bitfield { .. })
    ));
}

#[test]
fn structs_of_one_name_must_agree() {
    let blob = Blob::new()
        .strukt("s", 8, &[("a", INT, 0), ("b", INT, 32)])
        .strukt("s", 12, &[("a", INT, 0), ("b", INT, 64), ("c", INT, 32)]);

    assert_eq!(blob.offset_of("s", "a"), Ok(0));
    assert_eq!(blob.offset_of("s", "c"), Ok(4));
    assert_eq!(
        blob.offset_of("s", "b").unwrap_err().to_string(),
        "the kernel's BTF has more than one `struct s`, which differ in `b`"
    );
}

#[test]
fn a_modules_types_continue_the_kernels() {
    let kernel = Blob::new().strukt("inode", 24, &[("i_ino", INT, 64)]); // 2
    let module = Blob::over(&kernel)
        .add(9, "", 2, &[]) // 3: volatile inode
        .strukt("ovl_inode", 32, &[("own", INT, 0), ("vfs", 3, 64)]);
    let (kernel, module) = (kernel.bytes(), module.bytes());

    let base = Btf::parse(&kernel).unwrap();
    let btf = Btf::parse_module(&module, &base).unwrap();

    assert_eq!(btf.offset_of("ovl_inode", "vfs.i_ino"), Ok(16));
    assert_eq!(btf.offset_of("inode", "i_ino"), Ok(8));
    assert!(!base.has_struct("ovl_inode"));
}

#[test]
fn every_known_kind_is_stepped_over() {
    let blob = Blob::new()
        .add(3, "", 0, &[1, 1, 8]) // array
        .push(6 << 24 | 2, "e", 4, &[0; 4]) // enum
        .add(7, "fwd", 0, &[])
        .add(11, "", 1, &[]) // restrict
        .add(12, "f", 1, &[]) // func
        .push(13 << 24 | 1, "", 1, &[0; 2]) // func proto
        .add(14, "v", 1, &[0]) // var
        .push(15 << 24 | 1, "d", 4, &[0; 3]) // datasec
        .add(16, "float", 4, &[])
        .add(17, "t", 1, &[0]) // decl tag
        .add(18, "t", 1, &[]) // type tag
        .push(19 << 24 | 1, "e", 8, &[0; 3]) // enum64
        .strukt("s", 8, &[("a", INT, 32)]);

    assert_eq!(blob.offset_of("s", "a"), Ok(4));
}

#[test]
fn a_newer_kind_is_stepped_over_if_it_says_its_size() {
    let mut blob = Blob::new()
        .push(40 << 24 | 0x1_0002, "new", 0, &vec![0; 1 + 2 * 0x1_0002])
        .strukt("s", 8, &[("a", INT, 32)]);
    assert_eq!(blob.offset_of("s", "a"), Err(BtfError::UnknownKind(40)));

    blob.layout = vec![0; 41 * 4];
    blob.layout[160..162].copy_from_slice(&[4, 8]);

    assert_eq!(blob.offset_of("s", "a"), Ok(4));
}

#[test]
fn types_that_turn_in_circles_are_refused() {
    let chain = Blob::new()
        .add(8, "t", 2, &[])
        .strukt("s", 8, &[("a", 2, 0)]);
    let nested = Blob::new().strukt("s", 8, &[("", 2, 0), ("", 2, 0)]);
    let wide = Blob::new().strukt("s", 8, &vec![("", 2, 0); 60_000]);

    assert_eq!(chain.offset_of("s", "a.b"), Err(BtfError::TooDeep));
    assert_eq!(nested.offset_of("s", "a"), Err(BtfError::TooDeep));
    assert_eq!(wide.offset_of("s", "a"), Err(BtfError::TooDeep));
}

#[test]
fn what_is_no_btf_is_refused() {
    let whole = file().bytes();
    let changed = |place: usize, bytes: &[u8]| {
        let mut blob = whole.clone();
        blob[place..place + bytes.len()].copy_from_slice(bytes);
        Btf::parse(&blob).map(|_| ()).unwrap_err()
    };
    let mut swapped = [whole[0], whole[1]];
    swapped.reverse();

    assert_eq!(Btf::parse(b"").unwrap_err(), BtfError::NotBtf);
    assert_eq!(Btf::parse(b"\x7fELF....").unwrap_err(), BtfError::NotBtf);
    assert_eq!(changed(0, &swapped), BtfError::OtherByteOrder);
    assert_eq!(changed(2, &[2]), BtfError::Version(2));
    for place in [4, 8, 12, 16, 20] {
        let error = changed(place, &u32::MAX.to_ne_bytes());
        assert!(matches!(error, BtfError::Damaged(_)), "{place}: {error:?}");
    }
    assert_eq!(changed(4, &[0; 4]), BtfError::Damaged("its header"));
    for kept in 2..whole.len() {
        let error = Btf::parse(&whole[..kept]).map(|_| ()).unwrap_err();
        assert!(matches!(error, BtfError::Damaged(_)), "{kept}: {error:?}");
    }
}

/// Asks everything; only the absence of a panic or a hang matters.
fn ask(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for strukt in ["file", "path", "flags", "", "f_mode"] {
        let _ = btf.size_of_struct(strukt);
        for path in ["f_path.dentry", "f_len", "f_owner", "f_flags.x", ""] {
            let _ = btf.offset_of(strukt, path);
        }
    }
    if let Ok(module) = Btf::parse_module(bytes, &btf) {
        let _ = module.offset_of("file", "f_path.dentry");
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = file().bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        ask(&bytes);
    }

    #[test]
    fn any_types_never_panic(types: Vec<u8>, names: Vec<u8>, layout: Vec<u8>) {
        ask(&Blob { types, names, layout, ..Blob::default() }.bytes());
    }

    #[test]
    fn any_bytes_never_panic(bytes: Vec<u8>) {
        ask(&bytes);
    }
}
