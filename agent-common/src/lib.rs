//! What the programs in the kernel and the agent share: the records that cross
//! the border ([`wire`]), the hash that names a path ([`siphash`]) and the places
//! in the kernel's own structs that are read ([`layout`]).
//!
//! Everything here is plain data without allocation; it compiles for the eBPF
//! target as it is.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod layout;
pub mod siphash;
pub mod wire;
