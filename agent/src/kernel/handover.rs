//! From one agent to the next: who judges, what stays, and what was left.

use super::book::Book;
use super::gate::Gate;
use super::left::{self, Left};
use super::load::CLAIMS;
use super::pins::{HeldLink, PinError, Pins};
use super::{Kernel, KernelError, exec_hooks};
use aya::maps::{Map, MapData, MapError};
use std::os::fd::AsFd as _;

impl Kernel {
    /// Whether an earlier agent's programs are still there.
    pub fn is_second(&self) -> bool {
        let gates = [&self.gate, &self.spare_gate];
        { gates.into_iter().flatten() }.any(Gate::was_found)
    }

    /// Whether an earlier agent's programs have watched until now, and what they saw
    /// can be read.
    pub fn has_watched_on(&self) -> bool {
        self.is_second() && !self.left.is_empty()
    }

    /// Execs are judged here from now on.
    pub fn take_charge(&mut self) -> Result<(), KernelError> {
        let gates = [
            (&mut self.gate, "execwarden_exec"),
            (&mut self.spare_gate, exec_hooks::STAND_IN.0),
        ];
        for (gate, name) in gates {
            if let Some(gate) = gate
                && let Some(program) = self.ebpf.program(name)
                && let Ok(program) = program.fd()
            {
                gate.lead_to(program)?;
            }
        }
        Ok(())
    }

    /// Notes what of earlier agents has to be told again, where the spool has the
    /// records up to `committed`: before the first record of this one. The greatest
    /// number that was ever given to one; 0 if nothing is left.
    pub fn settle_left(&mut self, committed: u64) -> Result<u64, KernelError> {
        let mut last = 0;
        for left in &mut self.left {
            last = last.max(left.settle(committed)?);
        }
        Ok(last)
    }

    /// What earlier agents have left, oldest first.
    pub fn take_left(&mut self) -> Vec<Left> {
        std::mem::take(&mut self.left)
    }

    /// Where it is written what was told of; nowhere, if nothing stays when the agent
    /// ends.
    pub fn book(&self) -> Result<Book, KernelError> {
        if self.pins.is_none() {
            return Ok(Book::default());
        }
        // It is pinned again with the others, should that be needed.
        let map = self.ebpf.map("TOLD");
        let book = again(map.expect("the object has this map")).map(Map::HashMap);
        let book = book.and_then(|map| map.try_into().map(Book::new));
        book.map_err(|source| KernelError::Map {
            name: "TOLD",
            source,
        })
    }

    /// What stays when the agent ends; `None` if nothing does.
    pub fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }

    /// Whether execs were led past this agent's programs: they no more are, if the
    /// kernel lets it.
    pub fn turn_gates_back(&mut self) -> Option<Result<(), KernelError>> {
        let gates = [&self.gate, &self.spare_gate];
        let is_turned = { gates.into_iter().flatten() }.any(Gate::is_turned);
        is_turned.then(|| self.take_charge())
    }

    /// Pins what the next agent has to read.
    pub(super) fn pin_maps(&self) -> Result<(), PinError> {
        if let Some(pins) = &self.pins {
            for name in left::MAPS {
                let map = self.ebpf.map(name).expect("the object has this map");
                pins.map(&pins.of_own(name), map)?;
            }
            let claims = self.ebpf.map(CLAIMS).expect("the object has this map");
            if self.hooks.have_stand_in() && !pins.of_all(CLAIMS).exists() {
                pins.map(&pins.of_all(CLAIMS), claims)?;
            }
        }
        Ok(())
    }

    /// Pins again what somebody has unpinned; `None` if nothing was. It goes on as it
    /// was meanwhile: the agent holds it.
    pub fn mend_pins(&mut self) -> Option<Result<(), PinError>> {
        let pins = self.pins.as_ref()?;
        let gates = [&self.gate, &self.spare_gate];
        let are_pinned = { gates.into_iter().flatten() }.all(Gate::is_pinned)
            && self.links.iter().all(HeldLink::is_pinned)
            && left::MAPS.iter().all(|name| pins.of_own(name).exists());
        (!are_pinned).then(|| self.pin_again())
    }

    fn pin_again(&mut self) -> Result<(), PinError> {
        let Some(pins) = &self.pins else {
            return Ok(());
        };
        pins.make_again()?;
        for gate in [&mut self.gate, &mut self.spare_gate].into_iter().flatten() {
            gate.pin_again(&mut self.ebpf, pins)?;
        }
        for link in &mut self.links {
            link.pin_again()?;
        }
        self.pin_maps()
    }
}

/// The same map, once more.
pub(super) fn again(map: &Map) -> Result<MapData, MapError> {
    let (Map::HashMap(map) | Map::ProgramArray(map)) = map else {
        unreachable!("no other is needed twice");
    };
    MapData::from_fd(map.fd().as_fd().try_clone_to_owned()?)
}
