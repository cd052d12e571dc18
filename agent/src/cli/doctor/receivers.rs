//! Where alerts would go, and where the last one went.

use super::finding::Finding;
use crate::model::format_duration;
use std::path::PathBuf;
use std::time::Duration;

/// What was found of configuration, receivers and agent.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Whether the agent can take its configuration, or why not.
    pub(super) configuration: Result<(), String>,
    /// Every receiver; none where the configuration does not name them.
    pub(super) receivers: Vec<Receiver>,
    /// The running agent.
    pub(super) agent: Agent,
}

/// One place that alerts would go to.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// Its URL, as typed; `stdout` for standard output.
    pub(super) target: String,
    pub(super) reach: Reach,
}

/// How far a receiver can be told to be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Somebody listens.
    Open,
    /// It has an address and a route; UDP tells no more.
    UdpUntold,
    /// It cannot be opened.
    Unreachable(String),
    /// It is no URL that the agent takes.
    Malformed(String),
}

/// The agent that was asked.
#[derive(Clone, Debug)]
pub(super) enum Agent {
    /// Nobody listens on its socket.
    None {
        /// The socket.
        socket: PathBuf,
    },
    /// It could not be asked.
    Silent(String),
    /// It answered.
    Running(Running),
}

/// What a running agent said of its alerts.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) version: String,
    pub(super) uptime: Duration,
    /// The last record that went out: to which receiver, and how long ago.
    pub(super) last: Option<(String, Duration)>,
    /// Records that wait, all receivers together.
    pub(super) waiting: u64,
    /// Records that were given up, all receivers together.
    pub(super) lost: u64,
}

/// A webhook whose URL is not understood: what of it may be shown is in the error.
pub(super) const WEBHOOK: &str = "webhook";

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![configuration(&facts.configuration)];
    // Where one is open, another that is not costs its own records alone.
    let is_heard = facts.receivers.iter().any(Receiver::takes_records);
    findings.extend(facts.receivers.iter().map(|one| receiver(one, is_heard)));
    findings.extend(agent(&facts.agent));
    findings
}

impl Receiver {
    fn takes_records(&self) -> bool {
        matches!(self.reach, Reach::Open | Reach::UdpUntold)
    }
}

fn configuration(configuration: &Result<(), String>) -> Finding {
    let name = "configuration";
    let cost = "the agent does not start";
    match configuration {
        Ok(()) => Finding::ok(name, "valid", cost),
        Err(problem) => Finding::missing(
            name,
            problem,
            format!("{cost}, and its receivers are not looked at here"),
            "correct what is named",
        ),
    }
}

fn receiver(receiver: &Receiver, is_heard: bool) -> Finding {
    let name = match receiver.target.as_str() {
        name @ ("stdout" | WEBHOOK) => name.to_owned(),
        url if url.starts_with("http") => format!("{WEBHOOK} {url}"),
        url => format!("syslog {url}"),
    };
    let cost = "alerts for it wait in memory, 4096 at most; then the oldest are lost";
    match &receiver.reach {
        Reach::Open => Finding::ok(name, "open", cost),
        Reach::UdpUntold => Finding::ok(
            name,
            "has an address; whether anybody listens, UDP does not tell",
            cost,
        ),
        Reach::Unreachable(problem) => {
            let remedy = "start the receiver, or name another with --syslog or --webhook";
            if is_heard {
                Finding::limit(name, problem, cost, remedy)
            } else {
                Finding::missing(name, problem, format!("nobody is told; {cost}"), remedy)
            }
        }
        Reach::Malformed(problem) => Finding::missing(
            name,
            problem,
            "the agent does not start",
            "correct it in the configuration or on the command line",
        ),
    }
}

fn agent(agent: &Agent) -> Vec<Finding> {
    let cost = "nothing is reported while no agent runs";
    match agent {
        Agent::None { socket } => {
            let found = format!("no agent running: nobody listens at {}", socket.display());
            vec![
                Finding::ok("agent", found, cost),
                Finding::ok("last-alert", "no agent running", LAST_COST),
            ]
        }
        Agent::Silent(problem) => vec![Finding::limit(
            "agent",
            problem,
            "whether its alerts go out is not known",
            "ask as root; if it stays silent, look at its log",
        )],
        Agent::Running(running) => {
            let found = format!(
                "version {}, pid {}, up {}",
                running.version,
                running.pid,
                format_duration(running.uptime)
            );
            vec![Finding::ok("agent", found, cost), last_alert(running)]
        }
    }
}

const LAST_COST: &str = "that alerts arrive is shown by one that did";

fn last_alert(running: &Running) -> Finding {
    let name = "last-alert";
    let last = match &running.last {
        Some((to, ago)) => format!("delivered {} ago to {to}", format_duration(*ago)),
        None => "none since it started".to_owned(),
    };
    if running.waiting == 0 && running.lost == 0 {
        return Finding::ok(name, last, LAST_COST);
    }
    Finding::limit(
        name,
        format!(
            "{last}; {} wait, {} are lost",
            running.waiting, running.lost
        ),
        "alerts that wait are lost when the agent ends",
        "see `execwarden status` for the receiver that does not take them",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::finding::{self, State};
    use super::*;

    pub(in crate::cli::doctor) fn healthy() -> Facts {
        Facts {
            configuration: Ok(()),
            receivers: vec![to("unix:/dev/log", Reach::Open)],
            agent: Agent::Running(running()),
        }
    }

    fn to(target: &str, reach: Reach) -> Receiver {
        Receiver {
            target: target.to_owned(),
            reach,
        }
    }

    fn running() -> Running {
        Running {
            pid: 7,
            version: "0.0.0".to_owned(),
            uptime: Duration::from_secs(7200),
            last: Some(("unix:/dev/log".to_owned(), Duration::from_secs(90))),
            waiting: 0,
            lost: 0,
        }
    }

    fn check(facts: &Facts, name: &str, state: State, found: &str) {
        finding::tests::check(&findings(facts), name, state, found);
    }

    #[test]
    fn one_way_out_is_enough_to_be_heard() {
        let dead = || Reach::Unreachable("Connection refused".to_owned());
        for (other, state) in [
            (Reach::Open, State::Limit),
            (Reach::UdpUntold, State::Limit),
            (dead(), State::Missing),
            (Reach::Malformed("no URL".to_owned()), State::Missing),
        ] {
            let facts = Facts {
                receivers: vec![to("tcp://a:1", dead()), to("other", other.clone())],
                ..healthy()
            };
            check(&facts, "syslog tcp://a:1", state, "Connection refused");
        }
    }

    #[test]
    fn each_receiver_is_told_as_far_as_it_can_be() {
        let facts = Facts {
            receivers: vec![
                to("unix:/dev/log", Reach::Open),
                to("udp://a:514", Reach::UdpUntold),
                to("stdout", Reach::Open),
                to("https://a:443/…c0ffee", Reach::Open),
                to("ftp://a", Reach::Malformed("no syslog URL".to_owned())),
                to(WEBHOOK, Reach::Malformed("no webhook".to_owned())),
            ],
            ..healthy()
        };
        for (name, state, found) in [
            ("syslog unix:/dev/log", State::Ok, "open"),
            ("syslog udp://a:514", State::Ok, "UDP does not tell"),
            ("stdout", State::Ok, "open"),
            ("webhook https://a:443/…c0ffee", State::Ok, "open"),
            ("syslog ftp://a", State::Missing, "no syslog URL"),
            ("webhook", State::Missing, "no webhook"),
        ] {
            check(&facts, name, state, found);
        }
    }

    #[test]
    fn a_broken_configuration_is_named() {
        let facts = Facts {
            configuration: Err("c.toml:2:1: unknown".to_owned()),
            receivers: Vec::new(),
            ..healthy()
        };

        check(&facts, "configuration", State::Missing, "c.toml:2:1");
    }

    #[test]
    fn the_last_alert_has_its_age() {
        let of = |running| Facts {
            agent: Agent::Running(running),
            ..healthy()
        };
        check(
            &of(running()),
            "last-alert",
            State::Ok,
            "1m 30s ago to unix:",
        );
        let quiet = Running {
            last: None,
            ..running()
        };
        check(&of(quiet), "last-alert", State::Ok, "none since it started");
        for (waiting, lost) in [(1, 0), (0, 1)] {
            let stuck = Running {
                waiting,
                lost,
                ..running()
            };
            check(&of(stuck), "last-alert", State::Limit, "wait");
        }
    }

    #[test]
    fn an_agent_that_is_not_there_is_no_fault_of_the_node() {
        let none = Facts {
            agent: Agent::None {
                socket: "/run/s".into(),
            },
            ..healthy()
        };
        check(&none, "agent", State::Ok, "nobody listens at /run/s");
        check(&none, "last-alert", State::Ok, "no agent running");
        let silent = Facts {
            agent: Agent::Silent("root alone".to_owned()),
            ..healthy()
        };
        check(&silent, "agent", State::Limit, "root alone");
    }
}
