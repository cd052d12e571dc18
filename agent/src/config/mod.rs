//! What the operator wants of the agent: flags over the configuration file
//! over defaults, checked once and then one [`Config`] without open questions.
//!
//! [`Settings`] is what both flags and file say, with everything optional;
//! [`mod@file`] reads the file; the rest of the program sees [`Config`] alone.
//! The manual is docs/CONFIGURATION.md; a test compares the two.

mod amounts;
mod classes;
pub mod file;
mod learning;
mod settings;
mod severities;
mod values;

#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;

pub use amounts::{DiskRoom, GeneraliseAfter};
pub use classes::{ClassMode, Classes};
pub use learning::{Learning, Promotion};
pub use settings::Settings;
pub use severities::{FacilityName, Severities, SeverityChoice};
pub use values::{
    AbsolutePath, AnnotationPolicy, EngineSocket, InvalidValue, LogFormat, LogLevel, NodeName,
    PinFolder, SocketPath, Window, WindowOrOff,
};

use crate::alert::Facility;
use crate::alert::rfc5424::DOCUMENTATION_PEN;
use crate::allowlist::Action;
use crate::learn::Ending;
use crate::model::Libraries;
use file::FileError;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a new image is on probation when nobody says otherwise.
const PROBATION: Duration = Duration::from_secs(600);
/// How often the agent says that it is there, likewise.
const HEARTBEAT: Duration = Duration::from_secs(3600);
/// How often the canary runs, likewise.
const CANARY: Duration = Duration::from_secs(60);

/// Where the configuration is read from when nobody names a file.
pub const DEFAULT_FILE: &str = "/etc/execwarden/config.toml";
/// Where the agent listens for `execwarden status` when nobody says otherwise.
pub const DEFAULT_CONTROL: &str = "/run/execwarden/control.sock";
/// Where runtimes' files are when nobody says otherwise.
pub const DEFAULT_HOST_ROOT: &str = "/";

/// Below which the programs are pinned when nobody says otherwise.
pub const DEFAULT_PINS: &str = "/sys/fs/bpf/execwarden";
const DEFAULT_ALLOWLISTS: &str = "/etc/execwarden/allowlists";
const DEFAULT_STATE: &str = "/var/lib/execwarden";
const DEFAULT_JOURNAL_AGE: Duration = Duration::from_secs(14 * 24 * 3600);
const DEFAULT_ALERT_BURST: u32 = 100;
const DEFAULT_SYSLOG: &str = "unix:/dev/log";

/// What the agent does with a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModeChoice {
    /// Every workload learns for `window`, whether it has an allowlist or not,
    /// and is then enforced.
    Learn {
        /// How long, from the workload's first container on.
        window: Duration,
    },
    /// Every workload is held to its allowlist.
    Enforce,
    /// A workload with an allowlist is enforced; one without learns for
    /// `window` and is then enforced.
    Automatic {
        /// How long, from the workload's first container on.
        window: Duration,
    },
}

impl ModeChoice {
    /// How long a workload learns; `None` where none does.
    pub fn window(self) -> Option<Duration> {
        match self {
            Self::Learn { window } | Self::Automatic { window } => Some(window),
            Self::Enforce => None,
        }
    }
}

/// Everything `execwarden run` needs to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// What is done with a workload.
    pub mode: ModeChoice,
    /// When learning ends, and what follows.
    pub learning: Learning,
    /// What a deviation leads to, where neither a document nor the operator says.
    pub action: Action,
    /// What programs of a workload that is blocked may load.
    pub libraries: Libraries,
    /// For how long a new image is on probation; `None` where none is.
    pub probation: Option<Duration>,
    /// The folder of documents that people write. Absolute.
    pub allowlists: PathBuf,
    /// Files of public keys that these have to be signed with; none: they need not
    /// be. Absolute.
    pub allowlist_keys: Vec<PathBuf>,
    /// The folder of what was learned. Absolute.
    pub state: PathBuf,
    /// Where alerts go: at least one URL, as typed.
    pub syslog: Vec<String>,
    /// Where they go as HTTP requests, as typed; may be none.
    pub webhook: Vec<String>,
    /// Whether alerts are also JSON lines on stdout.
    pub json: bool,
    /// Whether alerts have the arguments of what ran.
    pub alert_arguments: bool,
    /// Whether systemd units and the rest of the host are workloads.
    pub host: bool,
    /// The control socket. Absolute.
    pub control: PathBuf,
    /// Where metrics are asked for; `None` for nowhere.
    pub metrics: Option<SocketAddr>,
    /// The node's name in alerts.
    pub node_name: NodeName,
    /// The least severe of the agent's own log lines.
    pub log_level: LogLevel,
    /// How they are written.
    pub log_format: LogFormat,
    /// Below which the usual places of runtimes are. Absolute.
    pub host_root: PathBuf,
    /// More folders with runc's state, beyond the usual ones. Absolute.
    pub runc_roots: Vec<PathBuf>,
    /// The runtime's CRI socket; `None` for whichever is found. Absolute.
    pub cri: Option<PathBuf>,
    /// docker's socket, which may be missing; `None` if it is not asked.
    /// Absolute.
    pub docker: Option<PathBuf>,
    /// podman's socket, likewise.
    pub podman: Option<PathBuf>,
    /// Whether the API server is asked.
    pub kube: bool,
    /// What is done with containers by their kind.
    pub classes: Classes,
    /// What a team's annotations may change.
    pub annotations: AnnotationPolicy,
    /// When what was learned gets a `*`.
    pub generalise_after: GeneraliseAfter,
    /// How much room the journal has.
    pub journal_max_size: DiskRoom,
    /// How long it keeps an hour.
    pub journal_max_age: Duration,
    /// Under which facility alerts go out.
    pub facility: Facility,
    /// The enterprise number of their structured data.
    pub enterprise_number: u32,
    /// How urgent they are.
    pub severities: Severities,
    /// How often a record says that the agent is there; `None`: never.
    pub heartbeat: Option<Duration>,
    /// How often the canary runs; `None`: never.
    pub canary: Option<Duration>,
    /// The folder of a BPF file system by which the programs stay in the kernel when
    /// the agent ends; `None`: they do not. Absolute.
    pub pins: Option<PathBuf>,
    /// How many records each workload may cause at once.
    pub alert_burst: u32,
    /// How much room there is for what a target of alerts does not have yet.
    pub spool_max_size: DiskRoom,
}

/// What the machine says where the operator says nothing.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `NODE_NAME`, which a DaemonSet sets from `spec.nodeName`.
    pub node_name: Option<String>,
    /// The kernel's host name.
    pub hostname: String,
}

impl Environment {
    /// Of this process.
    pub fn of_this_process() -> Self {
        Self {
            node_name: std::env::var("NODE_NAME").ok(),
            hostname: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        }
    }
}

/// Why there is no valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// When learning is to end.
    #[error("{0}")]
    Learning(InvalidValue),
    /// Keys that whoever may write documents could replace.
    #[error("allowlist-keys: {} is in the folder of allowlists, where whoever may write a document could put another key in its place; keep it elsewhere", .0.display())]
    KeyAmongAllowlists(PathBuf),
    /// The environment variable.
    #[error("the environment variable NODE_NAME is refused: {0}")]
    NodeNameVariable(InvalidValue),
    /// The kernel's host name, which nobody overrode.
    #[error("this machine's host name cannot be the node's name: {0}; give one with --node-name")]
    Hostname(InvalidValue),
}

impl Config {
    /// Reads `file` (or [`DEFAULT_FILE`], which may be missing) and lays
    /// `flags` over it.
    pub fn load(flags: Settings, file: Option<&Path>) -> Result<Self, ConfigError> {
        let from_file = match file {
            Some(named) => file::read(named)?,
            None => file::read_if_there(Path::new(DEFAULT_FILE))?,
        };
        Self::resolve(flags, from_file, &Environment::of_this_process())
    }

    /// One value per question: the flag's, else the file's, else the default.
    /// A list from flags replaces the file's list; a switch is on if either
    /// turns it on; a mode from flags replaces the file's, window and all.
    pub fn resolve(
        flags: Settings,
        file: Settings,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mode = flags.mode().or(file.mode());
        let mode = mode.unwrap_or(ModeChoice::Automatic {
            window: Window::default().into(),
        });
        let starts = flags.learn_starts.or(file.learn_starts);
        let usual = learning::Terms {
            window: mode.window().map(Window::from),
            quiet: flags.learn_quiet.or(file.learn_quiet),
            starts: Some(starts.unwrap_or(Ending::STARTS)),
            max: flags.learn_max.or(file.learn_max),
        };
        let some = first_filled([flags.learn_for, file.learn_for]).unwrap_or_default();
        let promotion = flags.promotion.or(file.promotion).unwrap_or_default();
        let node_name = match flags.node_name {
            Some(name) => name,
            None => inherited_node_name(file.node_name, environment)?,
        };
        let host_root = path(flags.host_root.or(file.host_root), DEFAULT_HOST_ROOT);
        let allowlists = path(flags.allowlists.or(file.allowlists), DEFAULT_ALLOWLISTS);
        let allowlist_keys = paths([flags.allowlist_keys, file.allowlist_keys]);
        let mut keys = allowlist_keys.iter();
        if let Some(among) = keys.find(|key| key.starts_with(&allowlists)) {
            return Err(ConfigError::KeyAmongAllowlists(among.clone()));
        }
        Ok(Self {
            mode,
            learning: Learning::new(usual, some, promotion).map_err(ConfigError::Learning)?,
            action: flags.action.or(file.action).unwrap_or_default(),
            libraries: flags.libraries.or(file.libraries).unwrap_or_default(),
            probation: length(flags.probation.or(file.probation), PROBATION),
            allowlists,
            allowlist_keys,
            state: path(flags.state.or(file.state), DEFAULT_STATE),
            syslog: first_filled([flags.syslog, file.syslog])
                .unwrap_or_else(|| vec![DEFAULT_SYSLOG.to_owned()]),
            webhook: first_filled([flags.webhook, file.webhook]).unwrap_or_default(),
            json: flags.json || file.json,
            alert_arguments: flags
                .alert_arguments
                .or(file.alert_arguments)
                .unwrap_or(true),
            host: flags.host || file.host,
            control: flags
                .control
                .or(file.control)
                .map_or_else(|| DEFAULT_CONTROL.into(), PathBuf::from),
            metrics: flags.metrics.or(file.metrics),
            node_name,
            log_level: flags.log_level.or(file.log_level).unwrap_or_default(),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            runc_roots: paths([flags.runc_root, file.runc_root]),
            cri: flags.cri.or(file.cri).map(PathBuf::from),
            docker: match flags.docker.or(file.docker) {
                Some(chosen) => chosen.into(),
                None => Some(usual_docker(&host_root)),
            },
            podman: flags.podman.or(file.podman).and_then(Into::into),
            host_root,
            kube: flags.kube || file.kube,
            classes: Classes::default().with(&file.classes).with(&flags.classes),
            annotations: flags.annotations.or(file.annotations).unwrap_or_default(),
            generalise_after: flags
                .generalise_after
                .or(file.generalise_after)
                .unwrap_or_default(),
            journal_max_size: flags
                .journal_max_size
                .or(file.journal_max_size)
                .unwrap_or_default(),
            journal_max_age: flags
                .journal_max_age
                .or(file.journal_max_age)
                .map_or(DEFAULT_JOURNAL_AGE, Duration::from),
            facility: flags
                .facility
                .or(file.facility)
                .map_or_else(Facility::default, Facility::from),
            enterprise_number: flags
                .enterprise_number
                .or(file.enterprise_number)
                .map_or(DOCUMENTATION_PEN, NonZeroU32::get),
            severities: Severities::default()
                .with(&file.severities)
                .with(&flags.severities),
            heartbeat: length(flags.heartbeat.or(file.heartbeat), HEARTBEAT),
            canary: length(flags.canary.or(file.canary), CANARY),
            pins: { flags.pins.or(file.pins) }
                .map_or_else(|| Some(DEFAULT_PINS.into()), Option::from),
            alert_burst: flags
                .alert_burst
                .or(file.alert_burst)
                .map_or(DEFAULT_ALERT_BURST, NonZeroU32::get),
            spool_max_size: flags
                .spool_max_size
                .or(file.spool_max_size)
                .unwrap_or_default(),
        })
    }
}

/// The variable stands above the file: a DaemonSet's nodes share one file.
fn inherited_node_name(
    file: Option<NodeName>,
    environment: &Environment,
) -> Result<NodeName, ConfigError> {
    if let Some(name) = &environment.node_name {
        return name.parse().map_err(ConfigError::NodeNameVariable);
    }
    match file {
        Some(name) => Ok(name),
        None => environment.hostname.parse().map_err(ConfigError::Hostname),
    }
}

fn path(chosen: Option<AbsolutePath>, default: &str) -> PathBuf {
    chosen.map_or_else(|| default.into(), PathBuf::from)
}

/// docker's socket where nobody says otherwise. Whether a container of docker's
/// runs or not, dockerd does. podman's is usually held by systemd, which starts a
/// service for each question: it is asked where an operator wants that.
pub fn usual_docker(host_root: &Path) -> PathBuf {
    host_root.join("run/docker.sock")
}

/// For how long, or how often, if not never.
fn length(said: Option<WindowOrOff>, default: Duration) -> Option<Duration> {
    said.map_or(Some(default), WindowOrOff::length)
}

fn paths(lists: [Vec<AbsolutePath>; 2]) -> Vec<PathBuf> {
    let chosen = first_filled(lists).unwrap_or_default();
    chosen.into_iter().map(PathBuf::from).collect()
}

fn first_filled<T>(lists: [Vec<T>; 2]) -> Option<Vec<T>> {
    lists.into_iter().find(|list| !list.is_empty())
}
