//! Who has signed a document, as minisign writes signatures. Pure.
//!
//! What is signed is the document's hash (BLAKE2b), and with it the signature's
//! trusted comment. minisign's old kind, of the document itself, is refused: today's
//! minisign makes it by its option `-l` alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{Error, PublicKey, Signature};
use std::fmt;

/// What begins the line above a key.
const COMMENT: &str = "untrusted comment:";

/// The number by which minisign tells keys apart. Signatures name their key by it;
/// it proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyId(u64);

impl KeyId {
    /// That of a key or a signature in base64. Both begin with two bytes for the
    /// algorithm, then have it.
    fn of(base64: &str) -> Option<Self> {
        let bytes = STANDARD.decode(base64).ok()?;
        let number = bytes.get(2..10)?.try_into().ok()?;
        Some(Self(u64::from_le_bytes(number)))
    }
}

impl fmt::Display for KeyId {
    /// As minisign prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    id: KeyId,
    key: PublicKey,
}

impl Key {
    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// Why a text is no list of keys.
#[derive(PartialEq, Eq, Debug)]
pub enum NoKeys {
    /// There is none.
    Empty,
    /// This line, from 1, is neither a key nor the comment above one.
    Line(usize),
}

/// The public keys in the text of a file: minisign's `.pub`, several of them, or
/// their second lines alone.
///
/// # Errors
/// There is none, or something else.
pub fn keys(text: &[u8]) -> Result<Vec<Key>, NoKeys> {
    let mut keys = Vec::new();
    for (n, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let wrong = || NoKeys::Line(n + 1);
        let line = std::str::from_utf8(line).map_err(|_| wrong())?.trim();
        if line.is_empty() || line.starts_with(COMMENT) {
            continue;
        }
        let key = PublicKey::from_base64(line).map_err(|_| wrong())?;
        let id = KeyId::of(line).ok_or_else(wrong)?;
        keys.push(Key { id, key });
    }
    match keys.is_empty() {
        true => Err(NoKeys::Empty),
        false => Ok(keys),
    }
}

/// Why a signature does not count.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// It is none.
    #[error("is no signature of minisign's")]
    Malformed,
    /// It is of minisign's older kind.
    #[error("is a signature of minisign's old kind, which is not taken (minisign's option -l)")]
    Legacy,
    /// Whose it is.
    #[error("is by the key {0}, which is none of those that count here")]
    OtherKey(KeyId),
    /// Whose it says it is.
    #[error(
        "does not hold: the document, or the signature's trusted comment, is not what the key {0} signed"
    )]
    Broken(KeyId),
}

/// Whose key has signed these bytes.
///
/// # Errors
/// None of `keys` has.
pub fn signer(bytes: &[u8], signature: &[u8], keys: &[Key]) -> Result<KeyId, Refused> {
    let text = std::str::from_utf8(signature).map_err(|_| Refused::Malformed)?;
    let signature = Signature::decode(text).map_err(|_| Refused::Malformed)?;
    let id = text.lines().nth(1).and_then(KeyId::of);
    let id = id.ok_or(Refused::Malformed)?;
    let mut refused = Refused::OtherKey(id);
    // Nothing keeps two keys from having one number.
    for key in keys.iter().filter(|key| key.id == id) {
        refused = match key.key.verify(bytes, &signature, false) {
            Ok(()) => return Ok(id),
            Err(Error::InvalidSignature) => Refused::Broken(id),
            Err(Error::UnexpectedAlgorithm) => Refused::Legacy,
            Err(_) => Refused::Malformed,
        };
    }
    Err(refused)
}

#[cfg(test)]
mod tests;
