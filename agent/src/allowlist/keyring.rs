//! The files with the keys that documents are to be signed with, and those with the
//! signatures: `web.yaml` has its own beside it, `web.yaml.minisig`.

use super::file::{printable, read};
use super::signature::{Key, KeyId, NoKeys, Refused, keys, signer};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The most bytes of a file with keys; one key has about a hundred.
const MAX_KEYS: usize = 4096;
/// The most bytes of a file with a signature; one has about three hundred.
const MAX_SIGNATURE: usize = 4096;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read.
    #[error("cannot read the public keys in {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// There is none in it.
    #[error("{file} has no public key; minisign -G makes one, as minisign.pub")]
    Empty {
        /// The file.
        file: String,
    },
    /// There is something else in it.
    #[error("{file}:{line}: this is no public key of minisign's; name its .pub file")]
    NoKey {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
    },
}

/// Why nobody who counts has signed a document.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    /// There is no signature.
    #[error("it is not signed: there is no {signature}")]
    Missing {
        /// The file that would have it.
        signature: String,
    },
    /// Its file cannot be read.
    #[error("cannot read its signature {signature}: {source}")]
    Unreadable {
        /// The file.
        signature: String,
        /// Why.
        source: io::Error,
    },
    /// It does not count.
    #[error("{signature} {refused}")]
    Refused {
        /// The file.
        signature: String,
        /// Why.
        refused: Refused,
    },
}

/// Keys of which one has to have signed a document, and the files that have them.
/// There is always one.
#[derive(Debug)]
pub struct Keyring {
    files: Vec<PathBuf>,
    keys: Vec<Key>,
}

impl Keyring {
    /// Reads the keys; `None` without a file: then nobody has to sign.
    ///
    /// # Errors
    /// A file is not there, or is something else.
    pub fn open(files: &[PathBuf]) -> Result<Option<Self>, KeyError> {
        if files.is_empty() {
            return Ok(None);
        }
        let files = files.to_owned();
        let keys = read_all(&files)?;
        Ok(Some(Self { files, keys }))
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`Self::open`]; then the keys are those that there were.
    pub fn reload(&mut self) -> Result<(), KeyError> {
        let keys = read_all(&self.files)?;
        if keys != self.keys {
            self.keys = keys;
            tracing::info!(keys = %self, "the keys that allowlists are signed with have changed");
        }
        Ok(())
    }

    /// Who has signed a document, of which these are the bytes.
    ///
    /// # Errors
    /// Nobody who counts.
    pub fn signer_of(&self, document: &Path, bytes: &[u8]) -> Result<KeyId, Unsigned> {
        let path = signature_of(document);
        let signature = printable(&path);
        match read(&path, MAX_SIGNATURE) {
            Ok(found) => signer(bytes, &found, &self.keys)
                .map_err(|refused| Unsigned::Refused { signature, refused }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Unsigned::Missing { signature })
            }
            Err(source) => Err(Unsigned::Unreadable { signature, source }),
        }
    }
}

impl fmt::Display for Keyring {
    /// Their numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.keys.iter().map(|key| key.id().to_string()).collect();
        f.write_str(&numbers.join(", "))
    }
}

/// The file with a document's signature.
pub fn signature_of(document: &Path) -> PathBuf {
    let mut name = OsString::from(document);
    name.push(".minisig");
    name.into()
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Key>, KeyError> {
    let mut all = Vec::new();
    for path in files {
        let file = printable(path);
        match read(path, MAX_KEYS).map(|text| keys(&text)) {
            Ok(Ok(found)) => all.extend(found),
            Ok(Err(NoKeys::Empty)) => return Err(KeyError::Empty { file }),
            Ok(Err(NoKeys::Line(line))) => return Err(KeyError::NoKey { file, line }),
            Err(source) => return Err(KeyError::Read { file, source }),
        }
    }
    Ok(all)
}
