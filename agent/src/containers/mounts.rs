//! `/proc/<pid>/mountinfo`, as bytes: a path in it may be anything, and a line
//! that cannot be read must not hide the others.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// One mounted file system.
#[derive(Debug)]
pub(super) struct Mount {
    /// Which of its folders is mounted.
    pub(super) root: Vec<u8>,
    /// Where it is mounted.
    pub(super) mount_point: PathBuf,
    /// `cgroup2`, `cgroup` …
    pub(super) fs_type: Vec<u8>,
}

/// The mounts in the order of the file; lines of another shape are passed over.
pub(super) fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw`; any number
/// of optional fields stands before the dash (proc_pid_mountinfo(5)).
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = unescape(fields.nth(3)?);
    let mount_point = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
    fields.by_ref().find(|field| *field == b"-")?;
    let fs_type = fields.next()?.to_vec();
    Some(Mount {
        root,
        mount_point,
        fs_type,
    })
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal
/// digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                rest = &after[3..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &[u8], root: &[u8], mount_point: &str, fs_type: &str) {
        let mount = parse_line(line).unwrap();

        assert_eq!(mount.root, root);
        assert_eq!(mount.mount_point, PathBuf::from(mount_point));
        assert_eq!(mount.fs_type, fs_type.as_bytes());
    }

    #[test]
    fn reads_lines_with_and_without_optional_fields() {
        check(
            b"30 25 0:26 / /a rw - cgroup2 none rw",
            b"/",
            "/a",
            "cgroup2",
        );
        check(
            b"30 25 0:26 /x /a rw shared:1 master:2 - ext4 - rw",
            b"/x",
            "/a",
            "ext4",
        );
    }

    #[test]
    fn paths_are_unescaped() {
        check(
            b"30 25 0:26 /\xff\\134 /a\\040b\\011\\9 rw - x y z",
            b"/\xff\\",
            "/a b\t\\9",
            "x",
        );
    }

    #[test]
    fn a_bad_line_hides_no_other() {
        let text = b"\nshort\n1 2 3 / /a rw no dash\n30 25 0:26 / /a rw - cgroup2 none rw\n";

        assert_eq!(parse_mountinfo(text).len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            parse_mountinfo(&text);
        }
    }
}
