//! Learning: what a workload was seen to run, for how long, and what was
//! missed meanwhile.
//!
//! - [`Baseline`] is what was learned of one workload;
//! - [`Evidence`] is what it knows of one entry, [`Arguments`] what that was run
//!   with, where it is an interpreter that is given code;
//! - [`Gap`] is a reason why it may not be everything;
//! - [`generalise`] makes one entry of many that differ by a version, a date, a
//!   hash or a number.
//!
//! Values only: no kernel, no clock, no file. Time is passed in. Everything is
//! bounded, and what went over a bound is recorded as such.
//!
//! # The window
//! A workload learns for a fixed time from its first container's appearance,
//! by the wall clock. The time during which the agent was down is part of the
//! window: it ends when it was announced to end. What may have been missed is
//! recorded as [`Gap::AgentDown`], which makes the baseline incomplete; whether
//! it is good enough, a person decides. So after a restart the gap is noted
//! first, and only then is asked what is due.

#[cfg(test)]
pub(crate) mod arbitrary;
mod baseline;
mod code;
mod evidence;
mod gap;
mod generalise;
mod merge;
mod record;
mod sample;
mod shape;

pub use baseline::{
    Baseline, EndedBecause, MAX_CONTAINERS, MAX_ENTRIES, MAX_IMAGES, Outcome, Sighting, State,
    Window,
};
pub use code::{Arguments, MAX_LISTS, code_in_arguments, is_code_in_arguments};
pub use evidence::{
    Evidence, MAX_CONTAINERS_PER_ENTRY, MAX_DIGESTS_PER_ENTRY, MAX_IMAGES_PER_ENTRY,
};
pub use gap::{Gap, MAX_LISTED};
pub use generalise::{MAX_MADE, generalise};
pub use merge::{DifferentWorkloads, merge};
pub(crate) use record::Bytes;
pub use record::RecordError;
pub use sample::Sample;
