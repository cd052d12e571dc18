//! Real engines under the agent: what they are asked over their sockets is what
//! they answer, and what they do to their containers gives no false alert.

mod docker;
mod podman;
mod service;

use crate::harness::Group;

/// With podman.
pub const PODMAN: Group = ("podman", podman::TESTS);
/// With docker, where it is installed.
pub const DOCKER: Group = ("docker", docker::TESTS);
