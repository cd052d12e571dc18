//! What the kernel's statistics count for a program that does nothing: they
//! read a clock before each run and after it, and that has its cost too.

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::programs::RawTracePoint;
use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use object::{SymbolFlags, SymbolKind, SymbolScope};

/// `r0 = 0; exit`.
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
const TRACEPOINT: &str = "sched_process_exec";
const NAME: &str = "nothing";

/// The program, attached. Dropping it detaches it.
pub struct Clock(Ebpf);

impl Clock {
    /// Loads and attaches it.
    pub fn attach() -> Result<Self> {
        let mut ebpf = Ebpf::load(&object()?).context("cannot load a program that does nothing")?;
        let program: &mut RawTracePoint = ebpf
            .program_mut(NAME)
            .context("the object has one program")?
            .try_into()?;
        program.load()?;
        program.attach(TRACEPOINT)?;
        Ok(Self(ebpf))
    }

    /// Its runs, and nanoseconds in them, while the kernel's bpf statistics are
    /// on.
    pub fn time(&self) -> Result<(u64, u64)> {
        let program = self.0.program(NAME).context("it was loaded")?;
        let info = program.info()?;
        Ok((info.run_count(), info.run_time().as_nanos() as u64))
    }
}

fn object() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = format!("raw_tp/{TRACEPOINT}").into_bytes();
    let code = object.add_section(Vec::new(), section, SectionKind::Text);
    object.append_section_data(code, &NOTHING, 8);
    object.add_symbol(Symbol {
        name: NAME.into(),
        value: 0,
        size: NOTHING.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(code),
        flags: SymbolFlags::None,
    });
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    object.write().context("cannot write the object")
}
