//! A record's place among all that one target is given.

use crate::model::Digest;

/// The name of the digest of the record before, in every form that has it.
pub(super) const PREVIOUS: &str = "previous";

/// A record's place among all that one target is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// How manyth it is, from 1.
    pub sequence: u64,
    /// The digest of the one before, as it was sent, where records are chained: a
    /// record that was removed is missed then.
    pub previous: Option<Digest>,
}

/// Without a chain.
impl From<u64> for Link {
    fn from(sequence: u64) -> Self {
        Self {
            sequence,
            previous: None,
        }
    }
}
