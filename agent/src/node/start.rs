//! Opens everything, in the order in which failing is cheapest, and takes in
//! what runs already.

use super::alerts::Alerts;
use super::allowances::Allowances;
use super::beside::Beside;
use super::canary::Canary;
use super::clock::WallClock;
use super::crash_loops::CrashLoops;
use super::inspecting::Inspecting;
use super::journalling::Journalling;
use super::left::Heritage;
use super::permits;
use super::targets::targets;
use super::units::Units;
use super::workloads::{Phase, Workloads};
use super::{Heard, Node, health};
use crate::alert::rfc5424::Settings;
use crate::alert::{Sinks, SpoolSettings, TargetError};
use crate::allowlist::{Folder, KeyError, Keyring, WatchError};
use crate::config::Config;
use crate::confine::{self, Confinement, confine};
use crate::containers::{
    Containers, Engine, Engines, Hierarchy, HierarchyError, Kube, LiveProcess, RuntimeFiles, Since,
    ask_cri, live_layer, live_processes, processes_in, replies,
};
use crate::control::socket::BindError;
use crate::inspect::{Inspector, Limits, runs_multicall};
use crate::kernel::{ExecHooks, Kernel, KernelError, PinError, Pins, Sizes, bpf_lsm_is_active};
use crate::learn::{Around, Baseline, Gap, Outcome, Sighting, State, Window};
use crate::metrics;
use crate::model::{CgroupId, Identity, Libraries, Reason, Role};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long the agent begins to watch before it has the names of all containers
/// that are there.
const PATIENCE: Duration = Duration::from_secs(3);
/// Room for what the canary's helper says: one word for each run, and its last.
const CANARY_WORDS: usize = 16;

/// Why the agent does not run: one sentence each, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not root.
    #[error("programs can only be loaded into the kernel by root: run this as root")]
    NotRoot,
    /// No cgroup v2, or containers outside it.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// A `--syslog` that is none.
    #[error("--syslog: {0}")]
    Target(#[from] TargetError),
    /// A `--webhook` that is none.
    #[error("--webhook: {0}")]
    Webhook(TargetError),
    /// Two targets that are one.
    #[error("{0} is named twice as a target of alerts; name it once, with all its options")]
    TargetTwice(String),
    /// The keys that allowlists are signed with.
    #[error("--allowlist-keys: {0}")]
    Keys(#[from] KeyError),
    /// The state folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] BindError),
    /// The programs.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The allowlists' folder.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The boot id names alerts.
    #[error("cannot read /proc/sys/kernel/random/boot_id: {0}; is /proc mounted?")]
    BootId(io::Error),
    /// The ring cannot be waited for.
    #[error("cannot wait for the kernel's ring: {0}")]
    Ring(io::Error),
    /// The address for metrics.
    #[error(transparent)]
    Metrics(#[from] metrics::ListenError),
    /// The asynchronous runtime or a signal handler.
    #[error("cannot start the agent's runtime: {0}")]
    Runtime(io::Error),
}

impl Node {
    /// A node that is attached and has taken in what runs.
    pub(super) async fn start(config: Config) -> Result<(Self, Heard), StartError> {
        if !rustix::process::geteuid().is_root() {
            return Err(StartError::NotRoot);
        }
        let targets = targets(&config)?;
        let keys = Keyring::open(&config.allowlist_keys)?;
        if let Some(keys) = &keys {
            tracing::info!(%keys, "allowlists have to be signed with one of these keys");
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(StartError::BootId)?;
        let hierarchy = Hierarchy::of_this_node()?;
        let files = config
            .runc_roots
            .iter()
            .fold(RuntimeFiles::new(&config.host_root), |files, root| {
                files.with_runc_root(root)
            });
        hierarchy.check_placement(&files)?;
        // Its lock keeps a second agent from going any further.
        let mut store = Store::open(&config.state)?;
        let mut history = store.history()?;
        let allowances = Allowances::new(history.allowances()?);
        let written = history.entries()?;
        let last_alive = store.last_alive()?;
        let size = config.journal_max_size.bytes();
        let journalling = Journalling::open(&store, size, config.journal_max_age, last_alive);
        come_first();
        let pins = config.pins.as_deref().map(open_pins).transpose();
        let unpinned = pins.as_ref().err().map(ToString::to_string);
        let pins = pins.unwrap_or_default();
        let mut kernel = Kernel::load(
            Sizes::default(),
            ExecHooks::of_this_kernel(),
            config.libraries,
            pins,
        )?;
        if !kernel.layers_known() {
            tracing::warn!(
                "the overlay module is not loaded, so an image's files cannot be told from files written later, and every file of an overlay will be reported; run `modprobe overlay` and start again"
            );
        }
        let ring = kernel.take_ring()?.into_async().map_err(StartError::Ring)?;
        let (canary_says, canary_said) = mpsc::channel(CANARY_WORDS);
        let mut canary = config
            .canary
            .map(|interval| Canary::new(interval, canary_says));
        let placed = { canary.as_mut() }.map(|canary| canary.place(&mut kernel, &hierarchy));
        if let Some(Err(error)) = placed {
            // Its first run says so, if it is still so then.
            tracing::debug!(%error, "the canary has no place yet");
        }
        kernel.attach()?;
        if let Some(error) = kernel.without_stand_in() {
            tracing::error!(%error, "this kernel may hold up the program that judges execs, and nothing stands in for it: some execs are not seen; is tracefs mounted at /sys/kernel/tracing?");
        }
        if let Some(error) = kernel.without_refusal() {
            tracing::info!(%error, "what is to be stopped is killed, as this kernel cannot be told to refuse it");
        }
        let is_inactive =
            || config.libraries == Libraries::Image && bpf_lsm_is_active() == Some(false);
        if let Some(error) = kernel.without_libraries() {
            tracing::error!(%error, "what programs load is not looked at (--libraries image), as this kernel cannot be told to ask");
        } else if is_inactive() {
            tracing::error!(
                "what programs load is not looked at (--libraries image), as BPF LSM is not active; add bpf to lsm= on the kernel's command line"
            );
        }
        let metrics = match config.metrics {
            Some(address) => Some(metrics::Server::listen(address).await?),
            None => None,
        };
        // Not before the programs are attached and a low port is open, and before
        // any thread is started.
        let confinement = confined();

        let (said, mut words) = replies();
        let cri = ask_cri(
            config.cri.clone(),
            &config.host_root,
            config.node_name.as_str(),
            said.clone(),
        );
        let engines = Engines::start(
            [
                (Engine::Docker, config.docker.clone()),
                (Engine::Podman, config.podman.clone()),
            ],
            &said,
        );
        let kube = match config.kube {
            true => {
                let kube = Kube::start(config.node_name.as_str(), None);
                Some(kube.map_err(StartError::Runtime)?)
            }
            false => None,
        };
        let news = kube.as_ref().map(Kube::news);
        let settings = Settings {
            facility: config.facility,
            pen: config.enterprise_number,
            ..Settings::new(std::process::id())
        };
        let spool = { config.spool_max_size.bytes() }.map(|bound| SpoolSettings {
            folder: config.state.join("spool"),
            bound,
        });
        let (inspector, inspections) =
            Inspector::start(Limits::default()).map_err(StartError::Runtime)?;

        let mut node = Self {
            boot: boot.trim().to_owned(),
            started: Instant::now(),
            hierarchy,
            files,
            cri,
            engines,
            kube,
            containers: Containers::default(),
            unnamed: HashMap::new(),
            took_in_processes: false,
            units: Units::default(),
            workloads: Workloads::default(),
            people: Folder::signed(&config.allowlists, keys),
            learned: Folder::new(config.state.join("learned")),
            decided: Folder::new(config.state.join("decided")),
            document_errors: Vec::new(),
            store: Beside::new(store),
            history: Beside::new(history),
            history_failed: None,
            allowances,
            store_told: Instant::now(),
            last_beat: Instant::now(),
            is_frozen: false,
            compared: Instant::now(),
            unpinned,
            journalling,
            waiting: HashMap::new(),
            inspecting: Inspecting::new(inspector),
            tracked: BTreeMap::new(),
            leaving: BTreeMap::new(),
            left: Heritage::new(written),
            in_charge_ns: match kernel.is_second() {
                true => u64::MAX,
                false => 0,
            },
            escapes_told: HashMap::new(),
            crash_loops: CrashLoops::default(),
            clock: WallClock::new(),
            health_told: health::Told::since(kernel.losses(), kernel.missed()),
            alerts: Alerts::new(
                Sinks::start(targets, config.node_name.as_str(), settings, spool.as_ref()),
                kernel.book()?,
                config.severities.of(Reason::Overflow),
                config.alert_burst,
            ),
            kernel,
            canary,
            confinement,
            config,
        };
        let committed = node.alerts.committed_before();
        let last = node.kernel.settle_left(committed)?;
        node.alerts.go_on_after(last);
        for kind in node.config.classes.off() {
            tracing::warn!(%kind, "nothing is asked of containers of this kind: their class is off");
        }
        node.read_documents();
        node.read_store()?;
        // What was due while there was no agent.
        node.end_allowances();
        node.take_in_cgroups();
        // What runs in them is learned with them; what is not said soon, later.
        node.hear_out(&mut words, PATIENCE).await;
        node.take_in_processes(None);
        node.took_in_processes = true;
        node.take_charge()?;
        node.note_alive(Timestamp::now());
        let heard = Heard {
            ring,
            inspections,
            words,
            kube: news,
            canary: canary_said,
            metrics,
        };
        Ok((node, heard))
    }

    fn read_documents(&mut self) {
        let people = self.people.reload();
        let learned = self.learned.reload();
        let decided = self.decided.reload();
        if people.missing {
            tracing::info!(folder = %self.people.path().display(), "there is no folder of allowlists yet; it is watched for");
        }
        self.take_errors([&people, &learned, &decided]);
    }

    /// Takes up the baselines that still learn. That there was no agent
    /// meanwhile is a part of what they know, unless its programs watched on.
    fn read_store(&mut self) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let loaded = self.store.get().load()?;
        let last_alive = self.store.get().last_alive()?;
        for mut baseline in loaded.baselines {
            let id = baseline.workload().clone();
            if baseline.state() != State::Learning {
                self.workloads.finished.insert(id, baseline);
                continue;
            }
            if let Some(from) = last_alive.filter(|_| !self.kernel.has_watched_on()) {
                baseline.note(Gap::AgentDown { from, to: now }, now);
            }
            self.workloads.dormant.insert(id, baseline);
        }
        for damaged in loaded.damaged {
            tracing::error!(problem = damaged.problem, "learning begins again");
            if let Some(id) = damaged.workload
                && self.config.mode.window().is_some()
            {
                let window = Window {
                    started: now,
                    ending: self.config.learning.ending(&id),
                };
                let mut baseline = Baseline::new(id.clone(), window);
                baseline.note(Gap::RecordLost, now);
                self.workloads.dormant.insert(id, baseline);
            }
        }
        Ok(())
    }

    /// Takes in every cgroup there is. The programs are attached already: what
    /// is made meanwhile is told twice and taken in once.
    pub(super) fn take_in_cgroups(&mut self) {
        match self.hierarchy.scan() {
            Ok(cgroups) => {
                for (cgroup, path) in &cgroups {
                    if !self.unnamed.contains_key(cgroup) {
                        self.cgroup_made(*cgroup, path, Since::BeforeTheAgent);
                    }
                }
            }
            Err(error) => tracing::error!(%error, "cannot look through the cgroups"),
        }
    }

    /// Records what ran before the agent, in one container or in all: a workload
    /// that learns has it, and its container as a gap.
    pub(super) fn take_in_processes(&mut self, of: Option<CgroupId>) {
        let mut cgroups = self.hierarchy.scan().unwrap_or_default();
        if of.is_some() {
            let container = |id| self.containers.lookup(id).map(|found| found.cgroup);
            cgroups.retain(|(id, _)| container(*id) == of);
        }
        let processes = match live_processes(&cgroups, self.hierarchy.namespace()) {
            Ok(processes) => processes,
            Err(error) => {
                tracing::error!(%error, "what runs already is not known");
                return;
            }
        };
        for process in &processes {
            self.take_in_process(process);
        }
    }

    fn take_in_process(&mut self, process: &LiveProcess) {
        let Some(container) = self.containers.lookup(process.cgroup).cloned() else {
            return;
        };
        let Some(workload) = container
            .workload()
            .and_then(|id| self.workloads.get_mut(id))
        else {
            return;
        };
        let Phase::Learning {
            baseline, dirty, ..
        } = &mut workload.phase
        else {
            return;
        };
        let Some(layer) = live_layer(process) else {
            tracing::warn!(
                pid = process.pid,
                exe = %process.exe.escaped(512),
                container = container.name.id.short(),
                "ran before the agent and cannot be placed in a layer; it is not learned"
            );
            return;
        };
        let role = match runs_multicall(process.pid) {
            true => Role::Applet(process.args.applet()),
            false => Role::Program,
        };
        let identity = Identity {
            file: process.exe.clone(),
            role,
            layer,
        };
        let outcome = baseline.observe(
            &identity,
            &Sighting {
                at: Timestamp::now(),
                execs: 0,
                container: &container.name.id,
                image: None,
                around: Around::default(),
                digest: None,
                code: None,
            },
        );
        *dirty = true;
        let slot = workload.slot;
        if matches!(outcome, Outcome::New | Outcome::Known) {
            let told = self
                .kernel
                .allow(slot, &permits::learned_as(baseline, &identity));
            self.told(told);
        }
    }
}

/// A container that lives for some milliseconds is named by files that go with
/// it: on a node with every core busy the agent would read them too late. It
/// needs little, but at once.
fn come_first() {
    const NICE: i32 = -10;

    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(
            %error,
            "cannot come before other processes (CAP_SYS_NICE); containers that live a moment may be reported by their ids alone"
        );
    }
}

/// Without them the agent works, for as long as it runs.
fn open_pins(folder: &Path) -> Result<Pins, PinError> {
    Pins::open(folder).inspect_err(|error| {
        tracing::warn!(
            %error,
            "nothing stays in the kernel when the agent ends: what runs until the next one is there is not seen, and not stopped"
        );
    })
}

/// What is not given up is a matter of the node's safety, not of what the agent
/// sees.
fn confined() -> Confinement {
    let confinement = confine();
    for problem in &confinement.problems {
        tracing::warn!(
            problem,
            "the agent keeps rights that it does not need; whoever takes it over has them too"
        );
    }
    tracing::info!(
        capabilities = confine::names(confinement.capabilities).join(" "),
        calls_are_filtered = confinement.calls_are_filtered,
        "gave up the rights that only the start needs"
    );
    confinement
}

/// The device of the root file system of the processes in a cgroup, in the
/// kernel's encoding.
pub fn root_dev(cgroup: &Path) -> Option<u32> {
    let pid = *processes_in(cgroup).first()?;
    let dev = std::fs::metadata(format!("/proc/{pid}/root/.")).ok()?.dev();
    // The kernel's own dev_t has 20 bits for the minor number.
    Some((rustix::fs::major(dev) << 20) | rustix::fs::minor(dev))
}
