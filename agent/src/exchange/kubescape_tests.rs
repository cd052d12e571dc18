use super::super::Format::Kubescape;
use super::super::testing::{check_export, check_import, import_error, there_and_back};

const COMMON: &str = "interpreters: where a listed path is a script, its entry needs its interpreter; layers, which the format does not know: every entry is for a file of the image; links: a path there is the one that was called, and here the file that it leads to";

const APPLICATION: &str = r#"
apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ApplicationProfile
metadata:
  name: deployment-checkout
  namespace: shop
  annotations:
    kubescape.io/completion: partial
    kubescape.io/status: completed
  labels:
    kubescape.io/workload-api-group: apps
    kubescape.io/workload-api-version: v1
    kubescape.io/workload-kind: Deployment
    kubescape.io/workload-name: checkout
    kubescape.io/workload-namespace: shop
spec:
  architectures:
  - amd64
  containers:
  - name: api
    capabilities:
    - NET_BIND_SERVICE
    endpoints: null
    execs:
    - args:
      - /usr/sbin/nginx
      - -g
      - daemon off;
      path: /usr/sbin/nginx
    - args:
      - sh
      - -c
      - ls *.txt
      path: /bin/busybox
    - args:
      - curl
      - -s
      - ⋯
      - ⋯⋯
      path: /usr/bin/curl
    - path: /opt/⋯/bin/run
    - path: /opt/⋯
    - path: /srv/*/bin/run
    - path: /usr/bin/free
      args: [⋯⋯]
    - path: /usr/bin/tool
      args: [tool, --load, /plugins/⋯]
    - path: /usr/bin/who
      argsRequired: true
    - path: /usr/bin/odd
      uid: 0
    opens:
    - flags: [O_RDONLY]
      path: /etc/⋯
    syscalls: [read]
  initContainers:
  - name: init
    execs: null
  ephemeralContainers:
  - name: debugger-x7x
    execs:
    - path: /bin/sh
"#;

#[test]
fn each_container_is_a_workload() {
    check_import(
        Kubescape,
        APPLICATION,
        &[],
        &format!(
            r#"shop/Deployment/checkout/api enforce
  /bin/busybox, applet: sh, args: ["-c", "ls \\*.txt"]
  /opt/*/bin/run
  /srv/*/bin/run
  /usr/bin/curl, args: ["-s", "*", "**"]
  /usr/bin/free
  /usr/bin/who, args: []
  /usr/sbin/nginx, args: ["-g", "daemon off;"]
shop/Deployment/checkout/init enforce
left out ApplicationProfile deployment-checkout: debug container debugger-x7x: all debug containers of a controller have one list here
left out ApplicationProfile deployment-checkout: api: execs[4] (/opt/⋯): the file name of "/opt/*" has a *, and a program of the image is allowed by its name; write the name out, a * may stand in the folders before it
left out ApplicationProfile deployment-checkout: api: execs[7] (/usr/bin/tool): the argument "/plugins/⋯" has no equal here
left out ApplicationProfile deployment-checkout: api: execs[9] (/usr/bin/odd): uid is not known, and may narrow it
not carried over: folders: a * there is any number, here one (/srv/*/bin/run); {COMMON}; that it was learned in part only (deployment-checkout)
"#
        ),
    );
}

#[test]
fn a_profile_of_a_persons_own_needs_their_word() {
    let profile = "
apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ContainerProfile
metadata:
  name: redis-solo
  namespace: redis
  annotations:
    kubescape.io/managed-by: User
spec:
  architectures: [amd64]
  execs:
  - path: /opt/bitnami/redis/bin/redis-server
    args: [redis-server]
";
    assert_eq!(
        import_error(Kubescape, profile, &[]),
        "which workload is meant is not said in the file: say --workload redis-solo=redis/KIND/NAME/CONTAINER"
    );
    check_import(
        Kubescape,
        profile,
        &["redis-solo=redis/StatefulSet/redis/redis"],
        &format!(
            "redis/StatefulSet/redis/redis enforce
  /opt/bitnami/redis/bin/redis-server, args: []
not carried over: {COMMON}
"
        ),
    );
}

#[test]
fn a_document_becomes_the_profile_of_a_container() {
    check_export(
        Kubescape,
        &["api"],
        "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ContainerProfile
metadata:
  annotations:
    kubescape.io/completion: complete
    kubescape.io/managed-by: User
    kubescape.io/status: completed
  labels:
    kubescape.io/workload-container-name: api
    kubescape.io/workload-kind: Deployment
    kubescape.io/workload-name: checkout
    kubescape.io/workload-namespace: shop
  name: shop.deployment.checkout.api
  namespace: shop
spec:
  execs:
  - path: /docker-entrypoint.sh
  - path: \"/opt/app/releases/⋯/bin/run\"
  - path: /plugins/resize
  - path: /usr/bin/busybox
  - path: /usr/bin/checkout
  - path: /usr/bin/dash
  - path: /usr/sbin/nginx
",
        "allows more than the source: applet (/usr/bin/busybox as nc); args (/usr/bin/dash); layers: what is written to a listed path after the start may run too (all of the 7 entries); parents (/usr/bin/dash); scripts: their interpreters are allowed on their own (/usr/bin/dash); sha256 (/usr/bin/checkout); users (/usr/bin/dash). not carried over: removed (/usr/bin/curl)
",
    );
    assert_eq!(
        there_and_back(Kubescape, &[]),
        "shop/Deployment/checkout/api enforce
  /docker-entrypoint.sh
  /opt/app/releases/*/bin/run
  /plugins/resize
  /usr/bin/busybox
  /usr/bin/checkout
  /usr/bin/dash
  /usr/sbin/nginx
"
    );
}
