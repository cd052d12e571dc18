//! Whether a program is a multi-call binary, by the text in it.

use memchr::memmem;

/// Text that each multi-call binary carries for its own use. Seen in Debian's
/// busybox and busybox-static 1.35.0, toybox 0.8.9, rust-coreutils 0.0.17
/// (uutils), and in GNU coreutils 9.1 built with `--enable-single-binary`; and
/// in no other program of a Debian installation.
const SIGNATURES: [&[u8]; 4] = [
    // The banner, in every build of busybox.
    b"BusyBox v",
    // What toybox adds to "Unknown command".
    b"(see toybox --help)",
    // GNU coreutils' option that names the program to be.
    b"--coreutils-prog=",
    // The usage of uutils.
    b" [function [arguments...]]",
];

/// What two pieces of a file may have of one signature, at most.
const OVERLAP: usize = {
    let mut longest = 0;
    let mut index = 0;
    while index < SIGNATURES.len() {
        if SIGNATURES[index].len() > longest {
            longest = SIGNATURES[index].len();
        }
        index += 1;
    }
    longest - 1
};

/// Looks for the signatures in a file that comes in pieces.
#[derive(Debug, Default)]
pub struct Scan {
    found: bool,
    /// The last bytes of what was seen, [`OVERLAP`] at most.
    tail: Vec<u8>,
}

impl Scan {
    /// Takes the next piece of the file.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.found {
            return;
        }
        let mut border = std::mem::take(&mut self.tail);
        border.extend_from_slice(&piece[..piece.len().min(OVERLAP)]);
        self.found = is_in(&border) || is_in(piece);
        // A short piece may leave some of the old tail in reach.
        let end = if piece.len() < OVERLAP {
            &border
        } else {
            piece
        };
        self.tail = end[end.len().saturating_sub(OVERLAP)..].to_vec();
    }

    /// Whether a signature was in what was seen.
    pub fn found(&self) -> bool {
        self.found
    }
}

fn is_in(bytes: &[u8]) -> bool {
    SIGNATURES
        .iter()
        .any(|signature| memmem::find(bytes, signature).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(pieces: &[&[u8]]) -> bool {
        let mut scan = Scan::default();
        for piece in pieces {
            scan.feed(piece);
        }
        scan.found()
    }

    #[test]
    fn each_signature_is_found_wherever_the_file_is_cut() {
        for signature in SIGNATURES {
            let file = [&[b'x'; 40], signature, &[b'y'; 40]].concat();
            for cut in 0..file.len() {
                let (left, right) = file.split_at(cut);
                assert!(found(&[left, right]), "{cut}");
            }
            let bytes: Vec<&[u8]> = file.chunks(1).collect();
            assert!(found(&bytes));
        }
    }

    #[test]
    fn what_only_speaks_of_them_is_none() {
        assert!(!found(&[b"#!/bin/busybox sh", b"coreutils toybox BusyBox"]));
        assert!(!found(&[b"BusyBox", b"", b"x v"]));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            bytes in proptest::collection::vec(prop_oneof![Just(b'B'), Just(b'u'), any::<u8>()], 0..200),
            at in 0usize..200,
            sizes in proptest::collection::vec(1usize..50, 1..50),
        ) {
            let mut file = bytes;
            file.splice(at.min(file.len())..at.min(file.len()), *b"BusyBox v");
            let mut scan = Scan::default();
            let mut rest = file.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                scan.feed(piece);
                rest = after;
            }
            prop_assert!(scan.found());
        }
    }
}
