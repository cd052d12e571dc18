//! One record as a sink has it: encoded, numbered, ready to be written.

use std::sync::Arc;

/// What is ready for one sink. Shared between what is sent and what is kept.
pub(super) type Entry = Arc<Encoded>;

/// One encoded record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Encoded {
    /// Its place among all records of this sink, from 1, without a gap.
    pub sequence: u64,
    /// Its number on the node.
    pub number: u64,
    /// Whose it is; empty for what is nobody's.
    pub workload: String,
    /// Whether it tells of records that were lost, and was no record itself.
    pub tells_of_loss: bool,
    /// What goes out, but for the transport's own framing.
    pub text: Vec<u8>,
}
