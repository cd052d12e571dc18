//! What a monitoring system asks: metrics, and whether the agent is alive and
//! ready. Over HTTP, and only where an address was given.
//!
//! - [`Server`]: three pages, boundedly many at once
//! - [`METRICS`]: every metric, from the agent's status (pure)
//! - [`unready`]: what keeps the agent from being ready (pure)
//!
//! Every page is made from what `execwarden status` shows, asked for in the same
//! way. docs/METRICS.md describes the metrics; a test compares the two.

mod ready;
mod render;
mod server;
mod table;

pub use ready::unready;
pub use render::render;
pub use server::{ListenError, Server};
pub use table::{Kind, METRICS, Metric};
