//! A canary: an exec of the agent's own, on a schedule, that has to be stopped and
//! reported.
//! As long as it is, the kernel side sees execs and the agent hears of them.
//!
//! It runs in a cgroup of its own below the agent's, under a slot in which nothing
//! is allowed. A helper stands in that cgroup for good, so that what it starts has
//! a parent in there, as every process of a container but the first has, and that
//! the agent itself executes nothing while it watches.
//!
//! - [`helper`]: what the helper and the canary itself do: this program, called by
//!   words of our own
//! - [`perch`]: the cgroup, and the helper in it
//! - [`outcome`]: what was heard of a run → what it came to (pure)
//! - [`watch`]: when one runs, and whether it passes again (pure)
//! - [`deliveries`]: whether the record about it reaches each target (pure)
//!
//! Knows nothing of maps and slots: [`node`](crate::node) ties it to the kernel.

mod deliveries;
mod helper;
mod outcome;
mod perch;
mod watch;

pub use deliveries::{Deliveries, Delivery, Given, Look, News as DeliveryNews};
pub use helper::{Ended, as_one};
pub use outcome::{Evidence, Expected, Failure, Outcome, Passed, Told};
pub use perch::{Helper, Perch, PerchError, Word};
pub use watch::{Due, News, State, Watch};
