//! Archives whose bytes follow from their content: sorted, root's, and all of one
//! time.

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use tar::{EntryType, Header};

/// When everything was made, for all that can be told: 2000-01-01. What is older
/// than 1984 is taken for a mistake by who checks packages.
pub const TIME: u64 = 946_684_800;

/// Files and folders by their paths.
#[derive(Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

enum Entry {
    Folder,
    File { bytes: Vec<u8>, mode: u32 },
}

impl Archive {
    /// Adds a folder, and those above it.
    pub fn folder(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.entries
                .entry(path[..end].to_owned())
                .or_insert(Entry::Folder);
        }
        self.entries.entry(path.to_owned()).or_insert(Entry::Folder);
    }

    /// Adds a file, and the folders above it.
    pub fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        self.entries
            .insert(path.to_owned(), Entry::File { bytes, mode });
    }

    /// Adds a file of this machine.
    pub fn copy(&mut self, file: &Path, path: &str, mode: u32) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.file(path, mode, bytes);
        Ok(())
    }

    /// Adds what is in a folder of this machine, all of it. Files that their owner
    /// may execute are executable.
    pub fn copy_folder(&mut self, folder: &Path, path: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;

        let entries =
            fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().context("a file's name is no text")?;
            let (from, to) = (entry.path(), format!("{path}/{name}"));
            if entry.file_type()?.is_dir() {
                self.copy_folder(&from, &to)?;
            } else {
                let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
                self.copy(&from, &to, if executable { 0o755 } else { 0o644 })?;
            }
        }
        Ok(())
    }

    /// Writes it out as files of this machine, below a folder.
    pub fn unpack(&self, below: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;

        for (path, entry) in &self.entries {
            let path = below.join(path);
            let (done, mode) = match entry {
                Entry::Folder => (fs::create_dir_all(&path), 0o755),
                Entry::File { bytes, mode } => (fs::write(&path, bytes), *mode),
            };
            done.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
                .with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(())
    }

    /// As a tar archive.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let (kind, mode, bytes): (_, _, &[u8]) = match entry {
                Entry::Folder => (EntryType::Directory, 0o755, &[]),
                Entry::File { bytes, mode } => (EntryType::Regular, *mode, bytes),
            };
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(TIME);
            header.set_size(bytes.len() as u64);
            let name = match entry {
                Entry::Folder => format!("{path}/"),
                Entry::File { .. } => path.clone(),
            };
            builder
                .append_data(&mut header, name, bytes)
                .with_context(|| format!("{path} cannot be put into an archive"))?;
        }
        builder.into_inner().context("an archive cannot be ended")
    }
}

/// Compressed; the same bytes for the same bytes.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    /// "Unknown" (RFC 1952): nothing of the machine that it was made on.
    const SYSTEM: u8 = 255;

    let mut encoder = GzBuilder::new()
        .operating_system(SYSTEM)
        .write(Vec::new(), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .context("cannot compress")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(paths: &[&str]) -> Archive {
        let mut archive = Archive::default();
        for path in paths {
            archive.file(path, 0o644, path.as_bytes().to_vec());
        }
        archive
    }

    #[test]
    fn the_order_of_adding_makes_no_difference() {
        let one = archive(&["a/b/c", "z", "a/d"]).tar().expect("an archive");
        let other = archive(&["z", "a/d", "a/b/c"]).tar().expect("an archive");

        assert_eq!(one, other);
        assert_eq!(gzip(&one).expect("gzip"), gzip(&other).expect("gzip"));
    }

    #[test]
    fn it_holds_folders_before_their_files_all_roots_and_of_one_time() {
        let mut archive = archive(&["a/b/c"]);
        archive.folder("e/f");
        let bytes = archive.tar().expect("an archive");

        let mut read = tar::Archive::new(bytes.as_slice());
        let entries: Vec<_> = read
            .entries()
            .expect("entries")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let header = entry.header();
                assert_eq!(header.mtime().expect("a time"), TIME);
                assert_eq!(header.uid().expect("an owner"), 0);
                let path = entry.path().expect("a path").display().to_string();
                (path, header.mode().expect("a mode"))
            })
            .collect();

        let expected = [
            ("a/", 0o755),
            ("a/b/", 0o755),
            ("a/b/c", 0o644),
            ("e/", 0o755),
            ("e/f/", 0o755),
        ];
        assert_eq!(
            entries,
            expected.map(|(path, mode)| (path.to_owned(), mode))
        );
    }
}
