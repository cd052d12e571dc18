//! An engine's answer, checked.
//!
//! Pure. The engine is believed, but what it repeats was chosen by whoever may
//! start containers or build their images: what is no name becomes none.

use crate::containers::asking::AskError;
use crate::containers::plain::{is_digest, plain_name, put_together};
use crate::containers::pod_owner::Labels;
use crate::containers::runtime_state::{Names, SANDBOX};
use crate::containers::{Description, InPod};
use crate::model::{Runtime, WorkloadId};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A container as docker and podman have it, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    id: String,
    /// docker's begins with a `/`.
    name: Option<String>,
    /// docker: the image's id, which is a digest.
    image: Option<String>,
    /// podman: the image as it was named.
    image_name: Option<String>,
    /// podman: the image's digest.
    image_digest: Option<String>,
    /// podman: the id of its pod, empty if there is none.
    pod: Option<String>,
    /// podman: whether it is there for its pod's sake.
    is_infra: Option<bool>,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    /// docker: the image as it was named.
    image: Option<String>,
    labels: Option<Labels>,
}

/// A pod of podman's, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pod {
    id: String,
    name: String,
}

/// Whether engines give such ids: 256 bits in hexadecimal.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The container of this id.
pub(super) fn container(answer: &[u8], id: &str) -> Result<Container, AskError> {
    let container: Container = read(answer)?;
    if container.id != id {
        return Err(AskError::Other("it has another id"));
    }
    Ok(container)
}

/// The name of the pod of this id, if it is one.
pub(super) fn pod(answer: &[u8], id: &str) -> Result<Option<String>, AskError> {
    let pod: Pod = read(answer)?;
    if pod.id != id {
        return Err(AskError::Other("its pod has another id"));
    }
    Ok(plain_name(&pod.name))
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, AskError> {
    // The error would repeat what stands there.
    serde_json::from_slice(answer)
        .map_err(|_| AskError::Refused("what is no description of a container".to_owned()))
}

impl Container {
    /// The id of its pod.
    pub(super) fn pod(&self) -> Option<&str> {
        self.pod.as_deref().filter(|pod| is_id(pod))
    }

    /// The description that it makes, with its pod's name.
    pub(super) fn description(self, runtime: Runtime, pod: Option<String>) -> Description {
        let (named, labels) = match self.config {
            Some(Config { image, labels }) => (image, labels.unwrap_or_default()),
            None => (None, Labels::new()),
        };
        let image = self.image_name.filter(|name| !name.is_empty()).or(named);
        let names = Names::labelled(self.name.as_deref(), image.as_deref(), &labels);
        // The name of a pod's own container is made of the pod's id.
        let of_pod = pod
            .as_ref()
            .filter(|_| self.is_infra == Some(true))
            .and_then(|pod| put_together(format!("{pod}/{SANDBOX}")));
        let workload = match of_pod {
            Some(name) => WorkloadId::Runtime { runtime, name },
            None => names.workload(runtime, &self.id),
        };
        let digests = [self.image_digest, self.image].into_iter().flatten();
        Description {
            workload,
            image: names.image().map(str::to_owned),
            image_digest: digests.into_iter().find(|digest| is_digest(digest)),
            pod,
            pod_uid: None,
            in_pod: InPod::default(),
            complete: true,
        }
    }
}
