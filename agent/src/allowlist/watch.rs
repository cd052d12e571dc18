//! Notices that a folder of documents changed.
//!
//! The folder is watched, never a file: a ConfigMap changes by renaming its
//! `..data` link, an editor by renaming a new file over the old one. While the
//! folder does not exist, the nearest folder above it is watched. The folder
//! may itself be a link that somebody swaps; a link further up is not watched,
//! and a reload by signal is for that.

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// How long the folder must be quiet before a change is reported: a `kubectl
/// cp` or a `git pull` writes many files in one go.
const QUIET: Duration = Duration::from_millis(200);
/// How long a change is held back at most, if the folder is never quiet.
const LONGEST: Duration = Duration::from_secs(2);
/// How soon a watch that could not be set is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel gives no watcher at all.
    #[error("cannot watch {} for changes: {source}; raise fs.inotify.max_user_instances", .folder.display())]
    Start {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: notify::Error,
    },
    /// The folder cannot be watched.
    #[error("cannot watch {} for changes: {source}; raise fs.inotify.max_user_watches", .watched.display())]
    Watch {
        /// The folder, or the nearest one above it.
        watched: PathBuf,
        /// Why.
        source: notify::Error,
    },
}

/// Watches one folder of documents.
pub struct FolderWatch {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    /// One place: a change that is pending already covers the next one.
    events: mpsc::Receiver<()>,
    /// What is watched now: the folder and the one above it, or the nearest
    /// that exists.
    watched: Vec<PathBuf>,
    /// When the change that is not reported yet began.
    dirty: Option<Instant>,
}

impl FolderWatch {
    /// Watches `folder`, which need not exist.
    ///
    /// # Errors
    /// The kernel's limit for watches is reached.
    pub fn new(folder: &Path) -> Result<Self, WatchError> {
        // Events carry the path that was watched; a relative one has no
        // folders above it to walk up to.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let (sender, events) = mpsc::channel(1);
        let own = folder.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error of the watcher may hide a change: reload, too.
            if event.map_or(true, |event| concerns(&event, &own)) {
                // Full: a change is pending already.
                let _ = sender.try_send(());
            }
        })
        .map_err(|source| WatchError::Start {
            folder: folder.clone(),
            source,
        })?;

        let mut watch = Self {
            folder,
            watcher,
            events,
            watched: Vec::new(),
            dirty: None,
        };
        watch.arm()?;
        Ok(watch)
    }

    /// Waits until the folder changed and is quiet again, or came or went. What
    /// is read after that is at least as new as the change.
    ///
    /// Cancel safe: a change that was noticed is reported by the next call.
    pub async fn changed(&mut self) {
        let began = match self.dirty {
            Some(began) => began,
            None => self.first_event().await,
        };
        self.dirty = Some(began);
        self.until_quiet(began + LONGEST).await;
        self.dirty = None;

        let was_watching = !self.watched.is_empty();
        if let Err(error) = self.arm()
            && was_watching
        {
            tracing::warn!(%error, "allowlists are read again every {RETRY:?} instead");
        }
    }

    /// When the first event of a change came. Without a watch a change is
    /// assumed every [`RETRY`].
    async fn first_event(&mut self) -> Instant {
        // The sender lives in the watcher, and so as long as `self`: there is
        // no end of events.
        match self.watched.is_empty() {
            true => drop(timeout(RETRY, self.events.recv()).await),
            false => drop(self.events.recv().await),
        }
        Instant::now()
    }

    async fn until_quiet(&mut self, latest: Instant) {
        loop {
            let until = latest.min(Instant::now() + QUIET);
            if timeout_at(until, self.events.recv()).await.is_err() || until == latest {
                return;
            }
        }
    }

    /// Watches the folder and the one above it, or the nearest that exists.
    /// Every watch is set anew: the same path may be another folder by now.
    fn arm(&mut self) -> Result<(), WatchError> {
        loop {
            for path in self.watched.drain(..) {
                // It may be gone, and its watch with it.
                let _ = self.watcher.unwatch(&path);
            }
            let wanted = nearest(&self.folder);
            for path in &wanted {
                match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                    Ok(()) => self.watched.push(path.clone()),
                    // It went just now: the next round finds what is left.
                    Err(_) if !path.exists() => {}
                    Err(source) => {
                        self.watched.clear();
                        let watched = path.clone();
                        return Err(WatchError::Watch { watched, source });
                    }
                }
            }
            // A folder that came while the one above was not watched yet would
            // go unnoticed.
            if self.watched == wanted && nearest(&self.folder) == wanted {
                return Ok(());
            }
        }
    }
}

/// The folder and the one above it, as far as they exist; else the nearest
/// folder above them that does.
fn nearest(folder: &Path) -> Vec<PathBuf> {
    let two: Vec<_> = folder.ancestors().take(2).filter(|p| p.exists()).collect();
    let found = match two.is_empty() {
        true => folder
            .ancestors()
            .find(|p| p.exists())
            .into_iter()
            .collect(),
        false => two,
    };
    found.into_iter().map(Path::to_owned).collect()
}

/// Whether an event is about the folder, what is in it, or a folder above it.
/// Reading is none: the agent would wake itself.
fn concerns(event: &Event, folder: &Path) -> bool {
    let read_only = match event.kind {
        EventKind::Access(kind) => kind != AccessKind::Close(AccessMode::Write),
        _ => false,
    };
    let about = |path: &PathBuf| path.starts_with(folder) || folder.starts_with(path);
    // Without a path it says that events were lost.
    !read_only && (event.paths.is_empty() || event.paths.iter().any(about))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::future::Future;
    use std::os::unix::fs::symlink;

    /// Runs on a runtime as the agent has it.
    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
            .block_on(test);
    }

    async fn expect_change(watch: &mut FolderWatch, what: &str) {
        let change = timeout(Duration::from_secs(20), watch.changed()).await;
        assert!(change.is_ok(), "not noticed: {what}");
    }

    async fn expect_silence(watch: &mut FolderWatch, what: &str) {
        let change = timeout(QUIET * 3, watch.changed()).await;
        assert!(change.is_err(), "noticed: {what}");
    }

    #[test]
    fn a_burst_of_changes_is_one_and_reading_is_none() {
        run(async {
            let dir = tempfile::tempdir().expect("a folder");
            let mut watch = FolderWatch::new(dir.path()).expect("watched");

            for i in 0..50 {
                fs::write(dir.path().join(format!("{i}.yaml")), "text").expect("written");
            }
            expect_change(&mut watch, "fifty files").await;

            fs::read(dir.path().join("1.yaml")).expect("read");
            fs::read_dir(dir.path()).expect("listed").count();
            fs::write(dir.path().with_extension("sibling"), "").expect("written");
            expect_silence(&mut watch, "reading, and another folder's file").await;
            fs::remove_file(dir.path().with_extension("sibling")).expect("removed");
        });
    }

    #[test]
    fn notices_how_a_config_map_and_an_editor_replace_a_file() {
        run(async {
            let dir = tempfile::tempdir().expect("a folder");
            let root = dir.path();
            for revision in ["..1", "..2"] {
                fs::create_dir(root.join(revision)).expect("made");
                fs::write(root.join(revision).join("a.yaml"), "text").expect("written");
            }
            symlink("..1", root.join("..data")).expect("made");
            symlink("..data/a.yaml", root.join("a.yaml")).expect("made");
            symlink("..2", root.join("..data_tmp")).expect("made");
            fs::write(root.join("b.yaml.new"), "text").expect("written");
            let mut watch = FolderWatch::new(root).expect("watched");

            fs::rename(root.join("..data_tmp"), root.join("..data")).expect("renamed");
            expect_change(&mut watch, "the swap of ..data").await;

            fs::rename(root.join("b.yaml.new"), root.join("b.yaml")).expect("renamed");
            expect_change(&mut watch, "a file renamed over another").await;

            fs::remove_file(root.join("b.yaml")).expect("removed");
            expect_change(&mut watch, "a file removed").await;
        });
    }

    #[test]
    fn a_folder_may_come_go_and_come_again() {
        run(async {
            let dir = tempfile::tempdir().expect("a folder");
            let folder = dir.path().join("etc/execwarden/allowlists");
            let mut watch = FolderWatch::new(&folder).expect("watched");

            for round in 0..2 {
                fs::create_dir_all(&folder).expect("made");
                expect_change(&mut watch, &format!("the folder came, round {round}")).await;

                fs::write(folder.join("a.yaml"), "text").expect("written");
                expect_change(&mut watch, &format!("a file came, round {round}")).await;

                fs::remove_dir_all(dir.path().join("etc")).expect("removed");
                expect_change(&mut watch, &format!("the folder went, round {round}")).await;
            }
        });
    }

    #[test]
    fn a_link_to_the_folder_may_be_swapped() {
        run(async {
            let dir = tempfile::tempdir().expect("a folder");
            let link = dir.path().join("current");
            for revision in ["1", "2"] {
                fs::create_dir(dir.path().join(revision)).expect("made");
            }
            symlink("1", &link).expect("made");
            let mut watch = FolderWatch::new(&link).expect("watched");

            symlink("2", dir.path().join("next")).expect("made");
            fs::rename(dir.path().join("next"), &link).expect("renamed");
            expect_change(&mut watch, "the link was swapped").await;

            fs::write(link.join("a.yaml"), "text").expect("written");
            expect_change(&mut watch, "a file in the new folder").await;
        });
    }

    #[test]
    fn a_change_survives_a_cancelled_wait() {
        run(async {
            let dir = tempfile::tempdir().expect("a folder");
            let mut watch = FolderWatch::new(dir.path()).expect("watched");

            fs::write(dir.path().join("a.yaml"), "text").expect("written");
            let cancelled = timeout(QUIET / 2, watch.changed()).await;

            assert!(cancelled.is_err(), "reported before the folder was quiet");
            expect_change(&mut watch, "the change of before").await;
        });
    }
}
