//! What in the name of a file or folder changes from one release, build or run
//! to the next.

use crate::allowlist::Filling;
use crate::allowlist::filling::{date_at_start, digits, version_at_start};

/// A name with one part that changes. The rest of it stays: `go-build` in
/// `go-build123`, `node-v` and `-linux-x64` in `node-v20.11.1-linux-x64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Shape<'a> {
    /// What stands before the part.
    pub before: &'a str,
    /// What the part is.
    pub filling: Filling,
    /// What stands behind it.
    pub behind: &'a str,
}

/// The shape of a name and the part of it that changes; `None` for a name in
/// which nothing clearly does. Of several parts, the narrowest kind's, and of
/// these the first.
pub fn shape(name: &str) -> Option<(Shape<'_>, &str)> {
    Filling::ALL.into_iter().find_map(|filling| {
        let starts = name.char_indices().map(|(at, _)| at);
        starts
            .filter(|at| is_start(filling, &name.as_bytes()[..*at]))
            .find_map(|start| {
                let length = length(filling, &name.as_bytes()[start..])?;
                let (before, rest) = name.split_at(start);
                // All of these kinds are ASCII.
                let (part, behind) = rest.split_at(length);
                let shape = Shape {
                    before,
                    filling,
                    behind,
                };
                is_end(filling, behind.as_bytes()).then_some((shape, part))
            })
    })
}

/// Whether a part of this kind may begin behind `before`.
fn is_start(filling: Filling, before: &[u8]) -> bool {
    let Some((last, _)) = before.split_last() else {
        return true;
    };
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic();
    match filling {
        Filling::Uuid | Filling::Date | Filling::Hash => is_mark(*last),
        // `python3.11`, `kubectl-1.31`.
        Filling::Version => is_letter(last) || (is_mark(*last) && *last != b'.'),
        Filling::Counter => {
            is_letter(&before[0])
                && before
                    .iter()
                    .all(|byte| is_letter(byte) || matches!(byte, b'-' | b'_'))
        }
    }
}

/// How long the part is that `text` begins with.
fn length(filling: Filling, text: &[u8]) -> Option<usize> {
    match filling {
        Filling::Uuid => text
            .get(..36)
            .is_some_and(|text| Filling::Uuid.fits(text))
            .then_some(36),
        Filling::Date => date_at_start(text),
        Filling::Version => version_at_start(text),
        Filling::Hash => {
            let word = text.iter().take_while(|byte| !is_mark(**byte)).count();
            // Digits alone count something.
            let has_letter = text[..word].iter().any(u8::is_ascii_alphabetic);
            (has_letter && Filling::Hash.fits(&text[..word])).then_some(word)
        }
        Filling::Counter => Some(digits(text)).filter(|found| *found > 0),
    }
}

/// Whether a part of this kind may end before `behind`.
fn is_end(filling: Filling, behind: &[u8]) -> bool {
    match (filling, behind.first()) {
        (_, None) => true,
        (Filling::Counter, Some(_)) => false,
        (_, Some(first)) => is_mark(*first),
    }
}

/// What stands between the words of a name.
fn is_mark(byte: u8) -> bool {
    b"-_.@+~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &str, expected: &str) {
        let found = shape(name).map_or_else(String::new, |(shape, part)| {
            let Shape {
                before,
                filling,
                behind,
            } = shape;
            format!("{before}<{filling} {part}>{behind}")
        });
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn the_part_that_changes_is_found_and_the_rest_stays() {
        check("1.31", "<version 1.31>");
        check("v2.4.1-rc1", "v<version 2.4.1-rc1>");
        check("kubectl-1.31", "kubectl-<version 1.31>");
        check("python3.11", "python<version 3.11>");
        check("jdk-17.0.2+8", "jdk-<version 17.0.2+8>");
        check(
            "node-v20.11.1-linux-x64",
            "node-v<version 20.11.1>-linux-x64",
        );
        check("esbuild@0.21.5", "esbuild@<version 0.21.5>");
        check("x86_64-1.2", "x86_64-<version 1.2>");
        check("3f2a9c1d", "<hash 3f2a9c1d>");
        check("build-3f2a9c1d", "build-<hash 3f2a9c1d>");
        check("20261123101112", "<date 20261123101112>");
        check("release-2026-11-23", "release-<date 2026-11-23>");
        check(
            "0f8fad5b-d9cb-469f-a165-70867728950e.d",
            "<uuid 0f8fad5b-d9cb-469f-a165-70867728950e>.d",
        );
        check("b001", "b<counter 001>");
        check("go-build123", "go-build<counter 123>");
        check("worker-3", "worker-<counter 3>");
        check("hsperfdata_1000", "hsperfdata_<counter 1000>");
        check("7", "<counter 7>");
    }

    #[test]
    fn what_is_not_clearly_one_is_none() {
        for name in [
            "bin",
            "x86_64",
            "x86_64-linux-gnu",
            "hsperfdata_root",
            "deadbeef",
            "current",
            "a1b2",
            "3d-tool",
            "lib64x",
            "1_000",
            "ä1ä",
            "",
        ] {
            check(name, "");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_of_its_kind_and_the_name_is_whole(name in "[-a-f0-9._v@ä*\\n]{0,40}") {
            if let Some((shape, part)) = shape(&name) {
                prop_assert!(shape.filling.fits(part.as_bytes()), "{shape:?} {part}");
                prop_assert_eq!(format!("{}{part}{}", shape.before, shape.behind), name);
            }
        }
    }
}
