//! The kernel side, seen from the agent: load the programs, fill and read
//! their maps, take records off the ring.
//!
//! It knows numbers (slots, cgroup ids, hashes), not workloads or allowlists.

mod book;
mod btf;
mod compare;
mod decode;
#[cfg(debug_assertions)]
mod diagnostics;
mod exec_hooks;
mod gate;
mod handover;
mod health;
mod layouts;
mod left;
mod load;
mod maps;
#[expect(unsafe_code, reason = "glibc's malloc_trim is a C function")]
mod memory;
mod permits;
#[expect(
    unsafe_code,
    reason = "the library's way to a pinned program takes more rights"
)]
mod pinned_program;
mod pins;
mod refusal;
mod relocate;
#[expect(
    unsafe_code,
    reason = "tokio takes a descriptor only on our word that it lives"
)]
mod ring;
mod trial;
mod truth;

pub use book::Book;
pub use btf::{Btf, BtfError};
pub use compare::Found;
pub use decode::{DecodeError, Event, decode, exec_of_seen};
pub use exec_hooks::ExecHooks;
pub use health::{MapFill, ProgramHealth};
pub use layouts::{LayoutError, OverlayTypes, find_layout};
pub use left::{Left, Leftover, Owed, Untold, key_of_escape, key_of_overflow};
pub use load::{Kernel, KernelError, Sizes};
pub use maps::PolicyError;
pub use permits::{Names, Permit, Sighted, detail_bits, stop_bits};
pub use pins::{PinError, Pins, is_in_bpf_fs, remove_pins};
pub use refusal::bpf_lsm_is_active;
pub use ring::{AsyncRing, Ring};
pub use trial::{Overlay, Trial, Trials, try_layouts, try_programs};
pub use truth::{Escaped, SeenEntry};
