//! What flags and the configuration file can both say: one struct, so that
//! every flag has a key of the same name.

use super::classes::{self, ClassChoice};
use super::learning::{self, LearnFor, Promotion};
use super::severities::{self, FacilityName, SeverityChoice};
use super::{
    AbsolutePath, AnnotationPolicy, DiskRoom, EngineSocket, GeneraliseAfter, LogFormat, LogLevel,
    ModeChoice, NodeName, PinFolder, SocketPath, Window, WindowOrOff,
};
use crate::allowlist::Action;
use crate::model::Libraries;
use clap::{Args, ValueHint};
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// What one source says, with everything optional: flags or file.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Learn: every workload learns for WINDOW, even beside a person's document;
    /// then what it learned is written and it is enforced
    ///
    /// WINDOW is a whole number and s, m, h or d. Until it ends, what is merely
    /// unlisted is not reported. Files written after the container started and
    /// files without a name are reported all the same, and never learned.
    #[arg(
        long,
        value_name = "WINDOW",
        num_args = 0..=1,
        default_missing_value = Window::DEFAULT,
        conflicts_with_all = ["enforce", "automatic"],
        help_heading = "Mode (default: automatic)"
    )]
    pub learn: Option<Window>,

    /// Enforce: every workload is held to its allowlist; one that has none is
    /// reported
    #[arg(
        long,
        conflicts_with = "automatic",
        help_heading = "Mode (default: automatic)"
    )]
    pub enforce: bool,

    /// Automatic: a workload with an allowlist is enforced; one without learns
    /// for WINDOW first
    #[arg(
        long,
        value_name = "WINDOW",
        num_args = 0..=1,
        default_missing_value = Window::DEFAULT,
        help_heading = "Mode (default: automatic)"
    )]
    pub automatic: Option<Window>,

    /// What a deviation leads to, where neither a document nor `execwarden promote`
    /// says [default: alert]
    ///
    /// alert: it is reported. block: it is also stopped before its first
    /// instruction; of a workload that has learned, only if nothing is known to be
    /// missing in that.
    #[arg(
        long,
        value_name = "ACTION",
        help_heading = "Mode (default: automatic)"
    )]
    pub action: Option<Action>,

    /// What programs of a workload that is blocked may load [default: any]
    ///
    /// any: the kernel is not asked. image: only files of the image, of a volume or of
    /// the host, and what the allowlist names, where BPF LSM is active.
    #[arg(
        long,
        value_name = "FILES",
        value_enum,
        help_heading = "Mode (default: automatic)"
    )]
    pub libraries: Option<Libraries>,

    /// A workload learns until nothing new was seen for so long [default: an eighth
    /// of WINDOW]
    #[arg(long, value_name = "TIME", help_heading = "Learning")]
    pub learn_quiet: Option<Window>,

    /// A workload learns until so many of its containers were seen from their
    /// start [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Learning")]
    pub learn_starts: Option<u32>,

    /// A workload learns for so long at the most, whatever was seen until then
    /// [default: three times WINDOW, or the quiet time if that is longer]
    #[arg(long, value_name = "TIME", help_heading = "Learning")]
    pub learn_max: Option<Window>,

    /// The same for workloads whose name fits a pattern; may be repeated
    ///
    /// KEY is window, quiet, starts or max: shop/*:window=1h,starts=3. Where more
    /// than one pattern fits, the longest counts.
    #[arg(long, value_name = "PATTERN:KEY=VALUE,…", help_heading = "Learning")]
    #[serde(deserialize_with = "learning::from_table")]
    pub learn_for: Vec<LearnFor>,

    /// What follows when a workload has learned [default: automatic]
    #[arg(long, value_name = "WHEN", value_enum, help_heading = "Learning")]
    pub promotion: Option<Promotion>,

    /// For how long what a new image runs is gathered, to be told at once; off: it
    /// is reported one by one [default: 10m]
    #[arg(long, value_name = "TIME", help_heading = "Learning")]
    pub probation: Option<WindowOrOff>,

    /// Folder of ProcessAllowlist documents, watched for changes
    /// [default: /etc/execwarden/allowlists]
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub allowlists: Option<AbsolutePath>,

    /// File of minisign's public keys, of which one has to have signed each document
    /// in that folder; may be repeated [default: none, nobody has to sign]
    ///
    /// The signature of web.yaml is beside it, in web.yaml.minisig: minisign -Sm
    /// web.yaml.
    #[arg(long, value_name = "FILE", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::FilePath)]
    pub allowlist_keys: Vec<AbsolutePath>,

    /// Folder for what was learned [default: /var/lib/execwarden]
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub state: Option<AbsolutePath>,

    /// Where alerts go; may be repeated [default: unix:/dev/log]
    ///
    /// One of unix:/dev/log, unix:/path, udp://host:port, tcp://host:port,
    /// tls://host:port, file:/path, journald:; behind a # which alerts, and how:
    /// 'tls://logs:6514#ca=/etc/ca.pem&severity=error&form=ecs'.
    #[arg(long, value_name = "URL", help_heading = "Alerts")]
    pub syslog: Vec<String>,

    /// Where alerts go as HTTP requests; may be repeated
    ///
    /// http://host:port/path or https://host:port/path. Who may see the command line
    /// sees the URL: one with a token belongs into the file.
    #[arg(long, value_name = "URL", help_heading = "Alerts")]
    pub webhook: Vec<String>,

    /// Under which syslog facility alerts go out [default: authpriv]
    #[arg(long, value_name = "NAME", help_heading = "Alerts")]
    pub facility: Option<FacilityName>,

    /// The enterprise number behind the @ of the structured data, for an organisation
    /// that has one of IANA's [default: 32473]
    #[arg(long, value_name = "NUMBER", help_heading = "Alerts")]
    pub enterprise_number: Option<NonZeroU32>,

    /// How urgent alerts are, by their reason; may be repeated: drift=critical
    ///
    /// SEVERITY is critical, error, warning or notice.
    #[arg(long, value_name = "REASON=SEVERITY", help_heading = "Alerts")]
    #[serde(deserialize_with = "severities::from_table")]
    pub severities: Vec<SeverityChoice>,

    /// Also print each alert as one JSON line on stdout
    #[arg(long, help_heading = "Alerts")]
    pub json: bool,

    /// How many records each workload may cause at once, and one more every two
    /// seconds; what is beyond is told in a sum [default: 100]
    #[arg(long, value_name = "NUMBER", help_heading = "Alerts")]
    pub alert_burst: Option<NonZeroU32>,

    /// How often a record says that the agent is there, with its counts; off: never
    /// [default: 1h]
    #[arg(long, value_name = "TIME", help_heading = "Alerts")]
    pub heartbeat: Option<WindowOrOff>,

    /// How often the agent executes something that nobody allowed, in a cgroup of its
    /// own, to see that it is told of; off: never [default: 1m]
    #[arg(long, value_name = "TIME")]
    pub canary: Option<WindowOrOff>,

    /// Folder of a BPF file system by which the programs stay in the kernel when the
    /// agent ends, and go on to judge and to stop; off: they end with it
    /// [default: /sys/fs/bpf/execwarden]
    #[arg(long, value_name = "DIR", value_parser = PinFolder::of_flag(), value_hint = ValueHint::DirPath)]
    pub pins: Option<PinFolder>,

    /// Whether alerts have the arguments of what ran, which may hold secrets
    /// [default: true]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = clap::value_parser!(bool),
        help_heading = "Alerts"
    )]
    pub alert_arguments: Option<bool>,

    /// Also treat systemd units, and what is outside containers, as workloads
    #[arg(long)]
    pub host: bool,

    /// Socket that `execwarden status` asks
    /// [default: /run/execwarden/control.sock]
    #[arg(long, value_name = "PATH", value_parser = SocketPath::of_flag(), value_hint = ValueHint::FilePath)]
    pub control: Option<SocketPath>,

    /// Address at which metrics and health are asked for over HTTP, such as
    /// 127.0.0.1:9797 [default: none]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,

    /// The node's name in alerts [default: NODE_NAME, else the host name]
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<NodeName>,

    /// The agent's own log: the least severe that is written [default: info]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,

    /// The agent's own log: how it is written to stderr [default: text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,

    /// Where the node's own root is, in a container of the agent's own: what
    /// runtimes leave below /run and /var/lib is looked for there [default: /]
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub host_root: Option<AbsolutePath>,

    /// Another folder in which runc keeps its containers' state; may be
    /// repeated
    #[arg(long, value_name = "DIR", value_parser = AbsolutePath::of_flag(), value_hint = ValueHint::DirPath)]
    pub runc_root: Vec<AbsolutePath>,

    /// Socket of the runtime that kubelet drives, for the names of pods
    /// [default: containerd's or CRI-O's, wherever one is]
    #[arg(long, value_name = "PATH", value_parser = SocketPath::of_flag(), value_hint = ValueHint::FilePath)]
    pub cri: Option<SocketPath>,

    /// Socket of docker, for the names of its containers; off: do not ask
    /// [default: /run/docker.sock, where it is]
    #[arg(long, value_name = "PATH", value_parser = EngineSocket::of_flag(), value_hint = ValueHint::FilePath)]
    pub docker: Option<EngineSocket>,

    /// Socket of podman, for the names of its containers; systemd starts
    /// podman's service for whoever asks there
    /// [default: off]
    #[arg(long, value_name = "PATH", value_parser = EngineSocket::of_flag(), value_hint = ValueHint::FilePath)]
    pub podman: Option<EngineSocket>,

    /// Also asks the API server about the pods of this node: their controllers,
    /// the kinds of their containers, their namespaces' annotations
    ///
    /// It is found as kubectl finds it (KUBECONFIG, ~/.kube/config), or as a
    /// program in a pod does. Only gets, lists and watches are sent.
    #[arg(long)]
    pub kube: bool,

    /// What is done with containers of one kind, and with what is put into one;
    /// may be repeated [default: init=learn, sidecar=learn, ephemeral=enforce,
    /// probe=learn, session=enforce]
    ///
    /// CLASS is init, sidecar or ephemeral (a debug container), probe (put in
    /// without a terminal) or session (put in at one); MODE is learn: as every
    /// other; enforce: never learned, and reported unless a person's allowlist has
    /// it; off, for containers: nothing is asked of it.
    #[arg(long, value_name = "CLASS=MODE")]
    #[serde(deserialize_with = "classes::from_table")]
    pub classes: Vec<ClassChoice>,

    /// What the annotations that a team sets on its pods may change [default:
    /// tighten]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub annotations: Option<AnnotationPolicy>,

    /// How many versions, dates, hashes or numbers must be seen in one place of
    /// a path before what is learned gets a * there; off: never [default: 3]
    #[arg(long, value_name = "NUMBER")]
    pub generalise_after: Option<GeneraliseAfter>,

    /// Room for the journal of what ran, such as 64MiB or 1GiB; off: none is
    /// kept [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub journal_max_size: Option<DiskRoom>,

    /// Room on disk for what a target of alerts does not have yet, such as 64MiB,
    /// for each; off: it waits in memory, and ends with the agent [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Alerts")]
    pub spool_max_size: Option<DiskRoom>,

    /// How long the journal keeps an hour, at most [default: 14d]
    #[arg(long, value_name = "TIME")]
    pub journal_max_age: Option<Window>,
}

impl Settings {
    /// The keys that each choose a mode, of which there may be one.
    pub(super) const MODE_KEYS: [&str; 3] = ["learn", "enforce", "automatic"];

    /// The mode, if one is chosen.
    pub(super) fn mode(&self) -> Option<ModeChoice> {
        let learn = self.learn.map(|window| ModeChoice::Learn {
            window: window.into(),
        });
        let automatic = self.automatic.map(|window| ModeChoice::Automatic {
            window: window.into(),
        });
        learn
            .or(self.enforce.then_some(ModeChoice::Enforce))
            .or(automatic)
    }
}
