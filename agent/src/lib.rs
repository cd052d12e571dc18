//! The execwarden agent. See docs/ARCHITECTURE.md for the map.
pub mod alert;
pub mod allowlist;
mod backoff;
pub mod canary;
mod causes;
pub mod cli;
pub mod config;
pub mod confine;
pub mod containers;
pub mod control;
pub mod exchange;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
pub mod inspect;
pub mod journal;
pub mod judge;
pub mod kernel;
pub mod learn;
pub mod metrics;
pub mod model;
pub mod node;
mod process;
pub mod simulate;
pub mod store;
