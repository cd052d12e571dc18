//! The running agent: one task that owns all state and ties the parts
//! together.
//!
//! - [`start`]: everything is opened, checked and attached; what runs already
//!   is taken in
//! - [`naming`]: cgroups come and go, and get their names
//! - [`api_word`]: the API server's word on a container
//! - [`settling`]: a cgroup with a name → its workload and slot
//! - [`inspecting`]: what the kernel saw, while its files are read
//! - [`execs`]: what the kernel saw → judge → learned, known, or a deviation;
//!   [`sighted`]: as a baseline takes it in
//! - [`deviations`]: a deviation → its record
//! - [`counting`]: what comes again, for as long as the kernel's map has it
//! - [`journalling`]: what ran, hour by hour
//! - [`mod@left`]: what an earlier agent's programs saw, and nobody was told of
//! - [`health`]: what the kernel could not do, and whether its counts add up
//! - [`tampering`]: whether its rules are still the agent's
//! - [`canary`]: whether the agent's own exec is seen and told of
//! - [`entries`]: what stands behind each entry
//! - [`extending`]: a person lets a workload learn on
//! - [`learning`]: windows end, baselines are saved, documents are written
//! - [`probation`]: a new image of what has learned
//! - [`states`]: the state of each workload, and its changes
//! - [`past`]: the history of alerts and decisions
//! - [`beside`]: files that are written beside the one task
//! - [`policy`]: documents change → slots and maps change
//! - [`reloading`], [`editing`]: documents are read again, and edited
//! - [`terms`]: whose word holds for a workload (pure)
//! - [`permits`]: what the kernel is told of a policy (pure)
//! - [`workloads`]: who has a slot and what is done with it (pure); [`units`]: which
//!   cgroups are a unit's
//! - [`alerts`]: records, their numbers and sums
//! - [`remedy`]: what would allow a deviation (pure)
//! - [`allowances`]: who may run anything for a time
//! - [`decisions`]: what people decide over the control socket
//! - [`operations`], [`promote`]: the single commands of theirs
//! - [`who`]: who that is
//! - [`tally`]: deviations by namespace and reason (pure)
//! - [`documents`]: a baseline as a document (pure)
//! - [`answers`]: what the control socket asks; [`rows`], [`listing`]: of each
//!   workload, of each allowlist
//! - [`clock`]: kernel times as times of day
//!
//! The kernel decides and remembers; everything here may be late. Whatever the
//! ring did not deliver is found in the maps at the next tick.

mod alerts;
mod allowances;
mod answers;
mod api_word;
mod beats;
mod beside;
mod blocking;
mod canary;
mod clock;
mod counting;
mod crash_loops;
mod decisions;
mod deviations;
mod documents;
mod editing;
mod entries;
mod execs;
mod extending;
mod health;
mod inspecting;
mod journalling;
mod learning;
mod left;
mod listing;
mod naming;
mod operations;
mod past;
mod permits;
mod policy;
mod probation;
mod promote;
mod promotion;
mod reloading;
mod remedy;
mod rows;
mod settling;
mod sighted;
mod start;
mod states;
mod tally;
mod tampering;
mod targets;
mod terms;
mod units;
mod who;
mod workloads;

pub use start::StartError;

use crate::allowlist::{Folder, FolderWatch};
use crate::canary::Word;
use crate::config::Config;
use crate::confine::Confinement;
use crate::containers::{
    Asker, Containers, Engines, Hierarchy, Kube, KubeNews, Reply, RuntimeFiles,
};
use crate::control::server::{Call, Server};
use crate::control::systemd;
use crate::inspect::Answer;
use crate::kernel::{AsyncRing, Kernel};
use crate::metrics;
use crate::model::CgroupId;
use crate::store::Store;
use agent_common::wire::SeenKey;
use alerts::Alerts;
use allowances::Allowances;
use beside::Beside;
use canary::Canary;
use clock::WallClock;
use counting::{Leaving, Tracked};
use crash_loops::CrashLoops;
use execs::Waiting;
use inspecting::Inspecting;
use jiff::Timestamp;
use journalling::Journalling;
use learning::Saved;
use left::Heritage;
use naming::Unnamed;
use past::Past;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use units::Units;
use workloads::Workloads;

/// How often the maps are looked through.
const TICK: Duration = Duration::from_secs(1);
/// How many ring records are taken before anything else gets its turn.
const BURST: usize = 256;
/// How long the sinks get to write what waits when the agent ends: it is to be
/// gone within a second, or three if a runtime keeps it waiting for a name.
const DRAIN: Duration = Duration::from_millis(600);

/// All state of the running agent.
struct Node {
    config: Config,
    boot: String,
    started: Instant,
    kernel: Kernel,
    /// What was given up at the start.
    confinement: Confinement,
    hierarchy: Hierarchy,
    files: RuntimeFiles,
    cri: Asker,
    engines: Engines,
    kube: Option<Kube>,
    containers: Containers,
    /// Cgroups whose runtime has not told what they are.
    unnamed: HashMap<CgroupId, Unnamed>,
    /// Whether the processes that ran before the agent were looked through.
    took_in_processes: bool,
    /// Cgroups outside containers, with `--host`.
    units: Units,
    workloads: Workloads,
    /// The documents that people wrote.
    people: Folder,
    /// The documents that the agent wrote.
    learned: Folder,
    /// The documents of what people decided on the running agent.
    decided: Folder,
    document_errors: Vec<String>,
    store: Beside<Store, Saved>,
    history: Past,
    /// When the history could not be written, if it could not the last time.
    history_failed: Option<Instant>,
    allowances: Allowances,
    store_told: Instant,
    last_beat: Instant,
    /// Whether somebody has frozen one of the kernel's maps.
    is_frozen: bool,
    /// When the kernel's rules were last compared.
    compared: Instant,
    /// Why nothing is pinned that is to be, if nothing is.
    unpinned: Option<String>,
    /// `None` where no journal is kept.
    journalling: Option<Journalling>,
    /// Execs of cgroups that have no name yet.
    waiting: HashMap<CgroupId, Vec<Waiting>>,
    /// Execs whose files are being read.
    inspecting: Inspecting,
    /// Execs that were judged and are still in the kernel's map.
    /// By container first, so that all of one are found together.
    tracked: BTreeMap<SeenKey, Tracked>,
    /// Those that were let go, and are not told of for good.
    leaving: BTreeMap<SeenKey, Leaving>,
    /// What an earlier agent has left.
    left: Heritage,
    /// Since when this agent's programs judge, by the monotonic clock: 0 if there
    /// were no others, and the end of time while others do.
    in_charge_ns: u64,
    escapes_told: HashMap<(CgroupId, CgroupId), u64>,
    crash_loops: CrashLoops,
    clock: WallClock,
    health_told: health::Told,
    alerts: Alerts,
    /// `None` where it is off.
    canary: Option<Canary>,
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// Everything that keeps it from starting, one sentence each.
pub fn run(config: Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let result = runtime.block_on(async {
        let (node, heard) = Node::start(config).await?;
        node.serve(heard).await
    });
    // A name that is being resolved must not hold the end up.
    runtime.shutdown_background();
    result
}

/// Who tells the node something.
struct Heard {
    ring: AsyncRing,
    inspections: mpsc::Receiver<Answer>,
    words: mpsc::Receiver<Reply>,
    kube: Option<KubeNews>,
    canary: mpsc::Receiver<Word>,
    /// Who asks for metrics; listening already.
    metrics: Option<metrics::Server>,
}

/// Waits until the API server, if it is asked, has said something new.
async fn news(kube: Option<&KubeNews>) {
    match kube {
        Some(news) => news.changed().await,
        None => std::future::pending().await,
    }
}

impl Node {
    /// Works until SIGTERM or SIGINT.
    async fn serve(mut self, heard: Heard) -> Result<(), StartError> {
        let Heard {
            mut ring,
            mut inspections,
            mut words,
            kube,
            mut canary,
            metrics,
        } = heard;
        let server = Server::listen(&self.config.control)?;
        let (calls, mut called) = mpsc::channel::<Call>(16);
        let metrics = metrics.map(|server| tokio::spawn(server.serve(calls.clone())));
        let server = tokio::spawn(server.serve(calls));
        let mut documents = FolderWatch::new(&self.config.allowlists)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Runtime)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(StartError::Runtime)?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let watchdog_interval = systemd::watchdog_interval();
        let mut watchdog = tokio::time::interval(watchdog_interval.unwrap_or(TICK));
        systemd::ready();
        tracing::info!(
            node = self.config.node_name.as_str(),
            workloads = self.workloads.iter().count(),
            "watching"
        );

        loop {
            let next_name = self.next_name();
            tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                events = ring.take(BURST) => {
                    for event in events.map_err(StartError::Ring)? {
                        match event {
                            Ok(event) => self.on_event(event),
                            Err(error) => tracing::error!(%error, "refused a record of the kernel"),
                        }
                    }
                }
                Some(answer) = inspections.recv() => self.inspected(answer),
                Some(reply) = words.recv() => self.runtime_replied(reply),
                () = news(kube.as_ref()) => self.api_spoke(),
                Some(word) = canary.recv() => self.canary_said(word),
                () = tokio::time::sleep_until(next_name.into()) => self.name_again(),
                _ = tick.tick() => self.tick(),
                Some(call) = called.recv() => {
                    let response = self.answer(call.request, call.peer);
                    // Nobody waits any more: nobody misses it.
                    let _ = call.reply.send(response);
                }
                () = documents.changed() => self.reload(None),
                _ = hangup.recv() => self.reload(None),
                _ = watchdog.tick(), if watchdog_interval.is_some() => systemd::alive(),
            }
        }

        systemd::stopping();
        tracing::info!("stopping");
        server.abort();
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        self.take_newborns();
        self.hear_out(&mut words, naming::LAST_WORD).await;
        // The last of the ring and the maps, while the programs still run.
        while let Ok(Ok(events)) = tokio::time::timeout(Duration::ZERO, ring.take(BURST)).await {
            if events.is_empty() {
                break;
            }
            for event in events.into_iter().flatten() {
                self.on_event(event);
            }
        }
        self.take_newborns();
        self.take_in_all_left();
        self.settle_counts();
        self.name_the_rest();
        self.judge_all_uninspected();
        self.settle_counts();
        self.judge_all_uninspected();
        self.save_now();
        self.save_history_now();
        self.write_journal_now();
        self.note_alive(Timestamp::now());
        self.see_what_was_saved();
        self.end_canary().await;
        self.alerts.finish(Instant::now() + DRAIN).await;
        // Its folder and file go with the server's task.
        let _ = server.await;
        Ok(())
    }

    /// What is done once a second.
    fn tick(&mut self) {
        self.take_newborns();
        self.take_in_left();
        self.settle_counts();
        self.judge_the_late();
        self.check_health();
        self.compare_rules();
        #[cfg(debug_assertions)]
        self.kernel.pass_on_diagnostics();
        self.drain_containers();
        self.follow_the_clock();
        self.end_windows();
        self.end_probations();
        self.tell_states();
        self.end_allowances();
        // Not before the journal has what ran until then.
        if self.store_told.elapsed() >= learning::ALIVE
            && !self.store.is_busy()
            && let Some(whole) = self.write_journal()
        {
            self.note_alive(whole);
        }
        self.save();
        self.save_history();
        self.tick_journal();
        self.alerts.tick();
        self.tend_canary();
        self.look_for_deliveries();
        self.beat();
    }
}
