//! The programs' own words, in debug builds: a release build has none of it in
//! the programs.

use super::{Kernel, KernelError};
use aya::Ebpf;
use aya_log::EbpfLogger;

/// Takes what the programs log.
pub(super) struct Diagnostics(EbpfLogger<Forward>);

impl Diagnostics {
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        EbpfLogger::init_with_logger(ebpf, Forward)
            .map(Self)
            .map_err(KernelError::Diagnostics)
    }
}

impl Kernel {
    /// Passes on what the programs logged since the last call.
    pub fn pass_on_diagnostics(&mut self) {
        self.diagnostics.0.flush();
    }
}

/// From the `log` crate, which aya-log speaks, to the agent's own log.
struct Forward;

impl log::Log for Forward {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args();
        match record.level() {
            log::Level::Error => tracing::error!(target: "execwarden::programs", "{text}"),
            log::Level::Warn => tracing::warn!(target: "execwarden::programs", "{text}"),
            log::Level::Info => tracing::info!(target: "execwarden::programs", "{text}"),
            log::Level::Debug => tracing::debug!(target: "execwarden::programs", "{text}"),
            log::Level::Trace => tracing::trace!(target: "execwarden::programs", "{text}"),
        }
    }

    fn flush(&self) {}
}
