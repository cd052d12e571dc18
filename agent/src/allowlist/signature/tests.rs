use super::*;
use proptest::prelude::*;

const OPS: &[u8] = include_bytes!("../fixtures/ops.pub");
const DEV: &[u8] = include_bytes!("../fixtures/dev.pub");
const DOCUMENT: &[u8] = include_bytes!("../fixtures/web.yaml");
const BY_OPS: &str = include_str!("../fixtures/web.yaml.minisig");
const BY_DEV: &str = include_str!("../fixtures/web.yaml.dev.minisig");
const LEGACY: &str = include_str!("../fixtures/web.yaml.legacy.minisig");

fn only(text: &[u8]) -> Vec<Key> {
    keys(text).expect("keys")
}

fn id(of: &[u8]) -> KeyId {
    only(of)[0].id()
}

/// Signed by `signature`, as ops' keyring has it.
fn by_ops(document: &[u8], signature: &str) -> Result<KeyId, Refused> {
    signer(document, signature.as_bytes(), &only(OPS))
}

#[test]
fn who_has_signed_is_told_by_the_key() {
    let both = [OPS, DEV].concat();

    assert_eq!(by_ops(DOCUMENT, BY_OPS), Ok(id(OPS)));
    assert_eq!(by_ops(DOCUMENT, BY_DEV), Err(Refused::OtherKey(id(DEV))));
    for (signature, expected) in [(BY_OPS, id(OPS)), (BY_DEV, id(DEV))] {
        let found = signer(DOCUMENT, signature.as_bytes(), &only(&both));
        assert_eq!(found, Ok(expected));
    }
    assert_eq!(
        signer(DOCUMENT, BY_OPS.as_bytes(), &[]),
        Err(Refused::OtherKey(id(OPS)))
    );
}

#[test]
fn a_keys_number_is_as_minisign_prints_it() {
    let text = std::str::from_utf8(OPS).expect("text");

    let first = text.lines().next().expect("a comment");
    assert_eq!(
        first,
        format!("untrusted comment: minisign public key {}", id(OPS))
    );
}

#[test]
fn another_content_does_not_hold() {
    let broken = Err(Refused::Broken(id(OPS)));

    for n in 0..DOCUMENT.len() {
        let mut changed = DOCUMENT.to_vec();
        changed[n] ^= 1;
        assert_eq!(by_ops(&changed, BY_OPS), broken, "byte {n}");
    }
    assert_eq!(by_ops(&DOCUMENT[1..], BY_OPS), broken);
    assert_eq!(by_ops(&[DOCUMENT, b"\n"].concat(), BY_OPS), broken);
    assert_eq!(by_ops(b"", BY_OPS), broken);
}

#[test]
fn the_trusted_comment_is_a_part_of_what_was_signed() {
    let trusted = BY_OPS.replace("\tfile:web.yaml", "\tfile:all.yaml");
    let untrusted = BY_OPS.replacen("signature from", "whatever from", 1);
    assert!(trusted != BY_OPS && untrusted != BY_OPS);

    assert_eq!(by_ops(DOCUMENT, &trusted), Err(Refused::Broken(id(OPS))));
    assert_eq!(by_ops(DOCUMENT, &untrusted), Ok(id(OPS)));
}

#[test]
fn a_signature_that_says_another_key_does_not_hold() {
    let line = |text: &str| text.lines().nth(1).expect("a signature").to_owned();
    let mut forged = STANDARD.decode(line(BY_DEV)).expect("base64");
    let ops = STANDARD.decode(line(BY_OPS)).expect("base64");
    forged[2..10].copy_from_slice(&ops[2..10]);

    let forged = BY_DEV.replace(&line(BY_DEV), &STANDARD.encode(forged));

    assert_eq!(by_ops(DOCUMENT, &forged), Err(Refused::Broken(id(OPS))));
}

/// Of two keys with one number, either may have signed.
#[test]
fn a_keys_number_is_no_proof_of_another_key() {
    let mut twin = STANDARD
        .decode(
            std::str::from_utf8(DEV)
                .expect("text")
                .lines()
                .nth(1)
                .expect("a key"),
        )
        .expect("base64");
    let ops = STANDARD
        .decode(
            std::str::from_utf8(OPS)
                .expect("text")
                .lines()
                .nth(1)
                .expect("a key"),
        )
        .expect("base64");
    twin[2..10].copy_from_slice(&ops[2..10]);
    let twin = only(STANDARD.encode(twin).as_bytes());

    let found = signer(DOCUMENT, BY_OPS.as_bytes(), &twin);
    assert_eq!(found, Err(Refused::Broken(id(OPS))));
    for keys in [[&twin[..], &only(OPS)], [&only(OPS), &twin[..]]] {
        let found = signer(DOCUMENT, BY_OPS.as_bytes(), &keys.concat());
        assert_eq!(found, Ok(id(OPS)));
    }
}

#[test]
fn the_old_kind_is_refused_whatever_it_signs() {
    assert_eq!(by_ops(DOCUMENT, LEGACY), Err(Refused::Legacy));
    assert_eq!(by_ops(b"", LEGACY), Err(Refused::Legacy));
}

#[test]
fn what_is_no_signature_is_refused() {
    for n in 0..BY_OPS.trim_end().len() {
        assert!(by_ops(DOCUMENT, &BY_OPS[..n]).is_err(), "{n} bytes");
    }
    let short = |n: usize, text: &str| {
        let mut lines: Vec<&str> = BY_OPS.lines().collect();
        lines[n] = text;
        lines.join("\n")
    };
    for text in [
        String::new(),
        "\n".repeat(4),
        short(1, ""),
        short(1, "AAAA"),
        short(2, ""),
        short(2, "trusted comment"),
        short(2, "trusted comment:ä"),
        short(3, "AAAA"),
        String::from_utf8_lossy(OPS).into_owned(),
        String::from_utf8_lossy(DOCUMENT).into_owned(),
    ] {
        assert_eq!(by_ops(DOCUMENT, &text), Err(Refused::Malformed), "{text:?}");
    }
    let no_text = signer(DOCUMENT, &[0xff; 300], &only(OPS));
    assert_eq!(no_text, Err(Refused::Malformed));
}

#[test]
fn keys_may_stand_alone_or_below_comments() {
    let text = std::str::from_utf8(OPS).expect("text");
    let bare = text.lines().nth(1).expect("a key");

    for text in [
        bare.to_owned(),
        format!("{bare}\n"),
        text.replace('\n', "\r\n"),
        format!("\n{text}\n\n"),
    ] {
        assert_eq!(only(text.as_bytes()), only(OPS), "{text:?}");
    }
    let both: Vec<KeyId> = only(&[OPS, b"\n", DEV].concat())
        .iter()
        .map(Key::id)
        .collect();
    assert_eq!(both, [id(OPS), id(DEV)]);
}

#[test]
fn what_is_no_public_key_is_told_with_its_line() {
    let secret = include_bytes!("../fixtures/ops.key");
    for (text, expected) in [
        (&b""[..], NoKeys::Empty),
        (b"\n \n", NoKeys::Empty),
        (b"untrusted comment: nothing\n", NoKeys::Empty),
        (secret, NoKeys::Line(2)),
        (BY_OPS.as_bytes(), NoKeys::Line(2)),
        (DOCUMENT, NoKeys::Line(1)),
        (b"\xff", NoKeys::Line(1)),
    ] {
        assert_eq!(keys(text), Err(expected), "{text:?}");
    }
    assert_eq!(keys(&[OPS, b"RWQ\n"].concat()), Err(NoKeys::Line(3)));
}

proptest! {
    #[test]
    fn nothing_that_is_read_breaks_it(bytes: Vec<u8>, text in "(.{0,20}\n){0,6}") {
        prop_assert!(signer(DOCUMENT, &bytes, &only(OPS)).is_err());
        prop_assert!(signer(DOCUMENT, text.as_bytes(), &only(OPS)).is_err());
        prop_assert!(keys(&bytes).is_err());
        prop_assert!(keys(text.as_bytes()).is_err());
    }

    #[test]
    fn nothing_that_is_nearly_signed_breaks_it(
        n in 0..BY_OPS.len(),
        by in 1u8..,
    ) {
        let mut changed = BY_OPS.as_bytes().to_vec();
        changed[n] ^= by;
        // The first line is not signed, and how lines end makes no difference.
        if n > BY_OPS.find('\n').unwrap_or_default() && n < BY_OPS.trim_end().len() {
            prop_assert!(signer(DOCUMENT, &changed, &only(OPS)).is_err());
        }
    }
}
