//! Loads the programs with this kernel's layouts and attaches them.

use super::compare::Put;
use super::gate::Gate;
use super::left::Left;
use super::permits::Listed;
use super::pins::{HeldLink, PinError, Pins};
use super::refusal::Refusals;
use super::relocate::{Constants, relocated};
use super::{
    Btf, BtfError, ExecHooks, LayoutError, OverlayTypes, PolicyError, Ring, exec_hooks,
    find_layout, refusal,
};
use crate::model::{Libraries, Slot};
use agent_common::layout::{ABSENT, Layout};
use agent_common::siphash::Key;
use agent_common::wire::{self, AllowKey, SLOT_HOST, SLOT_PENDING, mode};
use aya::maps::{MapData, RingBuf};
use aya::programs::BtfTracePoint;
use aya::programs::links::FdLink;
use aya::{Ebpf, EbpfLoader};
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use zerocopy::IntoBytes as _;

/// The programs, as `agent-ebpf` compiled them.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("EXECWARDEN_EBPF"));

/// Every program that always runs, with the tracepoint it hangs on; the last one
/// through its [`Gate`].
pub(super) const PROGRAMS: [(&str, &str); 4] = [
    ("execwarden_mkdir", "cgroup_mkdir"),
    ("execwarden_rmdir", "cgroup_rmdir"),
    ("execwarden_attach", "cgroup_attach_task"),
    ("execwarden_exec", "sched_process_exec"),
];

/// Who has judged which exec, where somebody stands in for the program.
pub(super) const CLAIMS: &str = "CLAIMS";
/// Room in the map of cgroups.
pub(super) const CGROUPS_MAX: u32 = 32_768;
/// Room in the map of those that are gone.
pub(super) const GONE_MAX: u32 = 16_384;
/// Room in the map of containers' first processes.
pub(super) const INIT_MAX: u32 = 16_384;

const BTF: &str = "/sys/kernel/btf";
const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";
pub(super) const OVERLAY_BTF: &str = "/sys/kernel/btf/overlay";

/// How many entries the maps have room for.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Distinct execs that are not covered, all containers together.
    pub seen: u32,
    /// Allowlist entries, all workloads together.
    pub allow: u32,
    /// Distinct execs one slot may have in the map of what was seen.
    pub quota: u64,
    /// The same for all containers together that are not named yet.
    pub pending_quota: u64,
    /// The ring, in bytes: a power of two, a page at least.
    pub ring: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            seen: 32_768,
            allow: 65_536,
            quota: 1024,
            pending_quota: 16_384,
            ring: 1 << 21,
        }
    }
}

/// Why the programs are not at work.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No type information: the layouts cannot be looked up.
    #[error(
        "this kernel has no BTF type information ({VMLINUX_BTF}: {0}); execwarden needs a kernel with CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf(io::Error),
    /// BTF that cannot be understood.
    #[error("the type information in {path} cannot be read: {source}")]
    Btf {
        /// The file.
        path: &'static str,
        /// What is wrong in it.
        source: BtfError,
    },
    /// A field that is not there.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The host's mount namespace cannot be told from a container's.
    #[error(
        "/proc/1/ns/mnt cannot be read ({0}); run execwarden as root and with the host's pid namespace"
    )]
    HostNamespace(io::Error),
    /// The kernel's own BTF in the loader's form.
    #[error("the kernel's BTF cannot be loaded: {0}")]
    AyaBtf(#[from] aya::BtfError),
    /// The object cannot be loaded.
    #[error(
        "the kernel does not take the maps: {0}; run execwarden as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE"
    )]
    Load(#[from] aya::EbpfError),
    /// A program is refused.
    #[error("the kernel refuses the program for {tracepoint}: {source}")]
    Program {
        /// Where it was to be attached.
        tracepoint: &'static str,
        /// The kernel's word.
        source: aya::programs::ProgramError,
    },
    /// The programs' log, in a debug build.
    #[cfg(debug_assertions)]
    #[error("the programs' log cannot be read: {0}")]
    Diagnostics(aya_log::Error),
    /// A map that does not take what is always in it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What is to stay when the agent ends.
    #[error("the kernel does not keep the programs for when the agent ends: {0}")]
    Pin(PinError),
    /// A map that is not what it should be.
    #[error("the map {name} cannot be used: {source}")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        source: aya::maps::MapError,
    },
}

/// The loaded programs and their maps. Dropping it detaches them, unless they are
/// pinned.
pub struct Kernel {
    pub(super) ebpf: Ebpf,
    pub(super) pins: Option<Pins>,
    pub(super) gate: Option<Gate>,
    pub(super) spare_gate: Option<Gate>,
    /// What is pinned of them, held for as long as the agent runs.
    pub(super) links: Vec<HeldLink>,
    pub(super) left: Vec<Left>,
    pub(super) key: Key,
    pub(super) sizes: Sizes,
    pub(super) hooks: ExecHooks,
    without_stand_in: Option<KernelError>,
    pub(super) refusals: Refusals,
    pub(super) pending_released: u64,
    /// What each key of `ALLOW` stands for, which the kernel has as hashes only,
    /// by its slot.
    pub(super) allowed: HashMap<Slot, HashMap<AllowKey, Listed>>,
    /// What else was put into the maps.
    pub(super) put: Put,
    #[cfg(debug_assertions)]
    pub(super) diagnostics: super::diagnostics::Diagnostics,
    layers_known: bool,
}

impl Kernel {
    /// Loads the programs; nothing is attached yet. With `pins` they stay when the
    /// agent ends, and what an earlier one has left is taken over.
    pub fn load(
        sizes: Sizes,
        hooks: ExecHooks,
        libraries: Libraries,
        mut pins: Option<Pins>,
    ) -> Result<Self, KernelError> {
        let layout = layout_of_this_kernel()?;
        let key = random_key();
        let btf = aya::Btf::from_sys_fs()?;
        let mut ebpf = make_maps(sizes, hooks, libraries, key, &layout, &btf, pins.as_ref())?;
        for (name, tracepoint) in hooks.programs() {
            program(&mut ebpf, name)
                .load(tracepoint, &btf)
                .map_err(|source| KernelError::Program { tracepoint, source })?;
        }
        let gate = hooks.gate(&mut ebpf, &btf, pins.as_ref())?;
        let (spare_gate, without_stand_in) = match hooks.spare_gate(&mut ebpf, pins.as_ref()) {
            Ok(gate) => (gate, None),
            Err(error) => (None, Some(error)),
        };
        let refusals = Refusals::load(&mut ebpf, &btf, libraries);
        let left = { pins.as_mut() }.map_or_else(Vec::new, Left::open);
        #[cfg(debug_assertions)]
        let diagnostics = super::diagnostics::Diagnostics::of(&mut ebpf)?;
        let mut kernel = Self {
            ebpf,
            pins,
            gate,
            spare_gate,
            links: Vec::new(),
            left,
            key,
            sizes,
            hooks,
            without_stand_in,
            refusals,
            pending_released: 0,
            allowed: HashMap::new(),
            put: Put::default(),
            #[cfg(debug_assertions)]
            diagnostics,
            layers_known: layout.ovl_upper != ABSENT,
        };
        kernel.set_fixed_slots()?;
        kernel.pin_maps()?;
        drop(btf);
        super::memory::return_freed();
        Ok(kernel)
    }

    /// Attaches the programs: cgroups first, so that no exec finds a cgroup
    /// that was missed. Execs are judged here from now on, unless an earlier agent's
    /// programs do it until [`take_charge`](Self::take_charge). Without the stand-in
    /// it goes on; see [`without_stand_in`](Self::without_stand_in).
    pub fn attach(&mut self) -> Result<(), KernelError> {
        for (name, tracepoint) in PROGRAMS {
            if tracepoint == exec_hooks::EXEC {
                continue;
            }
            let refused = |source| KernelError::Program { tracepoint, source };
            let program = program(&mut self.ebpf, name);
            let link = program.attach().map_err(refused)?;
            if let Some(pins) = &self.pins {
                let link = program.take_link(link).map_err(refused)?;
                let pinned = pins.link(&pins.of_own(tracepoint), FdLink::from(link))?;
                self.links.push(pinned);
            }
        }
        self.attach_refusals();
        if !self.is_second() {
            self.take_charge()?;
        }
        let pins = self.pins.as_ref();
        if let Some(gate) = &mut self.gate {
            gate.put_up(&mut self.ebpf, pins)?;
        }
        if let Some(spare) = &mut self.spare_gate {
            self.without_stand_in = spare.put_up(&mut self.ebpf, pins).err();
        }
        Ok(())
    }

    /// Why nobody stands in for the program that judges execs, on a kernel that
    /// may hold it up.
    pub fn without_stand_in(&self) -> Option<&KernelError> {
        self.without_stand_in.as_ref()
    }

    /// Takes the ring; there is one consumer.
    pub fn take_ring(&mut self) -> Result<Ring, KernelError> {
        let map = self
            .ebpf
            .take_map("RING")
            .expect("the object has a ring and it is taken once");
        let ring: RingBuf<MapData> = RingBuf::try_from(map).map_err(|source| KernelError::Map {
            name: "RING",
            source,
        })?;
        Ok(Ring::new(ring))
    }

    /// Whether the kernel told where overlayfs keeps its upper layer. If not,
    /// no file of an overlay is ever allowed.
    pub fn layers_known(&self) -> bool {
        self.layers_known
    }

    fn set_fixed_slots(&mut self) -> Result<(), KernelError> {
        let host = wire::Slot {
            mode: mode::OFF,
            generation: 1,
            detail: 0,
            stops: 0,
            quota: self.sizes.quota,
            released: 0,
        };
        let pending = self.pending_slot();
        for (slot, state) in [(SLOT_HOST, host), (SLOT_PENDING, pending)] {
            self.set_slot(Slot(slot), state)?;
        }
        Ok(())
    }
}

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut BtfTracePoint {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .expect("the object has every program of PROGRAMS as a BTF tracepoint")
}

/// Makes the maps; no program is loaded yet.
pub(super) fn make_maps(
    sizes: Sizes,
    hooks: ExecHooks,
    libraries: Libraries,
    key: Key,
    layout: &Layout,
    btf: &aya::Btf,
    pins: Option<&Pins>,
) -> Result<Ebpf, KernelError> {
    let constants = Constants {
        layout,
        host_mntns: host_mount_namespace()?,
        preemptible: hooks.have_stand_in(),
        machines: refusal::machines(),
    };
    let mut loader = EbpfLoader::new();
    let is_asked = refusal::machines() != 0;
    let rooms = match (libraries, hooks.have_stand_in()) {
        (Libraries::Image, _) if is_asked => 4,
        (_, true) => 3,
        (_, false) => 1 + u32::from(is_asked),
    };
    loader.map_max_entries("SCRATCH", rooms);
    if !hooks.have_stand_in() {
        loader.map_max_entries("CLAIMS", 1);
    } else if let Some(pins) = pins {
        // One for all agents: what one's program has judged, another's stand-in leaves.
        loader.map_pin_path(CLAIMS, pins.of_all(CLAIMS));
    }
    let ebpf = loader
        .btf(Some(btf))
        .override_global("HASH_K0", &key.k0, true)
        .override_global("HASH_K1", &key.k1, true)
        .map_max_entries("SEEN", sizes.seen)
        .map_max_entries("ALLOW", sizes.allow)
        .map_max_entries("CGROUPS", CGROUPS_MAX)
        .map_max_entries("INIT", INIT_MAX)
        .map_max_entries("RING", sizes.ring)
        .load(relocated(OBJECT, &constants).as_bytes())?;
    Ok(ebpf)
}

pub(super) fn layout_of_this_kernel() -> Result<Layout, KernelError> {
    let bytes = std::fs::read(VMLINUX_BTF).map_err(KernelError::NoBtf)?;
    let vmlinux = Btf::parse(&bytes).map_err(|source| KernelError::Btf {
        path: VMLINUX_BTF,
        source,
    })?;
    let overlay_bytes = std::fs::read(OVERLAY_BTF);
    let overlay = match &overlay_bytes {
        Ok(bytes) => {
            OverlayTypes::Module(Btf::parse_module(bytes, &vmlinux).map_err(|source| {
                KernelError::Btf {
                    path: OVERLAY_BTF,
                    source,
                }
            })?)
        }
        Err(_) if tells_of_modules() => OverlayTypes::NotLoaded,
        Err(_) => OverlayTypes::Untold,
    };
    Ok(find_layout(&vmlinux, &overlay)?)
}

/// Whether this kernel has BTF for its modules: for any that is loaded.
fn tells_of_modules() -> bool {
    std::fs::read_dir(BTF)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name() != "vmlinux")
}

/// The inode number of the host's mount namespace: that of pid 1, or, where
/// pid 1 may not be looked at, of the kernel's own threads, which never leave
/// it.
fn host_mount_namespace() -> Result<u32, KernelError> {
    let read = |pid| std::fs::metadata(format!("/proc/{pid}/ns/mnt"));
    let namespace = read(1).or_else(|first| read(2).map_err(|_| first));
    // Namespaces' inode numbers have 32 bits.
    Ok(namespace.map_err(KernelError::HostNamespace)?.ino() as u32)
}

pub(super) fn random_key() -> Key {
    use std::hash::{BuildHasher as _, RandomState};
    // Two draws of the standard library's hash keys, which come from the
    // kernel's random numbers.
    Key {
        k0: RandomState::new().hash_one(0u8),
        k1: RandomState::new().hash_one(1u8),
    }
}
