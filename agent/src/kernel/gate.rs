//! The gates at the event of an exec, and what they lead to: see the object's
//! `gate`.

use super::KernelError;
use super::exec_hooks::{self, EXEC, STAND_IN};
use super::handover::again;
use super::load::program;
use super::pinned_program::PinnedProgram;
use super::pins::{HeldLink, PinError, Pins};
use aya::maps::{Array, Map, MapData, ProgramArray};
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, ProgramFd};
use aya::{Btf, Ebpf};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

/// Which gate it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// That of the program that judges execs.
    Main,
    /// That of its stand-in.
    Spare,
}

impl Which {
    fn program(self) -> &'static str {
        match self {
            Self::Main => "execwarden_gate",
            Self::Spare => "execwarden_spare_gate",
        }
    }

    fn map(self) -> &'static str {
        match self {
            Self::Main => "GATE",
            Self::Spare => "SPARE_GATE",
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Main => EXEC,
            Self::Spare => STAND_IN.1,
        }
    }
}

/// One gate. Where it is pinned it is there for longer than the agent; while that
/// runs, it holds all of it.
pub(super) struct Gate {
    which: Which,
    leads_to: Map,
    /// The same, to read the number of the program that it leads to.
    number: Array<MapData, u32>,
    /// The program at the event, where an earlier agent has put it up.
    found: Option<PinnedProgram>,
    /// Its link, where that is pinned.
    link: Option<HeldLink>,
    /// The number of the program that this agent has it lead to.
    own: Option<u32>,
}

impl Gate {
    /// That of the program that judges execs: as it was found, or of the object, and
    /// loaded.
    pub(super) fn main(
        ebpf: &mut Ebpf,
        btf: &Btf,
        pins: Option<&Pins>,
    ) -> Result<Self, KernelError> {
        let gate = Self::new(Which::Main, ebpf, pins)?;
        if !gate.was_found() {
            let loaded = program(ebpf, gate.which.program()).load(EXEC, btf);
            loaded.map_err(|source| gate.refused(source))?;
        }
        Ok(gate)
    }

    /// The same of its stand-in.
    pub(super) fn spare(ebpf: &mut Ebpf, pins: Option<&Pins>) -> Result<Self, KernelError> {
        let gate = Self::new(Which::Spare, ebpf, pins)?;
        if !gate.was_found() {
            let loaded = exec_hooks::stand_in(ebpf, gate.which.program()).load();
            loaded.map_err(|source| gate.refused(source))?;
        }
        Ok(gate)
    }

    fn refused(&self, source: ProgramError) -> KernelError {
        KernelError::Program {
            tracepoint: self.which.event(),
            source,
        }
    }

    fn new(which: Which, ebpf: &mut Ebpf, pins: Option<&Pins>) -> Result<Self, KernelError> {
        let map = |source| KernelError::Map {
            name: which.map(),
            source,
        };
        let own = ebpf
            .take_map(which.map())
            .expect("the object has the gate's map and it is taken once");
        let link = pins.map(|pins| pins.of_gate(which.program(), "link"));
        let (leads_to, found, link) = match pins.zip(link.filter(|link| link.exists())) {
            Some((pins, link)) => {
                let pinned = MapData::from_pin(pins.of_gate(which.program(), "leads-to"));
                let found = pins.open_program(&pins.of_gate(which.program(), "program"))?;
                let link = HeldLink::found(&link)?;
                (
                    Map::ProgramArray(pinned.map_err(map)?),
                    Some(found),
                    Some(link),
                )
            }
            None => (own, None, None),
        };
        let number = again(&leads_to).map(Map::Array);
        let number = number.and_then(Array::try_from).map_err(map)?;
        Ok(Self {
            which,
            leads_to,
            number,
            found,
            link,
            own: None,
        })
    }

    /// Whether an earlier agent has put it up: until something is done, it leads to
    /// that one's program.
    pub(super) fn was_found(&self) -> bool {
        self.found.is_some()
    }

    /// Has it lead to this program from now on: each exec is judged by that one or
    /// by the one before.
    pub(super) fn lead_to(&mut self, program: &ProgramFd) -> Result<(), KernelError> {
        let set = ProgramArray::try_from(&mut self.leads_to)
            .and_then(|mut leads_to| leads_to.set(0, program, 0));
        set.map_err(|source| KernelError::Map {
            name: self.which.map(),
            source,
        })?;
        self.own = self.number.get(&0, 0).ok();
        Ok(())
    }

    /// Whether somebody has it lead elsewhere, or nowhere.
    pub(super) fn is_turned(&self) -> bool {
        self.own.is_some() && self.number.get(&0, 0).ok() != self.own
    }

    /// Puts it up, unless it was found.
    pub(super) fn put_up(
        &mut self,
        ebpf: &mut Ebpf,
        pins: Option<&Pins>,
    ) -> Result<(), KernelError> {
        if self.was_found() {
            return Ok(());
        }
        let name = self.which.program();
        let link = match self.which {
            Which::Main => {
                let gate = program(ebpf, name);
                let link = gate.attach().map_err(|source| self.refused(source))?;
                if pins.is_none() {
                    return Ok(());
                }
                let link = gate.take_link(link);
                link.map(FdLink::from)
                    .map_err(|source| self.refused(source))?
            }
            Which::Spare => {
                let gate = exec_hooks::stand_in(ebpf, name);
                let link = exec_hooks::attach(gate).map_err(|source| self.refused(source))?;
                if pins.is_none() {
                    return Ok(());
                }
                let link = gate.take_link(link);
                let link = link.map_err(|source| self.refused(source))?;
                FdLink::try_from(link).map_err(|source| PinError::NoLink {
                    event: self.which.event(),
                    source,
                })?
            }
        };
        if let Some(pins) = pins {
            self.pin_what_it_leads_through(ebpf, pins)?;
            // The link last: it says that all is there.
            self.link = Some(pins.link(&pins.of_gate(name, "link"), link)?);
        }
        Ok(())
    }

    fn pin_what_it_leads_through(&mut self, ebpf: &mut Ebpf, pins: &Pins) -> Result<(), PinError> {
        let name = self.which.program();
        pins.map(&pins.of_gate(name, "leads-to"), &self.leads_to)?;
        let path = pins.of_gate(name, "program");
        match &self.found {
            Some(found) => pins.program_again(&path, found),
            None => {
                let gate = ebpf.program_mut(name).expect("the object has the gate");
                pins.program(&path, gate)
            }
        }
    }

    /// Whether all of it is still pinned.
    pub(super) fn is_pinned(&self) -> bool {
        self.link.as_ref().is_none_or(HeldLink::is_pinned)
    }

    /// Pins it again.
    pub(super) fn pin_again(&mut self, ebpf: &mut Ebpf, pins: &Pins) -> Result<(), PinError> {
        if self.is_pinned() {
            return Ok(());
        }
        self.pin_what_it_leads_through(ebpf, pins)?;
        self.link.as_mut().map_or(Ok(()), HeldLink::pin_again)
    }

    /// The descriptor of the program at the event.
    pub(super) fn fd(&self, ebpf: &Ebpf) -> Option<RawFd> {
        match &self.found {
            Some(found) => Some(found.fd()),
            None => {
                let own = ebpf.program(self.which.program())?.fd().ok()?;
                Some(own.as_fd().as_raw_fd())
            }
        }
    }
}
