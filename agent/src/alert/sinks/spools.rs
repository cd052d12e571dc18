//! Opens the spools of all targets, behind what an earlier agent committed.

use super::progress::Progress;
use super::spool::{Committed, Left, Spool};
use super::{SpoolSettings, SpoolStatus, Target};
use crate::model::Digest;

/// The spools of one agent, as they are opened.
#[derive(Debug)]
pub(super) struct Spools<'a> {
    /// `None`: what waits is in memory.
    settings: Option<&'a SpoolSettings>,
    before: Option<u64>,
    last_number: u64,
    has_any: bool,
}

/// What there is of one target's.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub spool: Option<Spool>,
    pub left: Option<Left>,
    pub status: Option<SpoolStatus>,
}

impl<'a> Spools<'a> {
    /// Reads what an earlier agent committed.
    pub(super) fn begin(settings: Option<&'a SpoolSettings>) -> Self {
        let read = settings.map(|settings| Committed::of(&settings.folder).read());
        let before = read.transpose().unwrap_or_else(|error| {
            // It is as it was before there was this file.
            tracing::error!(%error, "up to where alerts were kept cannot be read: all that is there counts");
            None
        });
        let before = before.flatten();
        Self {
            settings,
            before,
            last_number: before.unwrap_or(0),
            has_any: false,
        }
    }

    /// What an earlier agent committed, if one did.
    pub(super) fn before(&self) -> Option<u64> {
        self.before
    }

    /// The greatest number of a record that an earlier agent left.
    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Opens a target's spool. Without it what waits is in memory.
    pub(super) fn open(&mut self, target: &Target) -> Opened {
        let Some(settings) = self.settings else {
            return Opened::default();
        };
        let folder = settings.folder.join(folder_name(target));
        let (spool, left) = match Spool::open(&folder, settings.bound, self.before) {
            Ok(opened) => opened,
            Err(error) => {
                let folder = folder.display().to_string();
                let error = error.to_string();
                tracing::error!(
                    folder,
                    error,
                    "alerts cannot be kept on disk, and wait in memory"
                );
                return Opened {
                    status: Some(SpoolStatus {
                        bytes: 0,
                        bound: settings.bound,
                        error: Some(error),
                    }),
                    ..Opened::default()
                };
            }
        };
        for damaged in &left.damaged {
            tracing::error!(
                damaged,
                "a part of the alerts that were kept is damaged, and set aside"
            );
        }
        self.last_number = self.last_number.max(left.number);
        self.has_any = true;
        Opened {
            status: Some(SpoolStatus {
                bytes: spool.bytes(),
                bound: spool.bound(),
                error: None,
            }),
            spool: Some(spool),
            left: Some(left),
        }
    }

    /// Says that what is there is committed, before anything else is: what all spools
    /// of this agent have, if there are any.
    pub(super) fn end(&self) -> (Option<Committed>, Progress) {
        let folder = { self.settings.filter(|_| self.has_any) }.map(|settings| &settings.folder);
        let mut committed = folder.map(|folder| Committed::of(folder));
        let written = committed.as_mut().map(|file| file.write(self.last_number));
        let number = match written {
            Some(Err(error)) => {
                tracing::error!(%error, "up to where alerts are kept cannot be written");
                self.before.unwrap_or(self.last_number)
            }
            _ => self.last_number,
        };
        (committed, Progress::new(self.last_number, number))
    }
}

/// The name of a target's folder: for people its beginning, and so that no two are
/// the same its digest.
pub(super) fn folder_name(target: &Target) -> String {
    let text = target.to_string();
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let digest = Digest::of(text.as_bytes()).to_string();
    let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
    format!("{plain}-{}", &digest[..8])
}
