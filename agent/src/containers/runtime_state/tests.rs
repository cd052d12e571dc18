use super::*;
use std::fs;

const ID: &str = "2f1c8f0e9c1f4d7a8b6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4b3a29180";

/// A node with these files; `{id}` stands for [`ID`].
fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, RuntimeFiles) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path.replace("{id}", ID));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("{id}", ID)).unwrap();
    }
    let runtime_files = RuntimeFiles::new(dir.path());
    (dir, runtime_files)
}

fn named(runtime: Runtime, id: &str) -> CgroupName {
    CgroupName {
        runtime,
        id: ContainerId::new(&id.replace("{id}", ID)).unwrap(),
        pod_uid: None,
    }
}

fn check(files: &[(&str, &str)], name: &CgroupName, workload: &str, image: Option<&str>) {
    let (_dir, node) = node(files);

    let description = node.describe(name);

    assert_eq!(description.workload.to_string(), workload);
    assert_eq!(description.image.as_deref(), image);
    assert!(description.complete);
}

#[test]
fn containerd_has_kubernetes_names_in_the_bundle() {
    let config = r#"{"ociVersion":"1.1.0","annotations":{
        "io.kubernetes.cri.container-type":"container",
        "io.kubernetes.cri.container-name":"api",
        "io.kubernetes.cri.sandbox-name":"checkout-6d4cf56db6-x7k2p",
        "io.kubernetes.cri.sandbox-namespace":"shop",
        "io.kubernetes.cri.image-name":"ghcr.io/acme/api:1"}}"#;
    for state in ["run/containerd", "run/k3s/containerd"] {
        let path = format!("{state}/io.containerd.runtime.v2.task/k8s.io/{{id}}/config.json");
        check(
            &[(&path, config)],
            &named(Runtime::Containerd, "{id}"),
            "shop/Deployment/checkout/api",
            Some("ghcr.io/acme/api:1"),
        );
    }
}

#[test]
fn docker_has_name_and_image_in_its_own_file() {
    check(
        &[
            (
                "var/lib/docker/containers/{id}/config.v2.json",
                r#"{"ID":"{id}","Name":"/web","Config":{"Image":"nginx:1.25","Labels":null}}"#,
            ),
            (
                "run/containerd/io.containerd.runtime.v2.task/moby/{id}/config.json",
                r#"{"annotations":null}"#,
            ),
        ],
        // The path alone did not tell that it is docker's.
        &named(Runtime::Runc, "{id}"),
        "docker/web",
        Some("nginx:1.25"),
    );
}

#[test]
fn docker_has_labels_in_its_own_file() {
    let file = "var/lib/docker/containers/{id}/config.v2.json";
    let compose = r#""com.docker.compose.project":"shop","com.docker.compose.service":"web""#;
    let pod = r#""io.kubernetes.docker.type":"container","io.kubernetes.container.name":"api",
        "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.name":"web-0""#;
    let in_pod = CgroupName {
        pod_uid: Some("8a3f1c2d".to_owned()),
        ..named(Runtime::Containerd, "{id}")
    };
    for (name, labels, cgroup, workload) in [
        (
            "shop-web-2",
            compose,
            named(Runtime::Docker, "{id}"),
            "docker/shop/web",
        ),
        ("k8s_api_web-0", pod, in_pod, "shop/Pod/web-0/api"),
        // An image that says that it is in a pod.
        ("web", pod, named(Runtime::Docker, "{id}"), "docker/web"),
        (
            "web",
            r#""nerdctl/name":"db""#,
            named(Runtime::Docker, "{id}"),
            "docker/web",
        ),
    ] {
        let text = format!(
            r#"{{"ID":"{{id}}","Name":"/{name}","Config":{{"Image":"web:1","Labels":{{{labels}}}}}}}"#
        );
        check(&[(file, &text)], &cgroup, workload, Some("web:1"));
    }
}

#[test]
fn podman_has_name_and_image_in_its_storage() {
    let containers = r#"[{"id":"other","names":["x"]},{"id":"{id}","names":["web"],
        "metadata":"{\"image-name\":\"docker.io/library/nginx:1\",\"name\":\"web\"}"}]"#;
    let bundle = r#"{"annotations":{"io.container.manager":"libpod"}}"#;
    for file in ["containers.json", "volatile-containers.json"] {
        let storage = "var/lib/containers/storage/overlay-containers";
        check(
            &[
                (&format!("{storage}/{file}"), containers),
                (&format!("{storage}/{{id}}/userdata/config.json"), bundle),
            ],
            &named(Runtime::Podman, "{id}"),
            "podman/web",
            Some("docker.io/library/nginx:1"),
        );
        let home = "home/u/.local/share/containers/storage/overlay-containers";
        check(
            &[
                (&format!("{home}/{file}"), containers),
                (&format!("{home}/{{id}}/userdata/config.json"), bundle),
                (
                    "run/user/1000/crun/{id}/status",
                    &format!(r#"{{"bundle":"/{home}/{{id}}/userdata"}}"#),
                ),
            ],
            &named(Runtime::Podman, "{id}"),
            "podman/web",
            Some("docker.io/library/nginx:1"),
        );
    }
}

#[test]
fn cri_o_has_kubernetes_names_in_the_bundle() {
    check(
        &[(
            "run/containers/storage/overlay-containers/{id}/userdata/config.json",
            r#"{"annotations":{
                "io.kubernetes.cri-o.ContainerType":"container",
                "io.kubernetes.cri-o.ImageName":"quay.io/acme/api:1",
                "io.kubernetes.container.name":"api",
                "io.kubernetes.pod.name":"web-0",
                "io.kubernetes.pod.namespace":"shop"}}"#,
        )],
        &named(Runtime::CriO, "{id}"),
        "shop/Pod/web-0/api",
        Some("quay.io/acme/api:1"),
    );
}

#[test]
fn bare_runc_is_named_by_annotation_or_bundle_or_id() {
    for (labels, workload) in [
        (
            r#""org.opencontainers.image.title=shop","bundle=/srv/web""#,
            "runc/shop",
        ),
        (r#""bundle=/srv/web""#, "runc/web"),
        (r#""bundle=/srv/web/bundle""#, "runc/c1"),
        ("", "runc/c1"),
    ] {
        check(
            &[(
                "run/runc/c1/state.json",
                &format!(r#"{{"config":{{"labels":[{labels}]}}}}"#),
            )],
            &named(Runtime::Runc, "c1"),
            workload,
            None,
        );
    }
}

#[test]
fn the_bundles_annotations_count_where_crun_does_not_repeat_them() {
    check(
        &[
            (
                "run/crun/c1/status",
                r#"{"bundle":"/srv/web","cgroup-path":"/c1"}"#,
            ),
            (
                "srv/web/config.json",
                r#"{"annotations":{"org.opencontainers.image.title":"shop"}}"#,
            ),
        ],
        &named(Runtime::Runc, "c1"),
        "runc/shop",
        None,
    );
}

#[test]
fn without_readable_files_the_id_names_it_for_now() {
    for files in [
        &[][..],
        &[("run/runc/c1/other", "")],
        &[("run/runc/c1/state.json", "{")],
        &[("run/runc/c1/state.json", "\u{0}\u{1}")],
        &[(
            "var/lib/docker/containers/c1/config.v2.json",
            r#"{"Name":7}"#,
        )],
        &[(
            "run/containerd/io.containerd.runtime.v2.task/default/c1/config.json",
            "[]",
        )],
    ] {
        let (_dir, node) = node(files);

        let description = node.describe(&named(Runtime::Runc, "c1"));

        assert_eq!(description.workload.to_string(), "runc/c1", "{files:?}");
        assert!(!description.complete, "{files:?}");
    }
}

fn confirm(files: &[(&str, &str)], path: &str, ids: &[&str]) -> Confirmed {
    let (_dir, node) = node(files);
    let ids: Vec<_> = ids.iter().filter_map(|id| ContainerId::new(id)).collect();
    node.confirm(path.as_bytes(), &ids)
}

#[test]
fn a_state_folder_of_the_right_name_confirms_before_the_state_is_there() {
    for (file, runtime) in [
        ("run/runc/web/.keep", Runtime::Runc),
        ("run/crun/web/.keep", Runtime::Runc),
        ("run/user/1000/runc/web/.keep", Runtime::Runc),
        ("run/user/1000/crun/web/.keep", Runtime::Runc),
        ("run/docker/runtime-runc/moby/web/.keep", Runtime::Docker),
        ("run/containerd/runc/moby/web/.keep", Runtime::Docker),
        ("run/containerd/runc/default/web/.keep", Runtime::Containerd),
        ("run/containerd/runc/mine/web/.keep", Runtime::Containerd),
    ] {
        let found = confirm(&[(file, "")], "/a/web", &["a-web", "web"]);

        assert_eq!(found, Confirmed::Yes(named(runtime, "web")), "{file}");
    }
}

#[test]
fn a_state_that_names_another_cgroup_does_not_confirm() {
    let state = r#"{"config":{},"cgroup_paths":{"":"/sys/fs/cgroup/elsewhere/4"}}"#;
    let files = [("run/runc/4/state.json", state)];

    assert_eq!(confirm(&files, "/a.slice/x-4.scope", &["4"]), Confirmed::No);
    assert_eq!(
        confirm(&files, "/elsewhere/4", &["4"]),
        Confirmed::Yes(named(Runtime::Runc, "4"))
    );
}

#[test]
fn a_cgroup_that_does_not_have_the_containers_id_is_found_by_the_state() {
    let state = r#"{"config":{},"cgroup_paths":{"":"/sys/fs/cgroup/a/odd name"}}"#;

    assert_eq!(
        confirm(&[("run/runc/c1/state.json", state)], "/a/odd name", &[]),
        Confirmed::Yes(named(Runtime::Runc, "c1"))
    );
    // The folder above it is not the container.
    assert_eq!(
        confirm(&[("run/runc/c1/state.json", state)], "/a", &["a"]),
        Confirmed::No
    );
    // Made first, written later.
    assert_eq!(
        confirm(&[("run/runc/c1/.keep", "")], "/a/odd name", &[]),
        Confirmed::NotYet
    );
    assert_eq!(confirm(&[], "/a/odd name", &["odd"]), Confirmed::No);
}

#[test]
fn further_state_folders_can_be_named() {
    let (dir, _) = node(&[("mine/web/.keep", "")]);
    let empty = tempfile::tempdir().unwrap();
    let files = RuntimeFiles::new(empty.path()).with_runc_root(dir.path().join("mine"));

    let found = files.confirm(b"/web", &[ContainerId::new("web").unwrap()]);

    assert_eq!(found, Confirmed::Yes(named(Runtime::Runc, "web")));
}

#[test]
fn a_container_is_one_by_its_name_or_by_its_state() {
    let (_dir, node) = node(&[("run/runc/web/.keep", "")]);

    for (path, expected) in [
        ("/default/shop", true),
        ("/default/shop/child", true),
        ("/web", true),
        ("/shop", false),
        ("/system.slice", false),
    ] {
        assert_eq!(node.is_container(path.as_bytes()), expected, "{path}");
    }
}
