//! What is kept of the past: alerts that were sent, decisions that people took,
//! and for how long a workload may run anything.
//!
//! - [`AlertRow`] and [`Detail`]: one alert, as a line of a list and in full
//! - [`Pending`]: alerts that are not written yet
//! - [`Index`]: which of the written ones give way to newer ones
//! - [`Decision`]: one row of the journal of decisions
//! - [`Allowance`]: a workload that may run anything until a time
//!
//! Values only; `store` writes them. Nothing here decides what deviates.

mod alerts;
mod allowance;
mod decision;
mod index;

pub use alerts::{AlertRow, Detail, Entry, Pending, Remedy, Seen, Told};
pub use allowance::{Allowance, MAX_ALLOWED, Passed};
pub use decision::{Decision, What, Who};
pub use index::{Index, MAX_BYTES, MAX_ROWS};
