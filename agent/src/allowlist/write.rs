//! Writing the agent's own documents.
//!
//! What the agent learned is a document of its own beside a person's: it
//! carries an annotation, and only files that carry it are ever replaced.

use super::document::{AGENT, Document, WRITTEN_BY};
use super::file::printable;
use super::folder::read;
use super::parse::{ParseError, parse};
use super::render::render;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why a document was not written. The file it would have replaced is as it
/// was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A person's file has the name.
    #[error(
        "{file} was not written by the agent, so it is not replaced; move it away, or give its document another name"
    )]
    NotOurs {
        /// The file.
        file: String,
    },
    /// Another workload's document has the name.
    #[error(
        "{file} is about the workload {other}, so the document of {workload} is not written there; move it away"
    )]
    OtherWorkload {
        /// The file.
        file: String,
        /// What it is about.
        other: String,
        /// What was to be written.
        workload: String,
    },
    /// The agent itself would not read the document: too large, most likely.
    #[error("the document is not written, because it could not be read again: {0}")]
    Unreadable(ParseError),
    /// The file system refused.
    #[error("cannot write the allowlist {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

/// Writes `document` into `dir` as `<its name>.yaml`, marked as the agent's
/// own, so that at every moment, a crash included, the file is the old one or
/// the new one. Makes the folder if it is missing. Readable by all: an
/// allowlist is no secret. Gives back the file.
///
/// # Errors
/// Any [`WriteError`]; each names the file.
pub fn write_document(dir: &Path, document: &Document) -> Result<PathBuf, WriteError> {
    let mut document = document.clone();
    let annotations = &mut document.metadata.annotations;
    annotations.insert(WRITTEN_BY.to_owned(), AGENT.to_owned());

    let path = dir.join(format!("{}.yaml", document.metadata.name));
    let text = render(&document);
    parse(&printable(&path), text.as_bytes()).map_err(WriteError::Unreadable)?;

    let io = |source| WriteError::Io {
        file: printable(&path),
        source,
    };
    std::fs::create_dir_all(dir).map_err(io)?;
    match existing(&path, &document)? {
        Some(bytes) if bytes == text.as_bytes() => {}
        // Always the same name, so that a crash leaves at most one behind.
        _ => replace(&dir.join(".execwarden.tmp"), &path, text.as_bytes()).map_err(io)?,
    }
    Ok(path)
}

/// The bytes that are there now, if they are ours to replace.
fn existing(path: &Path, document: &Document) -> Result<Option<Vec<u8>>, WriteError> {
    let file = printable(path);
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => return Err(WriteError::NotOurs { file }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(WriteError::Io { file, source }),
    }
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(WriteError::Io { file, source }),
    };
    // A file that cannot be read may be a person's work in progress.
    let Ok(found) = parse(&file, &bytes) else {
        return Err(WriteError::NotOurs { file });
    };
    if !found.is_by_agent() {
        return Err(WriteError::NotOurs { file });
    }
    if found.spec.workload != document.spec.workload {
        return Err(WriteError::OtherWorkload {
            file,
            other: found.spec.workload.to_string(),
            workload: document.spec.workload.to_string(),
        });
    }
    Ok(Some(bytes))
}

/// Writes a file so that at every moment, a crash included, it is the old one
/// or the new one. `temporary` is in the same folder, and hidden, so that no
/// reload takes it for a document; nobody else writes it.
pub(crate) fn replace(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(temporary, bytes).and_then(|()| std::fs::rename(temporary, path));
    if written.is_err() {
        // Only tidying up: the error that counts is the first one.
        let _ = std::fs::remove_file(temporary);
    }
    written?;
    match path.parent() {
        Some(dir) if dir != Path::new("") => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    // The umask may have taken bits away.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::{PathPattern, Process, RunAs};
    use crate::model::{Layer, Runtime, WorkloadId};
    use std::fs;

    fn document(name: &str, path: &str) -> Document {
        let workload = WorkloadId::Runtime {
            runtime: Runtime::Runc,
            name: name.to_owned(),
        };
        let path = PathPattern::new(path).expect("a path");
        let process = Process::new(path, RunAs::Program, Layer::Image).expect("an entry");
        Document::by_agent(workload, [process].into(), None)
    }

    #[test]
    fn writes_whole_files_and_replaces_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("learned");
        write_document(&folder, &document("web", "/a")).expect("written");

        let path = write_document(&folder, &document("web", "/b")).expect("replaced");

        let expected = document("web", "/b");
        assert_eq!(path, folder.join("runc.web.yaml"));
        assert_eq!(parse("x", &fs::read(&path).expect("read")), Ok(expected));
        assert_eq!(fs::read_dir(&folder).expect("listed").count(), 1);
        let mode = path.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn the_same_state_leaves_the_file_alone() {
        use std::os::unix::fs::MetadataExt as _;

        let dir = tempfile::tempdir().expect("a folder");
        let path = write_document(dir.path(), &document("web", "/a")).expect("written");
        let inode = path.metadata().expect("there").ino();

        write_document(dir.path(), &document("web", "/a")).expect("nothing to do");

        assert_eq!(path.metadata().expect("there").ino(), inode);
    }

    #[test]
    fn a_persons_file_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("runc.web.yaml");
        let mut by_hand = document("web", "/by/hand");
        by_hand.metadata.annotations.clear();

        for text in [render(&by_hand), "half a docum".to_owned(), String::new()] {
            fs::write(&path, &text).expect("written");

            let refused = write_document(dir.path(), &document("web", "/a"));

            assert!(matches!(refused, Err(WriteError::NotOurs { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
        }
    }

    #[test]
    fn a_link_is_not_followed_out_of_the_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("target");
        fs::write(&target, render(&document("web", "/a"))).expect("written");
        std::os::unix::fs::symlink(&target, dir.path().join("runc.web.yaml")).expect("made");

        let refused = write_document(dir.path(), &document("web", "/b"));

        assert!(matches!(refused, Err(WriteError::NotOurs { .. })));
    }

    #[test]
    fn another_workloads_document_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        write_document(dir.path(), &document("web", "/a")).expect("written");
        let mut other = document("other", "/a");
        other.metadata.name = "runc.web".to_owned();

        let refused = write_document(dir.path(), &other);

        assert!(matches!(refused, Err(WriteError::OtherWorkload { .. })));
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut large = document("web", "/a");
        large
            .metadata
            .annotations
            .insert("a".into(), "x".repeat(1 << 20));

        let refused = write_document(dir.path(), &large);

        assert!(matches!(refused, Err(WriteError::Unreadable(_))));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }
}
