//! A file's own name, and the names that are its own but for a version.

/// The last component of a path.
pub fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether `name` is the name of the file at `path`, with or without the
/// version at its end: `python3.11` goes by `python3` and `python` too, and is
/// the same program by each of them.
pub fn is_own_name(path: &[u8], name: &[u8]) -> bool {
    match last_component(path).strip_prefix(name) {
        Some([]) => !name.is_empty(),
        Some(rest) => is_version(name, rest),
        None => false,
    }
}

/// Every name that is the file's own, the longest first.
pub fn own_names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let name = last_component(path);
    let beginnings = (1..=name.len()).rev().map(|len| &name[..len]);
    beginnings.filter(move |beginning| is_own_name(path, beginning))
}

/// Whether `rest` is a version behind `name`: `3.11`, `-12`, `.36.0`; never a
/// part of a number that `name` ends with.
fn is_version(name: &[u8], rest: &[u8]) -> bool {
    let Some(before) = name.last() else {
        return false;
    };
    let splits_a_number = before.is_ascii_digit() && rest.first().is_some_and(u8::is_ascii_digit);
    !splits_a_number
        && rest.last().is_some_and(u8::is_ascii_digit)
        && rest
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, name: &str, expected: bool) {
        let found = is_own_name(path.as_bytes(), name.as_bytes());
        assert_eq!(found, expected, "{path} as {name}");
    }

    #[test]
    fn a_version_at_the_end_makes_no_other_program() {
        check("/usr/bin/python3.11", "python3.11", true);
        check("/usr/bin/python3.11", "python3", true);
        check("/usr/bin/python3.11", "python", true);
        check("/usr/bin/perl5.36.0", "perl", true);
        check("/usr/bin/gcc-12", "gcc", true);
    }

    #[test]
    fn all_of_them_are_found() {
        let names: Vec<_> = own_names(b"/usr/bin/python3.11").collect();

        assert_eq!(
            names,
            [&b"python3.11"[..], b"python3.", b"python3", b"python"]
        );
        assert!(own_names(b"/usr/bin/sh").eq([b"sh"]));
        assert_eq!(own_names(b"/").count(), 0);
    }

    #[test]
    fn any_other_name_is_another() {
        check("/usr/bin/python3.11", "python3.1", false);
        check("/usr/bin/python3.11", "python2", false);
        check("/usr/bin/python3", "python3.11", false);
        check("/usr/bin/busybox", "busy", false);
        check("/usr/bin/busybox", "", false);
        check("/usr/bin/7", "", false);
        check("/usr/bin/x-1-", "x", false);
    }
}
