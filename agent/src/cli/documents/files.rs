//! Documents in, documents out.

use crate::allowlist::document::MAX_BYTES;
use crate::allowlist::write::replace;
use crate::allowlist::{Allowlist, CompileError, Document, ParseError, parse, render};
use crate::cli::output;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file was not read or written. It is as it was.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum FileError {
    #[error("{file}: cannot be read: {source}")]
    Read { file: String, source: io::Error },
    #[error("stdin (-) is named twice, and can be read once")]
    StdinTwice,
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the result would not be valid: {0}")]
    Compile(#[from] CompileError),
    #[error("{0} is no regular file, so it is not replaced; name a file")]
    NotAFile(String),
    #[error("{0} is there already and says something else; compare the two, or move it away")]
    Exists(String),
    #[error("two workloads, {} and {}, would be written to {file}; write them on their own", .workloads[0], .workloads[1])]
    SameName {
        file: String,
        workloads: Box<[String; 2]>,
    },
    #[error("{file}: cannot be written: {source}")]
    Write { file: String, source: io::Error },
}

/// Where a document is read from.
pub(super) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    /// Files as they are named on the command line; `-` is stdin.
    pub(super) fn all<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Self>, FileError> {
        let inputs: Vec<Self> = paths
            .into_iter()
            .map(|path| match path.as_ref() {
                path if path == Path::new("-") => Self::Stdin,
                path => Self::File(path.to_owned()),
            })
            .collect();
        let stdin = inputs.iter().filter(|input| matches!(input, Self::Stdin));
        match stdin.count() {
            0 | 1 => Ok(inputs),
            _ => Err(FileError::StdinTwice),
        }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => name(path),
        }
    }

    /// Its bytes; one more than `most` if there are too many, which tells the
    /// parser.
    pub(super) fn read(&self, most: usize) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        let most = most as u64 + 1;
        let read = match self {
            Self::Stdin => io::stdin().lock().take(most).read_to_end(&mut bytes),
            Self::File(path) => {
                File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
            }
        };
        match read {
            Ok(_) => Ok(bytes),
            Err(source) => Err(FileError::Read {
                file: self.name(),
                source,
            }),
        }
    }

    /// The document in it, with its bytes.
    pub(super) fn document(&self) -> Result<(Document, Vec<u8>), FileError> {
        let bytes = self.read(MAX_BYTES)?;
        Ok((parse(&self.name(), &bytes)?, bytes))
    }
}

fn name(path: &Path) -> String {
    output::plain(&path.to_string_lossy())
}

/// Whether the agent would take a document that is to be written.
pub(super) fn validate(document: &Document) -> Result<(), FileError> {
    parse("the result", render(document).as_bytes())?;
    Allowlist::new(document)?;
    Ok(())
}

/// What was made of documents.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Made {
    /// A text for stdout.
    Text(String),
    /// The file that was named for it.
    File(String),
    /// Files of our own names, in the folder that was named.
    Files(Vec<String>),
}

/// Writes a text into a file, if one is named: whole or not at all.
pub(super) fn put(path: Option<&Path>, text: String) -> Result<Made, FileError> {
    let Some(path) = path else {
        return Ok(Made::Text(text));
    };
    match path.symlink_metadata() {
        // A rename would put a file in the place of a device or a link.
        Ok(found) if !found.is_file() => return Err(FileError::NotAFile(name(path))),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(write_error(path, error));
        }
        _ => replace_file(path, &text)?,
    }
    Ok(Made::File(name(path)))
}

/// Writes each document into a folder, as a file of its name: all of them, or
/// none. What is there already is left as it is.
pub(super) fn put_all(folder: &Path, documents: &[Document]) -> Result<Vec<String>, FileError> {
    let mut texts: BTreeMap<PathBuf, (&Document, String)> = BTreeMap::new();
    for document in documents {
        let path = folder.join(format!("{}.yaml", document.metadata.name));
        let file = name(&path);
        if let Some((other, _)) = texts.insert(path, (document, render(document))) {
            let workloads = [other, document].map(|d| d.spec.workload.to_string());
            return Err(FileError::SameName {
                file,
                workloads: Box::new(workloads),
            });
        }
    }
    std::fs::create_dir_all(folder).map_err(|error| write_error(folder, error))?;
    let mut new = Vec::new();
    for (path, (_, text)) in &texts {
        match std::fs::read(path) {
            Ok(found) if found == text.as_bytes() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => new.push((path, text)),
            Ok(_) => return Err(FileError::Exists(name(path))),
            Err(error) => return Err(write_error(path, error)),
        }
    }
    for (path, text) in new {
        replace_file(path, text)?;
    }
    Ok(texts.keys().map(|path| name(path)).collect())
}

fn replace_file(path: &Path, text: &str) -> Result<(), FileError> {
    let temporary = format!(".execwarden-{}.tmp", std::process::id());
    replace(&path.with_file_name(temporary), path, text.as_bytes())
        .map_err(|error| write_error(path, error))
}

fn write_error(path: &Path, source: io::Error) -> FileError {
    FileError::Write {
        file: name(path),
        source,
    }
}
