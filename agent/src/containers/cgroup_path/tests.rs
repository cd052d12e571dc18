use super::*;
use Runtime::{Containerd, CriO, Docker, Podman, Runc};
use proptest::prelude::*;

/// `{id}`, `{id2}`, `{uid}` and `{uid_}` in the tables stand for these.
const ID: &str = "2f1c8f0e9c1f4d7a8b6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4b3a29180";
const ID2: &str = "a3c5e7092b4d6f81a3c5e7092b4d6f81a3c5e7092b4d6f81a3c5e7092b4d6f81";
const UID: &str = "0f1d2c3b-4a59-6877-8695-a4b3c2d1e0f9";

fn fill(pattern: &str) -> String {
    pattern
        .replace("{id}", ID)
        .replace("{id2}", ID2)
        .replace("{uid}", UID)
        .replace("{uid_}", &UID.replace('-', "_"))
}

/// `|` marks where the container's own part of the path ends, if not at the
/// path's end.
fn check(pattern: &str, runtime: Runtime, id: &str, pod_uid: Option<&str>) {
    let marked = fill(pattern);
    let at = marked.find('|').unwrap_or(marked.len());
    let path = marked.replace('|', "");

    let recognised = recognise(path.as_bytes());

    let name = CgroupName {
        runtime,
        id: ContainerId::new(&fill(id)).unwrap(),
        pod_uid: pod_uid.map(fill),
    };
    assert_eq!(recognised, Recognised::Container { name, at }, "{path}");
}

fn check_host(pattern: &str) {
    let path = fill(pattern);
    assert_eq!(recognise(path.as_bytes()), Recognised::Host, "{path}");
}

fn check_bare(pattern: &str, ids: &[&str]) {
    let path = fill(pattern);
    let ids = ids.iter().map(|id| ContainerId::new(id).unwrap()).collect();
    assert_eq!(
        recognise(path.as_bytes()),
        Recognised::Bare { ids },
        "{path}"
    );
}

#[test]
fn kubernetes_with_the_systemd_driver() {
    let pods = "/kubepods.slice";
    for (tier, pod) in [
        (
            "/kubepods-burstable.slice",
            "/kubepods-burstable-pod{uid_}.slice",
        ),
        (
            "/kubepods-besteffort.slice",
            "/kubepods-besteffort-pod{uid_}.slice",
        ),
        ("", "/kubepods-pod{uid_}.slice"),
    ] {
        let pod = format!("{pods}{tier}{pod}");
        for (name, runtime) in [
            ("cri-containerd-{id}.scope", Containerd),
            ("crio-{id}.scope", CriO),
            ("docker-{id}.scope", Docker),
            ("libpod-{id}.scope", Podman),
            ("crio-{id}.scope|/container", CriO),
            ("cri-containerd-{id}.scope|/init.scope", Containerd),
            ("cri-containerd-{id}.scope|/a/b/c", Containerd),
        ] {
            check(&format!("{pod}/{name}"), runtime, "{id}", Some("{uid}"));
        }
        check(
            &format!("{pod}/cri-containerd-web-1.scope"),
            Containerd,
            "web-1",
            Some("{uid}"),
        );
        check_host(&pod);
        check_host(&format!("{pod}/crio-conmon-{{id}}.scope"));
    }
    for path in [pods, "/kubepods.slice/kubepods-burstable.slice"] {
        check_host(path);
    }
}

#[test]
fn kubernetes_with_the_cgroupfs_driver() {
    for pod in [
        "/kubepods/burstable/pod{uid}",
        "/kubepods/besteffort/pod{uid}",
        "/kubepods/guaranteed/pod{uid}",
        "/kubepods/pod{uid}",
    ] {
        for (name, runtime) in [
            ("{id}", Containerd),
            ("{id}|/child", Containerd),
            ("crio-{id}", CriO),
            ("crio-{id}|/container", CriO),
        ] {
            check(&format!("{pod}/{name}"), runtime, "{id}", Some("{uid}"));
        }
        check(&format!("{pod}/web"), Containerd, "web", Some("{uid}"));
        check_host(pod);
        check_host(&format!("{pod}/crio-conmon-{{id}}"));
    }
    for path in ["/kubepods", "/kubepods/burstable", "/kubepods/besteffort"] {
        check_host(path);
    }
}

#[test]
fn static_pods_have_a_uid_without_dashes() {
    let uid = "d4a7fbc1b6d1e0a5b1f3d0ae7b0d5c11";
    check(
        &format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-{{id}}.scope"
        ),
        Containerd,
        "{id}",
        Some(uid),
    );
}

#[test]
fn kubernetes_below_something_else() {
    for (path, runtime, uid) in [
        (
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{uid_}.slice/cri-containerd-{id}.scope",
            Containerd,
            true,
        ),
        (
            "/kubelet/kubepods/besteffort/pod{uid}/{id}",
            Containerd,
            true,
        ),
        (
            "/system.slice/k3s.service/kubepods/burstable/pod{uid}/{id}",
            Containerd,
            true,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/k3s-rootless.scope/kubepods/pod{uid}/{id}",
            Containerd,
            true,
        ),
        (
            "/lxc.payload.node1/kubepods.slice/kubepods-pod{uid_}.slice/crio-{id}.scope",
            CriO,
            true,
        ),
        // A node in a container (kind, k3d, Docker in Docker) belongs to it.
        (
            "/docker/{id}|/kubelet/kubepods/burstable/pod{uid}/{id2}",
            Docker,
            false,
        ),
        (
            "/docker/{id}|/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{uid_}.slice/cri-containerd-{id2}.scope",
            Docker,
            false,
        ),
        (
            "/system.slice/docker-{id}.scope|/docker/{id2}",
            Docker,
            false,
        ),
        (
            "/machine.slice/libpod-{id}.scope|/container/kubelet.slice",
            Podman,
            false,
        ),
    ] {
        check(path, runtime, "{id}", uid.then_some("{uid}"));
    }
}

#[test]
fn without_kubernetes() {
    for (path, runtime, id) in [
        ("/docker/{id}", Docker, "{id}"),
        ("/docker/{id}|/child", Docker, "{id}"),
        (
            "/docker/buildkit/p6h1ib0k4ij2o3pqd2gx9bv3k",
            Docker,
            "p6h1ib0k4ij2o3pqd2gx9bv3k",
        ),
        ("/system.slice/docker-{id}.scope", Docker, "{id}"),
        (
            "/system.slice/docker-p6h1ib0k4ij2o3pqd2gx9bv3k.scope",
            Docker,
            "p6h1ib0k4ij2o3pqd2gx9bv3k",
        ),
        (
            "/ecstasks.slice/ecstasks-1f2e3d.slice/docker-{id}.scope",
            Docker,
            "{id}",
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{id}.scope",
            Docker,
            "{id}",
        ),
        ("/moby/{id}", Docker, "{id}"),
        ("/k8s.io/{id}", Containerd, "{id}"),
        ("/default/{id}", Containerd, "{id}"),
        ("/default/web", Containerd, "web"),
        ("/default/web|/child", Containerd, "web"),
        ("/system.slice/nerdctl-{id}.scope", Containerd, "{id}"),
        ("/machine.slice/libpod-{id}.scope", Podman, "{id}"),
        (
            "/machine.slice/libpod-{id}.scope|/container",
            Podman,
            "{id}",
        ),
        (
            "/machine.slice/machine-libpod_pod_{id2}.slice/libpod-{id}.scope|/container",
            Podman,
            "{id}",
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope",
            Podman,
            "{id}",
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope|/container",
            Podman,
            "{id}",
        ),
        (
            "/system.slice/web.service/libpod-payload-{id}",
            Podman,
            "{id}",
        ),
        (
            "/system.slice/web.service/libpod-payload-{id}|/child",
            Podman,
            "{id}",
        ),
        ("/libpod_parent/libpod-{id}", Podman, "{id}"),
        ("/libpod_parent/{id2}/libpod-{id}", Podman, "{id}"),
        ("/system.slice/crio-{id}.scope", CriO, "{id}"),
        ("/system.slice/runc-{id}.scope", Runc, "{id}"),
        ("/user.slice/crun-{id}.scope", Runc, "{id}"),
        ("/system.slice/mine-{id}.scope", Runc, "{id}"),
        ("/ecs/1f2e3d/{id}", Runc, "{id}"),
        ("/{id}", Runc, "{id}"),
        ("/{id}|/child", Runc, "{id}"),
    ] {
        check(path, runtime, id, None);
    }
}

#[test]
fn a_systemd_path_given_to_the_cgroupfs_driver() {
    for (path, runtime, uid) in [
        ("/system.slice:docker:{id}", Docker, None),
        ("/system.slice:docker:{id}|/child", Docker, None),
        ("/machine.slice:libpod:{id}", Podman, None),
        ("/:runc:{id}", Runc, None),
        (
            "/system.slice/containerd.service/kubepods-burstable-pod{uid_}.slice:cri-containerd:{id}",
            Containerd,
            Some("{uid}"),
        ),
        ("/kubepods-pod{uid_}.slice:crio:{id}", CriO, Some("{uid}")),
        ("/a.slice:mine:{id}", Runc, None),
    ] {
        check(path, runtime, "{id}", uid);
    }
}

#[test]
fn what_is_the_hosts_own() {
    for path in [
        "",
        "/",
        "/init.scope",
        "/system.slice",
        "/system.slice/cron.service",
        "/system.slice/docker.service",
        "/system.slice/docker.socket",
        "/system.slice/var-lib-docker-overlay2-{id}-merged.mount",
        "/system.slice/run-docker-runtime-{id}.mount",
        "/machine.slice",
        "/machine.slice/machine-libpod_pod_{id}.slice",
        "/machine.slice/libpod-conmon-{id}.scope",
        "/system.slice/crio-conmon-{id}.scope",
        "/user.slice/user-1000.slice/session-4.scope",
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/docker",
        "/k8s.io",
        "/libpod_parent",
        "/libpod_parent/conmon",
        "/libpod_parent/{id}",
        "/libpod_parent/libpod-conmon-{id}",
        "/system.slice/podaac.slice",
    ] {
        check_host(path);
    }
}

#[test]
fn what_only_a_state_folder_can_confirm() {
    for (path, ids) in [
        ("/web", &["web"][..]),
        ("/web/child", &["child"]),
        ("/default", &["default"]),
        ("/user.slice/user-0.slice/web.1", &["web.1"]),
        ("/system.slice/runc-web.scope", &["web"]),
        ("/system.slice/docker-cleanup.scope", &["cleanup"]),
        (
            "/system.slice/my-app-web-1.scope",
            &["app-web-1", "web-1", "1"],
        ),
        ("/system.slice/single.scope", &[]),
        ("/pod1", &["pod1"]),
        ("/docker/short", &["short"]),
        ("/two words", &[]),
    ] {
        check_bare(path, ids);
    }
}

#[test]
fn a_path_without_its_front_is_read_from_its_first_whole_name() {
    check(
        "ce/kubepods-pod{uid_}.slice/cri-containerd-{id}.scope",
        Containerd,
        "{id}",
        Some("{uid}"),
    );
    check(
        "d{uid_}.slice/crio-{id}.scope|/container",
        CriO,
        "{id}",
        None,
    );
    // What is left of a longer name.
    check_host("{id}");
    check_host("web");
}

#[test]
fn names_that_are_not_utf8_are_no_containers() {
    let path = b"/kubepods/pod1/\xff\xfe";

    assert_eq!(recognise(path), Recognised::Bare { ids: vec![] });
}

proptest! {
    #[test]
    fn any_bytes_are_read(path: Vec<u8>) {
        recognise(&path);
    }

    #[test]
    fn near_misses_are_read(path in "(/(pod|kubepods|docker|libpod-|crio-|:|-|a|\\.slice|\\.scope|[0-9a-f]{64}|é){0,4}){0,5}") {
        if let Recognised::Container { at, .. } = recognise(path.as_bytes()) {
            prop_assert!(at <= path.len());
        }
    }

    #[test]
    fn a_child_belongs_to_the_same_container(
        front in "(/[a-z.]{1,8}){0,3}",
        own in prop_oneof![
            Just(format!("/docker/{ID}")),
            Just(format!("/libpod-{ID}.scope")),
            Just(format!("/kubepods/pod{UID}/{ID}")),
        ],
        child in "(/[a-zA-Z0-9._:-]{1,70}){1,4}",
    ) {
        let path = format!("{front}{own}");

        let of_parent = recognise(path.as_bytes());
        let of_child = recognise(format!("{path}{child}").as_bytes());

        let is_container = matches!(of_parent, Recognised::Container { .. });
        prop_assert!(is_container, "{:?}", of_parent);
        prop_assert_eq!(of_parent, of_child);
    }
}
