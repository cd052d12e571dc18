use super::super::Format::NeuVector;
use super::super::testing::{check_export, check_import, import_error, there_and_back};

const RULES: &str = r#"
apiVersion: v1
items:
- apiVersion: neuvector.com/v1
  kind: NvSecurityRule
  metadata:
    creationTimestamp: null
    name: nv.kube-proxy.kube-system
    namespace: kube-system
  spec:
    dlp:
      settings: []
      status: true
    egress:
    - action: allow
      applications: [any]
      name: external-egress-0
      ports: tcp/443
      priority: 0
      selector: {comment: "", name: external, original_name: ""}
    file: []
    ingress: []
    process:
    - {action: allow, allow_update: false, name: iptables, path: /usr/sbin/xtables-nft-multi}
    - {action: allow, allow_update: false, name: xtables-nft-mul, path: /usr/sbin/xtables-nft-multi}
    - {action: allow, allow_update: true, name: kube-proxy, path: /usr/local/bin/kube-proxy}
    - {action: allow, allow_update: false, name: busybox, path: /bin/busybox}
    - {action: allow, allow_update: false, name: ps, path: "*"}
    - {action: allow, allow_update: false, name: "*", path: /usr/lib64/jvm/*}
    - {action: allow, allow_update: false, name: "*", path: /*}
    - {action: allow, allow_update: false, name: "*", path: /pause}
    - {action: allow, allow_update: false, name: python, path: /usr/bin/*}
    - {action: allow, allow_update: false, name: run, path: /opt/*/bin/run}
    - {action: allow, allow_update: false, name: bash, path: /usr/bin/bash}
    - {action: deny, allow_update: false, name: bash, path: ""}
    - {action: permit, allow_update: false, name: x, path: /x}
    - {action: allow, uuid: x, name: y, path: /y}
    process_profile:
      baseline: zero-drift
      mode: Protect
    response: null
    target:
      policymode: Discover
      selector:
        comment: ""
        criteria:
        - {key: service, op: =, value: kube-proxy.kube-system}
        - {key: domain, op: =, value: kube-system}
        name: nv.kube-proxy.kube-system
        original_name: ""
    waf: {settings: [], status: true}
kind: List
"#;

#[test]
fn the_names_of_one_file_are_its_applets() {
    check_import(
        NeuVector,
        RULES,
        &["kube-system/DaemonSet/kube-proxy/kube-proxy"],
        r#"kube-system/DaemonSet/kube-proxy/kube-proxy enforce
  /bin/busybox, applet: busybox
  /opt/*/bin/run
  /pause
  /usr/bin/python
  /usr/local/bin/kube-proxy
  /usr/sbin/xtables-nft-multi, applet: iptables
  /usr/sbin/xtables-nft-multi, applet: xtables-nft-multi
left out NvSecurityRule nv.kube-proxy.kube-system: process[4] (name "ps", path "*"): it allows a name in every folder, and entries here have a path
left out NvSecurityRule nv.kube-proxy.kube-system: process[5] (name "*", path "/usr/lib64/jvm/*"): programs of the image are allowed by name, not by folder
left out NvSecurityRule nv.kube-proxy.kube-system: process[6] (name "*", path "/*"): it allows everything
left out NvSecurityRule nv.kube-proxy.kube-system: process[10] (name "bash", path "/usr/bin/bash"): a deny rule matches it too
left out NvSecurityRule nv.kube-proxy.kube-system: process[12] (name "x", path "/x"): its action "permit" is neither allow nor deny
left out NvSecurityRule nv.kube-proxy.kube-system: process[13] (name "y", path "/y"): uuid is not known, and may narrow it
allows more than the source: names: a program may run under any name, and there under its file's (/opt/*/bin/run, /usr/local/bin/kube-proxy). not carried over: a * there is any folder below: here the one of the rule, or one of any name (name "python", path "/usr/bin/*", name "run", path "/opt/*/bin/run"); allow_update: an entry is for the image's file (/usr/local/bin/kube-proxy); deny rules, which are no allowlist: what they name deviates here (name "bash", path ""); interpreters: where a listed path is a script, its entry needs its interpreter; layers, which the format does not know: every entry is for a file of the image; mode Protect: it blocks there (nv.kube-proxy.kube-system); scripts: a name that is not the file's is taken for an applet's (/usr/sbin/xtables-nft-multi as iptables); zero-drift, by which what the image has may run, listed or not (nv.kube-proxy.kube-system)
"#,
    );
}

#[test]
fn a_group_is_no_workload() {
    assert_eq!(
        import_error(NeuVector, RULES, &[]),
        "which workload is meant is not said in the file: say --workload nv.kube-proxy.kube-system=kube-system/KIND/NAME/CONTAINER"
    );
}

#[test]
fn a_document_becomes_a_basic_profile() {
    check_export(
        NeuVector,
        &["api"],
        "apiVersion: neuvector.com/v1
kind: NvSecurityRule
metadata:
  name: nv.checkout.shop
  namespace: shop
spec:
  egress: []
  file: []
  ingress: []
  process:
  - action: allow
    allow_update: false
    name: resize
    path: /plugins/resize
  - action: allow
    allow_update: false
    name: nc
    path: /usr/bin/busybox
  - action: allow
    allow_update: false
    name: checkout
    path: /usr/bin/checkout
  - action: allow
    allow_update: false
    name: dash
    path: /usr/bin/dash
  - action: allow
    allow_update: false
    name: docker-entrypoi
    path: /usr/bin/dash
  - action: allow
    allow_update: false
    name: nginx
    path: /usr/sbin/nginx
  process_profile:
    baseline: basic
    mode: Monitor
  target:
    selector:
      comment: \"\"
      criteria:
      - key: service
        op: \"=\"
        value: checkout.shop
      - key: domain
        op: \"=\"
        value: shop
      name: nv.checkout.shop
      original_name: \"\"
",
        "left out /opt/app/releases/*/bin/run: its path has a *, which crosses folders there
allows more than the source: args (/usr/bin/dash); layers: what is written to a listed path after the start may run too (all of the 7 entries); parents (/usr/bin/dash); scripts: a rule has their file's name without its folder (/docker-entrypoint.sh); sha256 (/usr/bin/checkout); the container: a group is all containers of its pods (api); users (/usr/bin/dash). not carried over: removed (/usr/bin/curl)
",
    );
}

#[test]
fn programs_and_applets_come_back() {
    assert_eq!(
        there_and_back(NeuVector, &["shop/Deployment/checkout/api"]),
        "shop/Deployment/checkout/api enforce
  /plugins/resize
  /usr/bin/busybox, applet: nc
  /usr/bin/checkout
  /usr/bin/dash, applet: dash
  /usr/bin/dash, applet: docker-entrypoi
  /usr/sbin/nginx
"
    );
}
