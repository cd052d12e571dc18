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

use filter::FilterError;
use procfs::KernelVersion;
use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use std::io;

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
    let mut problems: Vec<String> = other_threads().err().into_iter().collect();
    // Without it only CAP_SYS_ADMIN may install a filter.
    if let Err(error) = thread::set_no_new_privs(true) {
        problems.push(format!("no_new_privs cannot be set: {error}"));
    }
    if let Err(error) = drop_capabilities() {
        problems.push(format!("capabilities cannot be given up: {error}"));
    }
    let filtered = filter_calls();
    let calls_are_filtered = filtered.is_ok();
    problems.extend(filtered.err());
    let capabilities = match thread::capabilities(None) {
        Ok(sets) => sets.permitted,
        Err(error) => {
            problems.push(format!(
                "the capabilities that are left are not known: {error}"
            ));
            CapabilitySet::empty()
        }
    };
    Confinement {
        capabilities,
        calls_are_filtered,
        problems,
    }
}

/// Other threads keep the capabilities that they have.
fn other_threads() -> Result<(), String> {
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => Ok(()),
        Ok(threads) => Err(format!(
            "{} other threads keep their capabilities",
            threads - 1
        )),
        Err(error) => Err(format!(
            "whether there are other threads is not known: {error}"
        )),
    }
}

fn drop_capabilities() -> io::Result<()> {
    let held = thread::capabilities(None)?.permitted;
    let version = KernelVersion::current().ok();
    let kept = capabilities::needed_at_run_time(held, version);
    // Without that right it stays as the unit or the pod has it; a program that
    // the agent starts gets no more than the agent has, because of no_new_privs.
    if held.contains(CapabilitySet::SETPCAP) {
        empty_the_bounding_set()?;
    }
    thread::clear_ambient_capability_set()?;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(thread::set_capabilities(None, sets)?)
}

/// With nothing in it, a program that the agent starts has no capability at all.
fn empty_the_bounding_set() -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match thread::capability_is_in_bounding_set(capability) {
            Ok(true) => thread::remove_capability_from_bounding_set(capability)?,
            Ok(false) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn filter_calls() -> Result<(), String> {
    let not_filtered =
        |why: &dyn std::fmt::Display| format!("system calls are not filtered: {why}");
    let filters = filter::filters().map_err(|error: FilterError| not_filtered(&error))?;
    for filter in filters {
        install::install(&filter).map_err(|error| not_filtered(&error))?;
    }
    Ok(())
}
