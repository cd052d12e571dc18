//! A deviation on its way out: record, encoder, sink.
//!
//! - [`Record`] is one alert as plain data; [`Repeats`] sums what comes again;
//!   [`Notice`] is what else is told of a workload.
//! - [`FIELDS`] names every fact of a record once; all encoders, [`rfc5424`],
//!   [`json`], [`rfc3164`], [`ocsf`], [`ecs`], [`falco`] and [`journal`], read that table and
//!   nothing else, so they cannot disagree.
//! - [`Sinks`] carries encoded records out: a socket, a webhook or stdout, each
//!   with its own bounded queue and its own state.
//!
//! Everything here but the sinks is pure. Nothing here decides what deviates.
//! docs/ALERTS.md is the description for the reader of alerts.

mod beat;
mod capabilities;
mod chain;
pub mod ecs;
mod evidence;
pub mod falco;
mod fields;
mod fit;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gone;
mod held_back;
mod id;
pub mod journal;
pub mod json;
mod link;
mod list;
mod message;
mod notice;
pub mod ocsf;
mod places;
mod record;
mod repeats;
pub mod rfc3164;
pub mod rfc5424;
#[cfg(any(test, fuzzing))]
mod rfc5424_reader;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema;
mod sentence;
mod severity;
mod sinks;
mod throttle;

pub use beat::{Beat, CanaryTold, Cause, Delivered};
pub use chain::{Chain, Walked};
pub use evidence::{Arguments, ExecEvidence, Packed};
pub use fields::{FIELDS, Field};
pub use gone::Gone;
pub use held_back::HeldBack;
pub use id::AlertId;
pub use link::Link;
pub use message::{Lost, Message};
pub use notice::{About, Notice, Upgrade};
pub use record::{Action, ContainerInfo, Kind, Leaver, Mode, Nearest, Record, Subject};
pub use repeats::{Due, Repeats};
pub use severity::{Facility, Severity};
pub use sinks::{
    Place, SinkState, SinkStatus, Sinks, SpoolSettings, SpoolStatus, Target, TargetError, try_open,
};
pub use throttle::Throttle;
