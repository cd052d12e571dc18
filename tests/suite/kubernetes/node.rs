//! A node with containerd, an image, a receiver, and an agent's folders.

use super::containerd::{Containerd, PAUSE};
use super::driver::Driver;
use super::kubelet::{Kubelet, Pod};
use crate::containers::scene::{ELEMENT, PATIENCE, Scene, workload_in};
use anyhow::{Context, Result, ensure};
use rustix::mount::{MountPropagationFlags, mount_change};
use serde_json::Value;
use std::fs;
use testbed::{Agent, Record, unique_name};

/// An image with the scene's programs.
pub const IMAGE: &str = "localhost/app:1";

/// Everything but the agent. Fields are dropped in their order: pods go before
/// the runtime does.
pub struct Node {
    pub kubelet: Kubelet,
    pub containerd: Containerd,
    pub scene: Scene,
    /// Of the workload that a test is about.
    pub name: String,
}

impl Node {
    pub fn new(driver: Driver) -> Result<Self> {
        // As a node's init has them: what a pod sees of the node's mounts may
        // follow these.
        let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
        mount_change("/", shared).context("cannot share the mounts")?;
        let scene = Scene::new()?;
        let containerd = Containerd::start(driver)?;
        containerd.import(&scene.image, PAUSE)?;
        containerd.import(&scene.image, IMAGE)?;
        Ok(Self {
            kubelet: Kubelet::new(driver)?,
            containerd,
            scene,
            name: unique_name(),
        })
    }

    /// A replica of the test's Deployment.
    pub fn replica(&self, suffix: &str) -> Pod {
        Pod::of_deployment(&self.name, "7d5f8c9b4", suffix)
    }

    /// A container's workload in that Deployment.
    pub fn workload(&self, container: &str) -> String {
        format!("shop/Deployment/{}/{container}", self.name)
    }

    /// Lets a container of a controller run busybox, and nothing else.
    pub fn allow_busybox(&self, kind: &str, container: &str) -> Result<()> {
        let name = &self.name;
        let text = format!(
            "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
             metadata: {{ name: {name} }}\nspec:\n  workload: {{ namespace: shop, \
             kind: {kind}, name: {name}, container: {container} }}\n  \
             processes:\n    - path: /bin/busybox\n"
        );
        let file = self.scene.home.allowlists().join("pod.yaml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// What was learned of a workload, as it is on disk.
    pub fn learned(&self, workload: &str) -> Result<String> {
        let file = format!("{}.yaml", workload.replace('/', ".").to_lowercase());
        let file = self.scene.home.state().join("learned").join(file);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Waits for this many records about a pod.
    pub fn wait_for_records(&self, pod: &Pod, count: usize) -> Result<Vec<Record>> {
        let of_it = |records: &[Record]| -> Vec<Record> {
            let mut found = records.to_vec();
            found.retain(|record| record.parameter(ELEMENT, "pod_uid") == Some(&pod.uid));
            found
        };
        let what = format!("{count} records about {}", pod.name);
        self.scene
            .rsyslogd
            .wait_for(&what, PATIENCE, |records| of_it(records).len() >= count)?;
        Ok(of_it(&self.scene.records()?))
    }

    /// Waits until a workload is in this mode.
    pub fn wait_for_mode(&self, agent: &Agent<'_>, workload: &str, mode: &str) -> Result<Value> {
        let status = agent.wait_for(&format!("{workload} to {mode}"), PATIENCE, |status| {
            workload_in(status, workload).is_some_and(|found| found["mode"] == mode)
        })?;
        let found = workload_in(&status, workload).cloned();
        found.context("it was there a moment ago")
    }
}

/// Fails unless a record has these.
pub fn has(record: &Record, fields: &[(&str, &str)]) -> Result<()> {
    for (field, expected) in fields {
        let found = record.parameter(ELEMENT, field);
        ensure!(found == Some(expected), "{field}: {}", record.raw);
    }
    Ok(())
}
