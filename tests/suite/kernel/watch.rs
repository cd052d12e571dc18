//! Loaded programs, the containers that a test has under them, and what must
//! be true of the counts when it ends.

use super::container::{Container, Place};
use crate::harness::Test;
use agent_common::wire::{self, Losses, SLOT_FIRST, SLOT_HOST, SLOT_PENDING, SLOTS};
use anyhow::{Result, bail, ensure};
use execwarden::kernel::{Escaped, Event, ExecHooks, Kernel, Permit, Ring, SeenEntry, Sizes};
use execwarden::model::{CgroupId, Exec, Identity, Libraries, Slot};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use testbed::Cgroup;
use testbed::node::CGROUP_ROOT;

/// How long the counts get to add up while other execs of the machine are
/// between one count and the next.
const DEADLINE: Duration = Duration::from_secs(5);

/// Runs a test under freshly loaded programs, then holds their counts against
/// the execs that it made. To load them takes half a second in a debug build,
/// and a container milliseconds: a test of many cases has a container for each.
pub fn watching(test: impl FnOnce(&mut Watch) -> Result<()>) -> Result<()> {
    watching_with(Sizes::default(), test)
}

/// The same with maps of other sizes.
pub fn watching_with(sizes: Sizes, test: impl FnOnce(&mut Watch) -> Result<()>) -> Result<()> {
    let mut watch = Watch::begin(sizes, HOOKS.get())?;
    test(&mut watch)?;
    watch.end()
}

/// Runs a test as it is, with nobody but the stand-in to judge its execs.
pub fn by_stand_in(test: Test) -> Result<()> {
    struct Usual;
    impl Drop for Usual {
        fn drop(&mut self) {
            HOOKS.set(ExecHooks::of_this_kernel());
        }
    }

    let _usual = Usual;
    HOOKS.set(ExecHooks::StandIn);
    test()
}

thread_local! {
    /// Which programs a test's [`Watch`] loads.
    static HOOKS: Cell<ExecHooks> = Cell::new(ExecHooks::of_this_kernel());
}

/// What a test provokes beside execs. Nothing else may be there at its end.
#[derive(Default)]
pub struct Expected {
    /// Execs whose path is too long or too deep.
    pub path_too_long: u64,
    /// Moves out of a container.
    pub escapes: u64,
    /// The ring is too small on purpose.
    pub ring_full: bool,
}

/// The programs at work.
pub struct Watch {
    pub kernel: Kernel,
    pub expected: Expected,
    ring: Ring,
    slots: BTreeMap<Slot, wire::Slot>,
    watched: Vec<Watched>,
}

/// A container's numbers, which outlive it.
struct Watched {
    id: CgroupId,
    slot: Slot,
    execs: Rc<Cell<u64>>,
}

impl Watch {
    /// Loads the programs and attaches them.
    pub fn begin(sizes: Sizes, hooks: ExecHooks) -> Result<Self> {
        let mut kernel = Kernel::load(sizes, hooks, Libraries::Image, None)?;
        let ring = kernel.take_ring()?;
        set_host_below(&mut kernel, Path::new(CGROUP_ROOT))?;
        kernel.attach()?;
        if let Some(error) = kernel.without_stand_in() {
            bail!("{error}");
        }
        Ok(Self {
            kernel,
            expected: Expected::default(),
            ring,
            slots: BTreeMap::new(),
            watched: Vec::new(),
        })
    }

    /// A container on the node's own root, in a slot of its own.
    pub fn container(&mut self, mode: u32) -> Result<Container> {
        self.container_at(mode, &Place::default())
    }

    /// A container somewhere else, in a slot of its own.
    pub fn container_at(&mut self, mode: u32, place: &Place) -> Result<Container> {
        let mut container = self.unnamed_at(Cgroup::new()?, place)?;
        self.name(&mut container, mode)?;
        Ok(container)
    }

    /// A container that nobody has named yet.
    pub fn unnamed(&mut self) -> Result<Container> {
        self.unnamed_at(Cgroup::new()?, &Place::default())
    }

    /// The same, in this cgroup.
    pub fn unnamed_at(&mut self, cgroup: Cgroup, place: &Place) -> Result<Container> {
        let container = Container::begin(cgroup, place)?;
        self.kernel.set_init(container.id(), container.pid())?;
        self.watched.push(Watched {
            id: container.id(),
            slot: container.slot(),
            execs: container.execs(),
        });
        Ok(container)
    }

    /// Names a container and gives it a slot. It must not have run anything.
    pub fn name(&mut self, container: &mut Container, mode: u32) -> Result<()> {
        let slot = Slot(SLOT_FIRST + u32::try_from(self.slots.len())?);
        let state = wire::Slot {
            mode,
            generation: 1,
            detail: 0,
            stops: 0,
            quota: self.kernel.sizes().quota,
            released: 0,
        };
        self.slots.insert(slot, state);
        self.kernel.set_slot(slot, state)?;
        self.kernel
            .set_container(container.id(), container.id(), slot, None, false)?;
        container.set_slot(slot);
        for watched in &mut self.watched {
            if watched.id == container.id() {
                watched.slot = slot;
            }
        }
        Ok(())
    }

    /// Lets a container run a file.
    pub fn allow(&mut self, container: &Container, identity: &Identity) -> Result<()> {
        Ok(self
            .kernel
            .allow(container.slot(), &Permit::from(identity))?)
    }

    /// Has this much of what a container runs stopped: see [`wire::stop`].
    pub fn stop(&mut self, container: &Container, stops: u32) -> Result<()> {
        let slot = container.slot();
        if let Some(state) = self.slots.get_mut(&slot) {
            state.stops = stops;
            self.kernel.set_slot(slot, *state)?;
        }
        Ok(())
    }

    /// Takes its whole allowlist away, but not what the fast path remembers.
    pub fn disallow(&mut self, container: &Container) -> Result<()> {
        Ok(self.kernel.replace_allowed(container.slot(), [])?)
    }

    /// Makes the fast path forget.
    pub fn raise_generation(&mut self, container: &Container) -> Result<()> {
        let slot = container.slot();
        if let Some(state) = self.slots.get_mut(&slot) {
            state.generation += 1;
            self.kernel.set_slot(slot, *state)?;
        }
        Ok(())
    }

    /// What the map has of a container.
    pub fn seen(&self, container: &Container) -> Vec<SeenEntry> {
        let mut seen = self.kernel.seen();
        seen.retain(|entry| entry.exec.container == container.id());
        seen
    }

    /// The one distinct exec that the map has of a container.
    pub fn only_seen(&self, container: &Container) -> Result<SeenEntry> {
        let mut seen = self.seen(container);
        let paths: Vec<_> = seen.iter().map(|entry| &entry.exec.identity.file).collect();
        ensure!(paths.len() == 1, "not one distinct exec but {paths:?}");
        Ok(seen.remove(0))
    }

    /// What came through the ring of a container since the last call for any.
    pub fn rung(&mut self, container: &Container) -> Result<Vec<Exec>> {
        let mut rung = Vec::new();
        for event in self.ring.by_ref() {
            if let Event::Exec(_, exec) = event?
                && exec.container == container.id()
            {
                rung.push(*exec);
            }
        }
        Ok(rung)
    }

    /// The ways out that this test's containers took.
    pub fn escapes(&self) -> Vec<Escaped> {
        let mut escapes = self.kernel.escapes();
        escapes.retain(|escape| self.watched.iter().any(|one| one.id == escape.container));
        escapes
    }

    /// Holds the counts against what was done.
    pub fn end(self) -> Result<()> {
        self.every_slot_adds_up()?;
        let seen = self.kernel.seen();
        let mut slots: BTreeMap<Slot, (u64, u64)> = BTreeMap::new();
        for watched in &self.watched {
            let reported: u64 = seen
                .iter()
                .filter(|entry| entry.exec.container == watched.id)
                .map(|entry| entry.count)
                .sum();
            // Other pending containers of the machine share that slot.
            if watched.slot == Slot(SLOT_PENDING) {
                ensure!(
                    reported == watched.execs.get(),
                    "pending: {reported} execs in the map, {} made",
                    watched.execs.get()
                );
                continue;
            }
            let sum = slots.entry(watched.slot).or_default();
            *sum = (sum.0 + watched.execs.get(), sum.1 + reported);
        }
        for (slot, (made, reported)) in slots {
            let counts = self.kernel.accounting(slot);
            let overflowed = self.kernel.usage(slot).overflowed;
            ensure!(counts.seen == made, "{made} execs were made: {counts:?}");
            ensure!(
                reported + overflowed == counts.learning + counts.deviating + counts.errors,
                "{reported} execs in the map and {overflowed} over the quota: {counts:?}"
            );
        }
        self.nothing_was_lost()
    }

    fn every_slot_adds_up(&self) -> Result<()> {
        // One CPU's counts are not written in one go.
        testbed::until("every slot's counts to add up", DEADLINE, || {
            let holds = (0..SLOTS).all(|slot| self.kernel.accounting(Slot(slot)).holds());
            Ok(holds.then_some(()))
        })
    }

    fn nothing_was_lost(&self) -> Result<()> {
        let losses = self.kernel.losses();
        let expected = Losses {
            ring_full: if self.expected.ring_full {
                losses.ring_full
            } else {
                0
            },
            seen_full: 0,
            cgroups_full: 0,
            path_too_long: self.expected.path_too_long,
            read_failed: 0,
            ring_sent: losses.ring_sent,
            escapes_full: 0,
            ring_peak: losses.ring_peak,
            not_stopped: 0,
        };
        ensure!(losses == expected, "{losses:?}, but expected {expected:?}");
        let escapes = self.escapes();
        let escaped: u64 = escapes.iter().map(|escape| escape.count).sum();
        ensure!(
            escaped == self.expected.escapes,
            "{escaped} escapes: {escapes:?}"
        );
        let programs = self.kernel.programs();
        ensure!(self.kernel.missed() == 0, "{programs:?}");
        Ok(())
    }
}

/// What is there before the programs is outside containers.
fn set_host_below(kernel: &mut Kernel, folder: &Path) -> Result<()> {
    // Other tests' cgroups may go while this looks.
    let Ok(metadata) = fs::metadata(folder) else {
        return Ok(());
    };
    kernel.set_host(CgroupId(metadata.ino()), Slot(SLOT_HOST), true)?;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            set_host_below(kernel, &entry.path())?;
        }
    }
    Ok(())
}
