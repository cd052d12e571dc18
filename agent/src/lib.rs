//! The execwarden agent. See docs/ARCHITECTURE.md for the map.
pub mod alert;
pub mod allowlist;
mod backoff;
mod causes;
pub mod cli;
pub mod config;
pub mod containers;
pub mod control;
pub mod inspect;
pub mod journal;
pub mod judge;
pub mod kernel;
pub mod learn;
pub mod metrics;
pub mod model;
pub mod node;
pub mod simulate;
pub mod store;
