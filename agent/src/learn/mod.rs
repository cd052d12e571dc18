//! Learning: what a workload was seen to run, for how long, and what was
//! missed meanwhile.
//!
//! - [`Baseline`] is what was learned of one workload;
//! - [`Ending`] is what has to hold before it ends, [`Progress`] how far that is;
//! - [`Evidence`] is what it knows of one entry, [`Arguments`] what that was run
//!   with, where it is an interpreter that is given code;
//! - [`Gap`] is a reason why it may not be everything;
//! - [`Pending`] is what it ran and may not learn;
//! - [`Probation`] is what a new image runs beyond the old one;
//! - [`generalise`] makes one entry of many that differ by a version, a date, a
//!   hash or a number.
//!
//! Values only: no kernel, no clock, no file. Time is passed in. Everything is
//! bounded, and what went over a bound is recorded as such.
//!
//! # Gaps
//! What may have been missed is recorded, and the minimum time and the quiet
//! time begin anew: what is learned in full afterwards makes the gap good. A
//! baseline that reaches its maximum before that is incomplete, and so is one
//! of which no container was seen from its start. After a restart the gap is
//! noted first, and only then is asked what is due.

#[cfg(test)]
pub(crate) mod arbitrary;
mod baseline;
mod code;
mod ending;
mod evidence;
mod gap;
mod generalise;
mod merge;
mod pending;
mod probation;
mod record;
mod sample;
mod shape;

pub use baseline::{
    Appearance, Baseline, EndedBecause, MAX_CONTAINERS, MAX_ENTRIES, MAX_IMAGES, MAX_NODES,
    Outcome, Sighting, State, Window,
};
pub use code::{Arguments, MAX_LISTS, code_in_arguments, is_code_in_arguments};
pub use ending::{Ending, Progress};
pub use evidence::{
    Around, Came, Evidence, MAX_CONTAINERS_PER_ENTRY, MAX_DIGESTS_PER_ENTRY, MAX_IMAGES_PER_ENTRY,
};
pub use gap::{Gap, MAX_LISTED};
pub use generalise::{MAX_MADE, generalise};
pub use merge::{DifferentWorkloads, merge};
pub use pending::{Held, Pending};
pub use probation::{MAX_FOUND, MAX_IMAGES_ON_PROBATION, Probation};
pub(crate) use record::Bytes;
pub use record::RecordError;
pub use sample::Sample;

/// How many identities a baseline holds for a person to look at.
pub const MAX_PENDING: usize = 256;
