//! One redb file in the state folder: made whole or not at all, and opened again
//! after an error.

use super::StoreError;
use super::folder::Folder;
use redb::backends::FileBackend;
use redb::{ReadableDatabase, WriteTransaction};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// redb's own default is 1 GiB. A hundred workloads are some MiB,
/// read once.
const CACHE_BYTES: usize = 1 << 20;

/// An open file, and the folder that holds it.
#[derive(Debug)]
pub(super) struct Database {
    /// `None` after an error: redb refuses all further work on that handle.
    /// Stands before the folder, to be closed before that is unlocked.
    database: Option<redb::Database>,
    folder: Arc<Folder>,
    name: &'static str,
    path: PathBuf,
}

impl Database {
    /// Opens the file of this name, or makes it with what `fill` puts into it.
    /// Checks every page.
    pub(super) fn open(
        folder: Arc<Folder>,
        name: &'static str,
        fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<Self, StoreError> {
        let path = folder.file_path(name);
        let database = match folder.open_file(name)? {
            Some(file) => open(&path, file)?,
            None => create(&folder, name, &path, fill)?,
        };
        Ok(Self {
            database: Some(database),
            folder,
            name,
            path,
        })
    }

    /// Opens a file that is there; `None` if there is none.
    pub(super) fn open_existing(
        folder: Arc<Folder>,
        name: &'static str,
    ) -> Result<Option<Self>, StoreError> {
        let path = folder.file_path(name);
        let Some(file) = folder.open_file(name)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            database: Some(open(&path, file)?),
            folder,
            name,
            path,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    pub(super) fn read<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with(doing, |database| work(&database.begin_read()?))
    }

    pub(super) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with(doing, |database| write(database, work))
    }

    /// Works on the database, which is opened again if the last work failed;
    /// the folder stays locked meanwhile.
    fn with<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&redb::Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                let file = self.folder.open_file(self.name)?;
                let missing = || StoreError::corrupt(&self.path, "it is gone");
                open(&self.path, file.ok_or_else(missing)?)?
            }
        };
        let done =
            work(&database).map_err(|error| StoreError::from_redb(doing, &self.path, error))?;
        self.database = Some(database);
        Ok(done)
    }
}

/// Opens an existing file, which checks every page of it.
fn open(path: &Path, file: File) -> Result<redb::Database, StoreError> {
    let open = |file| {
        redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            // A damaged file is an error with it, and a panic without.
            .set_check_integrity_on_open(true)
            .create_with_backend(FileBackend::new(file)?)
    };
    open(file).map_err(|error| StoreError::from_redb("open the store", path, error.into()))
}

/// Under a name of its own until it is whole: a crash in the middle must not
/// leave a file that the next start refuses.
fn create(
    folder: &Folder,
    name: &str,
    path: &Path,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<redb::Database, StoreError> {
    let database = open(path, folder.create_unfinished(name)?)?;
    write(&database, fill)
        .map_err(|error| StoreError::from_redb("create the store", path, error))?;
    folder.finish_file(name)?;
    Ok(database)
}

/// One commit.
fn write<T>(
    database: &redb::Database,
    work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    let transaction = database.begin_write()?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}
