//! Real software as people run it in containers: what allowlists are learned
//! from, and what they are held against.
//!
//! One file for each, which is a [`Software`] and nothing else; [`Stage`] has it
//! live in real containers. Where a root with its packages comes from is for the
//! caller to know.

mod busybox_job;
mod cron;
mod gunicorn;
mod mariadb;
mod nginx;
mod node;
mod postgresql;
mod rabbitmq;
mod redis;
mod stage;
mod tomcat;

pub use stage::Stage;

/// Every one, by name.
pub const ALL: [&Software; 10] = [
    &busybox_job::SOFTWARE,
    &cron::SOFTWARE,
    &gunicorn::SOFTWARE,
    &mariadb::SOFTWARE,
    &nginx::SOFTWARE,
    &node::SOFTWARE,
    &postgresql::SOFTWARE,
    &rabbitmq::SOFTWARE,
    &redis::SOFTWARE,
    &tomcat::SOFTWARE,
];

/// The one of this name.
pub fn named(name: &str) -> Option<&'static Software> {
    ALL.into_iter().find(|software| software.name == name)
}

/// One software: what its image has in it, how it is started, and what its day
/// is like.
#[derive(Debug)]
pub struct Software {
    /// The allowlist's and the workload's name.
    pub name: &'static str,
    /// Debian packages: its own first, then what else is in the image. None: the
    /// image is busybox alone.
    pub packages: &'static [&'static str],
    /// Packages of its clients, which no container runs.
    pub clients: &'static [&'static str],
    /// Files of the image that no package brings: an entrypoint, an application.
    pub files: &'static [File],
    /// Shell that finishes the image, run once in its root.
    pub prepare: &'static str,
    /// The container's command.
    pub start: &'static [&'static str],
    /// `NAME=value`.
    pub env: &'static [&'static str],
    /// The user that the container begins as.
    pub user: u32,
    /// Folders that outlive a container: volumes, empty and root's at first.
    pub volumes: &'static [&'static str],
    /// What happens in one life of a container.
    pub life: Life,
    /// How long it learns, in seconds: two lives, and some room.
    pub window: u32,
}

/// A file of an image.
#[derive(Debug)]
pub struct File {
    /// Where.
    pub path: &'static str,
    /// What is in it. What begins with `#!` is executable.
    pub text: &'static str,
}

/// One life of a container.
#[derive(Debug)]
pub enum Life {
    /// It works and ends.
    Job,
    /// It serves until it is stopped.
    Service {
        /// A line of shell for its clients, which succeeds once it serves.
        ready: &'static str,
        /// What an orchestrator runs in the container, without a terminal: probes,
        /// and the orders of an operator.
        probes: &'static [&'static [&'static str]],
        /// Shell of its clients, which are outside the container and in its
        /// network.
        load: &'static str,
    },
}

/// As they are in containers by default, and a little more than testbed's own.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
