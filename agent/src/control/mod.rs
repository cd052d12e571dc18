//! The operator's line to a running agent: a unix socket on which one JSON
//! line asks and one JSON line answers.
//!
//! - [`protocol`]: what can be asked and answered, as bytes and as values;
//! - [`operation`]: the part of it that is about alerts and decisions;
//! - [`status`]: the answer to `status`;
//! - [`socket`]: the socket's file, its rights, and who may replace it;
//! - [`server`]: the agent's side; it owns no state, and asks the node;
//! - [`client`]: the command's side;
//! - [`systemd`]: what the service manager is told.
//!
//! Nothing that arrives here can hurt the agent: size, time and number of
//! connections are bounded, and what is malformed is answered with what is
//! wrong with it.

pub mod client;
pub mod operation;
pub mod protocol;
pub mod server;
pub mod socket;
pub mod status;
pub mod systemd;
