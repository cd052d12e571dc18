//! What the agent gives up once everything that needs it is opened, so that
//! whoever takes it over has less of the node.
//!
//! - [`capabilities`]: which capabilities runtime work needs (pure)
//! - [`calls`]: which system calls the agent never makes
//! - [`filter`]: these as a program for the kernel (pure)
//! - [`install`]: hands that to the kernel
//!
//! A thread has capabilities of its own, and hands them on to those that it
//! starts: it is done on the first thread, before there is another.

mod calls;
mod capabilities;
mod filter;
#[expect(
    unsafe_code,
    reason = "no crate passes seccomp(2) the flag by which refused calls are logged"
)]
mod install;
#[cfg(test)]
mod tests;

use procfs::KernelVersion;
use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use std::fmt::Display;

pub use capabilities::names;

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Confinement {
    /// The capabilities that this process still has.
    pub capabilities: CapabilitySet,
    /// Whether the kernel refuses the calls that it never makes.
    pub calls_are_filtered: bool,
    /// What could not be given up, one sentence each.
    pub problems: Vec<String>,
}

/// Gives up what this process does not need once the programs are attached. It
/// cannot be taken back. What fails is a problem, and the agent goes on: it
/// reports as well as before.
pub fn confine() -> Confinement {
    let steps = [
        other_threads(),
        // Without it only CAP_SYS_ADMIN may install a filter.
        thread::set_no_new_privs(true).map_err(cannot("no_new_privs cannot be set")),
        empty_the_bounding_set().map_err(cannot("the bounding set cannot be emptied")),
        drop_capabilities().map_err(cannot("capabilities cannot be given up")),
    ];
    let filtered = filter_calls();
    let left = thread::capabilities(None).map_err(cannot("the capabilities left are not known"));
    Confinement {
        calls_are_filtered: filtered.is_ok(),
        capabilities: match &left {
            Ok(sets) => sets.permitted,
            Err(_) => CapabilitySet::empty(),
        },
        problems: { steps.into_iter() }
            .chain([filtered, left.map(drop)])
            .filter_map(Result::err)
            .collect(),
    }
}

fn cannot<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

/// Other threads keep the capabilities that they have.
fn other_threads() -> Result<(), String> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    match threads.map_err(cannot("whether there are other threads is not known"))? {
        1 => Ok(()),
        threads => Err(format!(
            "threads that keep the capabilities that they have: {}",
            threads - 1
        )),
    }
}

/// With nothing in it, a program that the agent starts has no capability at all.
/// Without CAP_SETPCAP it stays as the unit or the pod has it: a program then gets
/// no more than the agent has, because of no_new_privs.
fn empty_the_bounding_set() -> rustix::io::Result<()> {
    let held = thread::capabilities(None)?.effective;
    if !held.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match thread::capability_is_in_bounding_set(capability) {
            Ok(true) => thread::remove_capability_from_bounding_set(capability)?,
            Ok(false) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn drop_capabilities() -> rustix::io::Result<()> {
    let held = thread::capabilities(None)?.permitted;
    let kept = capabilities::needed_at_run_time(held, KernelVersion::current().ok());
    // From the inheritable ones the kernel takes the ambient ones along.
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    thread::set_capabilities(None, sets)
}

fn filter_calls() -> Result<(), String> {
    const NOT_FILTERED: &str = "system calls are not filtered";
    for filter in filter::filters().map_err(cannot(NOT_FILTERED))? {
        install::install(&filter).map_err(cannot(NOT_FILTERED))?;
    }
    Ok(())
}
