//! The names of a container, as annotations and labels give them.
//!
//! Pure. The runtime wrote the file, but whoever may create a container chose
//! what stands in it: every string is checked before it becomes a name.

use crate::containers::plain::{image_name, plain_image, plain_name};
use crate::containers::pod_owner::{Labels, Owner};
use crate::containers::replicas::shared_name;
use crate::model::{Runtime, WorkloadId};

/// The container name of a pod's sandbox, whatever its runtime calls it.
pub(in crate::containers) const SANDBOX: &str = "pause";

/// What is known of a container; the first to say something is believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::containers) struct Names {
    pod: Option<Pod>,
    name: Option<String>,
    image: Option<String>,
    /// The image's name where there is no reference to it.
    title: Option<String>,
    folder: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Pod {
    namespace: String,
    name: String,
    container: String,
}

/// Where runtimes note what Kubernetes told them.
struct Keys {
    namespace: &'static str,
    pod: &'static str,
    container: &'static str,
    /// `sandbox` or `podsandbox` for the pod's own container.
    kind: &'static str,
    image: &'static [&'static str],
}

const KEYS: [Keys; 3] = [
    // containerd
    Keys {
        namespace: "io.kubernetes.cri.sandbox-namespace",
        pod: "io.kubernetes.cri.sandbox-name",
        container: "io.kubernetes.cri.container-name",
        kind: "io.kubernetes.cri.container-type",
        image: &[
            "io.kubernetes.cri.image-name",
            "io.kubernetes.cri.podsandbox.image-name",
        ],
    },
    // CRI-O
    Keys {
        namespace: "io.kubernetes.pod.namespace",
        pod: "io.kubernetes.pod.name",
        container: "io.kubernetes.container.name",
        kind: "io.kubernetes.cri-o.ContainerType",
        image: &["io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image"],
    },
    // docker (cri-dockerd), whose labels are named like CRI-O's annotations
    Keys {
        namespace: "io.kubernetes.pod.namespace",
        pod: "io.kubernetes.pod.name",
        container: "io.kubernetes.container.name",
        kind: "io.kubernetes.docker.type",
        image: &[],
    },
];

impl Names {
    /// Reads the annotations of a bundle, or docker's labels.
    pub(super) fn from_annotations(annotations: &Labels) -> Self {
        let get = |key: &str| annotations.get(key).map(String::as_str);
        let first = |keys: &[&str]| keys.iter().find_map(|key| get(key));
        let keys = KEYS
            .iter()
            .find(|keys| get(keys.kind).is_some())
            .unwrap_or(&KEYS[0]);
        let is_sandbox = get(keys.kind).is_some_and(|kind| kind.ends_with("sandbox"));
        let container = if is_sandbox {
            Some(SANDBOX.to_owned())
        } else {
            get(keys.container).and_then(plain_name)
        };
        let pod = (|| {
            Some(Pod {
                namespace: get(keys.namespace).and_then(plain_name)?,
                name: get(keys.pod).and_then(plain_name)?,
                container: container?,
            })
        })();
        let reference = get("org.opencontainers.image.ref.name");
        Self {
            pod,
            name: get("nerdctl/name").and_then(plain_name),
            image: first(keys.image).and_then(plain_image),
            title: get("org.opencontainers.image.title")
                .and_then(plain_name)
                // In an image layout on disk the reference is only a tag.
                .or_else(|| {
                    reference
                        .filter(|r| r.contains(['/', ':']))
                        .and_then(image_name)
                }),
            folder: None,
        }
    }

    /// What docker and podman keep outside the bundle. docker's names begin
    /// with a `/`.
    pub(super) fn of_container(name: Option<&str>, image: Option<&str>) -> Self {
        Self {
            name: name.and_then(|name| plain_name(name.trim_start_matches('/'))),
            image: image.and_then(plain_image),
            ..Self::default()
        }
    }

    /// The same of a container with labels: replicas have one name.
    pub(in crate::containers) fn labelled(
        name: Option<&str>,
        image: Option<&str>,
        labels: &Labels,
    ) -> Self {
        let names = Self::of_container(name, image);
        let own = names.name.as_deref();
        let shared = own.and_then(|own| shared_name(own, labels));
        Self {
            name: shared.or(names.name),
            ..names
        }
    }

    /// The name of the bundle's folder, unless every bundle has one like it.
    pub(super) fn of_folder(folder: &str) -> Self {
        let generic = matches!(
            folder,
            "bundle" | "rootfs" | "container" | "userdata" | "oci"
        );
        Self {
            folder: plain_name(folder).filter(|_| !generic),
            ..Self::default()
        }
    }

    /// What is missing here is taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            pod: self.pod.or(other.pod),
            name: self.name.or(other.name),
            image: self.image.or(other.image),
            title: self.title.or(other.title),
            folder: self.folder.or(other.folder),
        }
    }

    /// The workload: Kubernetes' names, else the container's name, else the
    /// image's, else the bundle's, else `id`.
    pub(in crate::containers) fn workload(&self, runtime: Runtime, id: &str) -> WorkloadId {
        if let Some(pod) = &self.pod {
            let owner = Owner::by_name(&pod.name);
            return WorkloadId::Kubernetes {
                namespace: pod.namespace.clone(),
                kind: owner.kind.into_owned(),
                name: owner.name,
                container: pod.container.clone(),
            };
        }
        let name = self
            .name
            .clone()
            .or_else(|| self.image.as_deref().and_then(image_name))
            .or_else(|| self.title.clone())
            .or_else(|| self.folder.clone())
            .unwrap_or_else(|| id.to_owned());
        WorkloadId::Runtime { runtime, name }
    }

    /// The pod's whole name.
    pub(super) fn pod(&self) -> Option<&str> {
        self.pod.as_ref().map(|pod| pod.name.as_str())
    }

    /// The image's reference.
    pub(in crate::containers) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(annotations: &[(&str, &str)]) -> Names {
        let map = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Names::from_annotations(&map)
    }

    fn check(annotations: &[(&str, &str)], workload: &str, image: Option<&str>) {
        let names = names(annotations);

        let found = names.workload(Runtime::Containerd, "id1").to_string();
        assert_eq!(found, workload, "{annotations:?}");
        assert_eq!(names.image(), image, "{annotations:?}");
    }

    #[test]
    fn kubernetes_under_containerd() {
        let pod = [
            ("io.kubernetes.cri.sandbox-namespace", "shop"),
            (
                "io.kubernetes.cri.sandbox-name",
                "checkout-6d4cf56db6-x7k2p",
            ),
        ];
        check(
            &[
                pod[0],
                pod[1],
                ("io.kubernetes.cri.container-type", "container"),
                ("io.kubernetes.cri.container-name", "api"),
                ("io.kubernetes.cri.image-name", "ghcr.io/acme/api:1.2"),
            ],
            "shop/Deployment/checkout/api",
            Some("ghcr.io/acme/api:1.2"),
        );
        check(
            &[
                pod[0],
                pod[1],
                ("io.kubernetes.cri.container-type", "sandbox"),
                (
                    "io.kubernetes.cri.podsandbox.image-name",
                    "registry.k8s.io/pause:3.9",
                ),
            ],
            "shop/Deployment/checkout/pause",
            Some("registry.k8s.io/pause:3.9"),
        );
    }

    #[test]
    fn kubernetes_under_cri_o_and_docker() {
        let pod = [
            ("io.kubernetes.pod.namespace", "shop"),
            ("io.kubernetes.pod.name", "web-0"),
        ];
        for (kind, word, container, expected) in [
            (
                "io.kubernetes.cri-o.ContainerType",
                "container",
                "api",
                "shop/Pod/web-0/api",
            ),
            (
                "io.kubernetes.cri-o.ContainerType",
                "sandbox",
                "POD",
                "shop/Pod/web-0/pause",
            ),
            (
                "io.kubernetes.docker.type",
                "container",
                "api",
                "shop/Pod/web-0/api",
            ),
            (
                "io.kubernetes.docker.type",
                "podsandbox",
                "POD",
                "shop/Pod/web-0/pause",
            ),
        ] {
            check(
                &[
                    pod[0],
                    pod[1],
                    (kind, word),
                    ("io.kubernetes.container.name", container),
                ],
                expected,
                None,
            );
        }
    }

    #[test]
    fn the_best_name_wins() {
        let names = || Names::of_folder("app");
        let title = || {
            Names::from_annotations(
                &[(
                    "org.opencontainers.image.title".to_owned(),
                    "shop".to_owned(),
                )]
                .into(),
            )
        };
        let image = || Names::of_container(None, Some("docker.io/library/nginx:1.25"));
        for (found, expected) in [
            (Names::default(), "runc/id1"),
            (Names::of_folder("rootfs"), "runc/id1"),
            (names(), "runc/app"),
            (names().or(title()), "runc/shop"),
            (names().or(image()).or(title()), "runc/nginx"),
            (
                names()
                    .or(image())
                    .or(Names::of_container(Some("/web"), None)),
                "runc/web",
            ),
        ] {
            assert_eq!(found.workload(Runtime::Runc, "id1").to_string(), expected);
        }
    }

    #[test]
    fn a_reference_that_is_only_a_tag_is_no_name() {
        let key = "org.opencontainers.image.ref.name";
        check(&[(key, "latest")], "containerd/id1", None);
        check(&[(key, "acme/web:1")], "containerd/acme.web", None);
    }

    #[test]
    fn hostile_names_are_not_taken() {
        let long = "a".repeat(254);
        for name in [
            "",
            "a b",
            "a/b",
            "../x",
            "-x",
            "a\nb",
            "ä",
            "\u{1b}[31m",
            &long,
        ] {
            let found = Names::of_container(Some(name), Some(&format!("{name}\0")))
                .or(names(&[("org.opencontainers.image.title", name)]));

            assert_eq!(found.workload(Runtime::Runc, "id1").to_string(), "runc/id1");
            check(
                &[
                    ("io.kubernetes.cri.container-type", "container"),
                    ("io.kubernetes.cri.sandbox-namespace", name),
                    ("io.kubernetes.cri.sandbox-name", "web"),
                    ("io.kubernetes.cri.container-name", "api"),
                ],
                "containerd/id1",
                None,
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_the_name_is_plain(name: String, image: String, title: String) {
            let found = Names::of_container(Some(&name), Some(&image))
                .or(names(&[("org.opencontainers.image.title", &title)]));

            let workload = found.workload(Runtime::Docker, "id1").to_string();

            let plain = workload.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
            prop_assert!(plain && workload.matches('/').count() == 1, "{}", workload);
        }
    }
}
