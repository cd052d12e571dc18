//! `execwarden allowlist validate`: what files are worth, without an agent.

use super::{CommandError, Outcome, output};
use crate::allowlist::keyring::Unsigned;
use crate::allowlist::signature::KeyId;
use crate::allowlist::{Allowlist, Document, Keyring};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// One byte more than a document may have: the parser says so then.
const READ_MAX: u64 = (1 << 20) + 1;

/// What `validate --json` prints of a file.
#[derive(Serialize)]
struct Validity {
    file: String,
    valid: bool,
    /// The number of the key that it is signed with, where that was asked for.
    signed_by: Option<String>,
    error: Option<String>,
}

pub(super) fn execute(
    files: &[PathBuf],
    keys: &[PathBuf],
    json: bool,
) -> Result<Outcome, CommandError> {
    let keys = Keyring::open(keys)?;
    let mut found = Vec::new();
    for file in files {
        let (signed_by, error) = match check(file, keys.as_ref()) {
            Ok(signed_by) => (signed_by, None),
            Err(problem) => (None, Some(problem)),
        };
        match (&error, signed_by) {
            (None, _) if json => {}
            (None, None) => output::print(&format!("{}: valid\n", name(file)))?,
            (None, Some(key)) => {
                output::print(&format!("{}: valid, signed with {key}\n", name(file)))?;
            }
            (Some(problem), _) => output::complain(problem),
        }
        found.push(Validity {
            file: name(file),
            valid: error.is_none(),
            signed_by: signed_by.map(|key| key.to_string()),
            error: error.map(|error| error.to_string()),
        });
    }
    if json {
        output::print_json(&found)?;
    }
    Ok(match found.iter().all(|one| one.valid) {
        true => Outcome::Done,
        false => Outcome::No,
    })
}

/// Why a file is no valid document.
#[derive(Debug, thiserror::Error)]
pub(super) enum Invalid {
    #[error("{file}: cannot be read: {source}")]
    Unreadable { file: String, source: io::Error },
    #[error("{0}")]
    Refused(String),
    #[error("{file}: {source}; sign it with one of these keys: minisign -Sm {file}")]
    Unsigned { file: String, source: Unsigned },
}

/// Whether the agent would take the document in a file; with which key it is signed.
fn check(file: &Path, keys: Option<&Keyring>) -> Result<Option<KeyId>, Invalid> {
    let bytes = bytes(file)?;
    let signer = keys.map(|keys| keys.signer_of(file, &bytes)).transpose();
    let signed_by = signer.map_err(|source| Invalid::Unsigned {
        file: name(file),
        source,
    })?;
    parse(&name(file), &bytes)?;
    Ok(signed_by)
}

/// The document in a file, which can be matched with.
pub(super) fn read(file: &Path) -> Result<Document, Invalid> {
    parse(&name(file), &bytes(file)?)
}

fn bytes(file: &Path) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(READ_MAX).read_to_end(&mut bytes))
        .map_err(|source| Invalid::Unreadable {
            file: name(file),
            source,
        })?;
    Ok(bytes)
}

/// Reads the document and makes it ready to match, as the agent does.
fn parse(file: &str, bytes: &[u8]) -> Result<Document, Invalid> {
    let document = crate::allowlist::parse(file, bytes)
        .map_err(|error| Invalid::Refused(error.to_string()))?;
    match Allowlist::new(&document) {
        Ok(_) => Ok(document),
        Err(error) => Err(Invalid::Refused(format!("{file}: {error}"))),
    }
}

pub(super) fn name(file: &Path) -> String {
    output::plain(&file.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = read(Path::new("/nonexistent/a.yaml")).expect_err("missing");

        assert!(
            error
                .to_string()
                .starts_with("/nonexistent/a.yaml: cannot be read")
        );
    }

    #[test]
    fn a_document_is_valid_if_one_of_the_keys_has_signed_it() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/allowlist/fixtures");
        let keys = |name: &str| Keyring::open(&[fixtures.join(name)]).expect("keys");
        let (ops, dev) = (keys("ops.pub"), keys("dev.pub"));
        let document = fixtures.join("web.yaml");

        let by = check(&document, ops.as_ref()).expect("signed");
        assert_eq!(
            by.map(|key| key.to_string()),
            ops.as_ref().map(Keyring::to_string)
        );
        assert_eq!(check(&document, None).expect("valid"), None);
        for (file, keys, expected) in [
            (&document, &dev, "web.yaml.minisig is by the key "),
            (
                &fixtures.join("unsigned.yaml"),
                &ops,
                "it is not signed: there is no ",
            ),
            (
                &fixtures.join("broken.yaml"),
                &ops,
                "broken.yaml:6:3: unknown field",
            ),
        ] {
            let error = check(file, keys.as_ref())
                .expect_err("not valid")
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
