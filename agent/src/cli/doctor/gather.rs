//! Asks the node. What cannot be found out is a fact as well.

use super::places::Asked;
use super::receivers::{Agent, Reach, Receiver, Running};
use super::{Facts, kernel, places, receivers, rights};
use crate::alert::{Place, Target, TargetError, try_open};
use crate::allowlist::Keyring;
use crate::cli::args::DoctorArguments;
use crate::config::{Config, DEFAULT_CONTROL, DEFAULT_HOST_ROOT, NodeName, Settings, usual_docker};
use crate::confine::confine;
use crate::containers::{
    AskError, Engine, Hierarchy, KubeError, RuntimeFiles, try_cri, try_engine, try_kube,
    usual_socket,
};
use crate::control::client::{self, ClientError};
use crate::control::protocol::{Answer, Request};
use crate::control::status::Status;
use crate::kernel::{Sizes, bpf_lsm_is_active, is_in_bpf_fs, try_layouts, try_programs};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The inode of the host's pid namespace: `PROC_PID_INIT_INO` of
/// linux/proc_ns.h, the same on every kernel.
const HOST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Where runtimes and their files are looked for.
struct LookedFor {
    host_root: PathBuf,
    runc_roots: Vec<PathBuf>,
    cri: Option<PathBuf>,
    docker: Option<PathBuf>,
    podman: Option<PathBuf>,
    /// As which node the API server is asked, if it is.
    api_server_as: Option<NodeName>,
}

/// Everything, with the configuration that these arguments lead to.
pub(super) fn facts(arguments: DoctorArguments) -> Facts {
    let (kernel, rights) = (of_kernel(), of_rights());
    // What follows is tried with the rights of an agent that has started: what is
    // closed to it, a receiver's file or socket, has to be closed here.
    let confinement = confine();
    let control = arguments.control.clone().map(PathBuf::from);
    let host_root = arguments.host_root.clone().map(PathBuf::from);
    let cri = arguments.cri.clone().map(PathBuf::from);
    let docker = arguments.docker.clone().and_then(Into::into);
    let podman = arguments.podman.clone().and_then(Into::into);
    let runc_roots = arguments.runc_root.clone().into_iter();
    let settings = Settings {
        syslog: arguments.syslog,
        webhook: arguments.webhook,
        control: arguments.control,
        host_root: arguments.host_root,
        runc_root: arguments.runc_root,
        cri: arguments.cri,
        docker: arguments.docker,
        podman: arguments.podman,
        kube: arguments.kube,
        ..Settings::default()
    };
    let config = Config::load(settings, arguments.config.as_deref());
    let config = { config.map_err(|error| error.to_string()) }.and_then(with_its_keys);

    // Without a valid configuration, what the flags say still holds.
    let (configuration, receivers, control, looked_for) = match config {
        Ok(config) => (
            Ok(()),
            try_receivers(&config),
            config.control,
            LookedFor {
                host_root: config.host_root,
                runc_roots: config.runc_roots,
                cri: config.cri,
                docker: config.docker,
                podman: config.podman,
                api_server_as: config.kube.then_some(config.node_name),
            },
        ),
        Err(error) => (
            Err(error),
            Vec::new(),
            control.unwrap_or_else(|| DEFAULT_CONTROL.into()),
            LookedFor {
                host_root: host_root.unwrap_or_else(|| DEFAULT_HOST_ROOT.into()),
                runc_roots: runc_roots.map(PathBuf::from).collect(),
                cri,
                docker,
                podman,
                api_server_as: None,
            },
        ),
    };
    Facts {
        kernel,
        rights,
        confinement,
        places: of_places(looked_for),
        receivers: receivers::Facts {
            configuration,
            receivers,
            agent: agent(&control),
        },
    }
}

/// The configuration, if the keys that it names can be read.
fn with_its_keys(config: Config) -> Result<Config, String> {
    match Keyring::open(&config.allowlist_keys) {
        Ok(_) => Ok(config),
        Err(error) => Err(format!("allowlist-keys: {error}")),
    }
}

fn of_kernel() -> kernel::Facts {
    kernel::Facts {
        release: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        types: try_layouts().map_err(|error| error.to_string()),
        programs: try_programs(Sizes::default()).map_err(|error| error.to_string()),
        lsm_is_active: bpf_lsm_is_active(),
        bpffs: is_in_bpf_fs(Path::new("/sys/fs/bpf")),
    }
}

fn of_rights() -> rights::Facts {
    rights::Facts {
        root: rustix::process::geteuid().is_root(),
        host_pids: fs::metadata("/proc/self/ns/pid")
            .map(|namespace| namespace.ino() == HOST_PID_NAMESPACE)
            .map_err(|error| format!("/proc/self/ns/pid: {error}")),
        capabilities: rustix::thread::capabilities(None)
            .map(|sets| sets.effective)
            .map_err(|error| error.to_string()),
    }
}

fn of_places(looked_for: LookedFor) -> places::Facts {
    let LookedFor {
        host_root,
        runc_roots,
        cri,
        docker,
        podman,
        api_server_as,
    } = looked_for;
    let usual_docker = usual_docker(&host_root);
    let files = runc_roots
        .iter()
        .fold(RuntimeFiles::new(&host_root), |files, root| {
            files.with_runc_root(root)
        });
    let (folders, closed) = readable(files.folders());
    places::Facts {
        cgroup: Hierarchy::of_this_node().map(|hierarchy| {
            let placement = hierarchy.placement(&files);
            (hierarchy.mount_point().to_owned(), placement)
        }),
        folders,
        closed,
        cri: cri.or_else(|| usual_socket(&host_root)).map(|socket| {
            let answer = ask_runtime(try_cri(&socket));
            (socket, answer)
        }),
        engines: [
            (
                Engine::Docker,
                // Nobody named it.
                match docker {
                    Some(socket) if socket == usual_docker && !socket.exists() => Asked::NotThere,
                    socket => of_engine(Engine::Docker, socket),
                },
            ),
            (Engine::Podman, of_engine(Engine::Podman, podman)),
        ],
        kube: api_server_as.map(|node| ask_api_server(node.as_str())),
    }
}

fn of_engine(engine: Engine, socket: Option<PathBuf>) -> Asked {
    match socket {
        None => Asked::Off,
        Some(socket) => {
            let answer = ask_runtime(try_engine(engine, &socket));
            Asked::At(socket, answer)
        }
    }
}

fn ask_runtime(question: impl Future<Output = Result<(), AskError>>) -> Result<(), AskError> {
    match io_runtime() {
        Ok(runtime) => runtime.block_on(question),
        Err(error) => Err(AskError::Unreachable(error.to_string())),
    }
}

fn ask_api_server(node: &str) -> Result<String, KubeError> {
    match io_runtime() {
        Ok(runtime) => runtime.block_on(try_kube(node, None)),
        Err(error) => Err(KubeError::Unreachable(error.to_string())),
    }
}

fn io_runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The folders that can be read, and those that are there and cannot.
fn readable(folders: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut found = (Vec::new(), Vec::new());
    for folder in folders {
        match fs::read_dir(&folder) {
            Ok(_) => found.0.push(folder),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found.1.push(folder),
            Err(_) => {}
        }
    }
    found
}

/// Every receiver, all tried at once.
fn try_receivers(config: &Config) -> Vec<Receiver> {
    let syslog = { config.syslog.iter() }.map(|url| match url.parse::<Target>() {
        Ok(target) => (url.clone(), Ok(target)),
        Err(error) => match &error {
            TargetError::ForWebhook(shown) => (shown.clone(), Err(error.to_string())),
            _ => (url.clone(), Err(error.to_string())),
        },
    });
    let webhooks = { config.webhook.iter() }.map(|url| match Target::webhook(url) {
        Ok(target) => (target.to_string(), Ok(target)),
        // It may hold a token, and is in the error as far as it may be shown.
        Err(error) => (receivers::WEBHOOK.to_owned(), Err(error.to_string())),
    });
    let (names, targets): (Vec<_>, Vec<_>) = syslog.chain(webhooks).unzip();
    let reaches = match io_runtime() {
        Ok(runtime) => {
            let reaches = runtime.block_on(reach_all(targets));
            // A name that is still being resolved blocks a thread.
            runtime.shutdown_background();
            reaches
        }
        Err(error) => vec![Reach::Unreachable(error.to_string()); names.len()],
    };
    let stdout = config.json.then(|| Receiver {
        target: Target::stdout().to_string(),
        reach: Reach::Open,
    });
    { names.into_iter().zip(reaches) }
        .map(|(target, reach)| Receiver { target, reach })
        .chain(stdout)
        .collect()
}

async fn reach_all(targets: Vec<Result<Target, String>>) -> Vec<Reach> {
    let tasks: Vec<_> = targets.into_iter().map(reach).map(tokio::spawn).collect();
    let mut reaches = Vec::new();
    for task in tasks {
        let reach = task.await;
        reaches.push(reach.unwrap_or_else(|error| Reach::Unreachable(error.to_string())));
    }
    reaches
}

async fn reach(target: Result<Target, String>) -> Reach {
    let target = match target {
        Ok(target) => target,
        Err(error) => return Reach::Malformed(error),
    };
    match (try_open(&target).await, target.place()) {
        (Ok(()), Place::Udp(_)) => Reach::UdpUntold,
        (Ok(()), _) => Reach::Open,
        (Err(error), _) => Reach::Unreachable(error.to_string()),
    }
}

fn agent(control: &Path) -> Agent {
    match client::ask(control, &Request::Status) {
        Ok(Answer::Status(status)) => Agent::Running(running(&status)),
        Ok(_) => Agent::Silent(client::unexpected(control).to_string()),
        Err(ClientError::NoAgent { path }) => Agent::None { socket: path },
        Err(error) => Agent::Silent(error.to_string()),
    }
}

fn running(status: &Status) -> Running {
    let last = status
        .sinks
        .iter()
        .filter_map(|sink| Some((sink.target.clone(), sink.since_sent_s?)))
        .min_by_key(|(_, since)| *since)
        .map(|(target, since)| (target, Duration::from_secs(since)));
    Running {
        pid: status.agent.pid,
        version: status.agent.version.clone(),
        uptime: Duration::from_secs(status.agent.uptime_s),
        last,
        waiting: status.sinks.iter().map(|sink| sink.queued).sum(),
        lost: status.sinks.iter().map(|sink| sink.lost).sum(),
    }
}
