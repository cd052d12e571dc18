//! What is held for a person, written and read back.

use super::RecordError;
use super::identity::{IdentityRecord, read_identity};
use crate::learn::MAX_PENDING;
use crate::learn::pending::{Held, Pending};
use crate::model::{Identity, Reason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeldRecord {
    what: IdentityRecord,
    reason: Reason,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

pub(super) fn held(pending: &Pending) -> Vec<HeldRecord> {
    let record = |(identity, held): (&Identity, &Held)| HeldRecord {
        what: identity.into(),
        reason: held.reason,
        first_seen: held.first_seen,
        last_seen: held.last_seen,
    };
    pending.held.iter().map(record).collect()
}

pub(super) fn read_pending(records: Vec<HeldRecord>, more: bool) -> Result<Pending, RecordError> {
    if records.len() > MAX_PENDING {
        return Err(RecordError::TooMany("identities that are held"));
    }
    let mut held = BTreeMap::new();
    for (number, record) in records.into_iter().enumerate() {
        if record.first_seen > record.last_seen {
            return Err(RecordError::BadEvidence(number));
        }
        let identity = read_identity(number, record.what)?;
        let of_it = Held {
            reason: record.reason,
            first_seen: record.first_seen,
            last_seen: record.last_seen,
        };
        if held.insert(identity, of_it).is_some() {
            return Err(RecordError::Duplicate(number));
        }
    }
    Ok(Pending { held, more })
}
