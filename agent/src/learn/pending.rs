//! What is never learned, and waits for a person to look at it.

use super::MAX_PENDING;
use crate::model::{Identity, Reason};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What a workload ran while it learned, and may not learn: it was reported, and
/// only a person can allow it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pending {
    pub(super) held: BTreeMap<Identity, Held>,
    /// Whether more was held than [`MAX_PENDING`].
    pub(super) more: bool,
}

/// What is known of one identity that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The strongest reason for which it was reported.
    pub reason: Reason,
    /// When it first ran.
    pub first_seen: Timestamp,
    /// When it last ran anew: in another container, or otherwise than before.
    pub last_seen: Timestamp,
}

impl Pending {
    /// What is held, by identity.
    pub fn iter(&self) -> impl Iterator<Item = (&Identity, &Held)> {
        self.held.iter()
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether more was reported than is kept here.
    pub fn has_more(&self) -> bool {
        self.more
    }

    pub(super) fn hold(&mut self, identity: &Identity, reason: Reason, at: Timestamp) {
        let held = Held {
            reason,
            first_seen: at,
            last_seen: at,
        };
        self.add(identity, held);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (identity, held) in &other.held {
            self.add(identity, *held);
        }
        self.more |= other.more;
    }

    /// The smallest identities stay, whatever the order in which they came.
    fn add(&mut self, identity: &Identity, held: Held) {
        match self.held.get_mut(identity) {
            Some(before) => {
                before.reason = before.reason.min(held.reason);
                before.first_seen = before.first_seen.min(held.first_seen);
                before.last_seen = before.last_seen.max(held.last_seen);
            }
            None => {
                self.held.insert(identity.clone(), held);
            }
        }
        while self.held.len() > MAX_PENDING {
            self.held.pop_last();
            self.more = true;
        }
    }
}
