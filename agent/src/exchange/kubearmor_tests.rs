use super::super::Format::KubeArmor;
use super::super::testing::{check_export, check_import, import_error};

const POLICY: &str = r"
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: only-checkout
  namespace: shop
spec:
  severity: 5
  selector:
    matchLabels:
      app: checkout
  process:
    matchPaths:
    - path: /usr/sbin/nginx
      ownerOnly: false
      tags: [web]
    - path: /bin/sleep
      fromSource:
      - path: /bin/bash
    - path: /bin/bash
      ownerOnly: true
    - path: /usr/bin/python3.6
      allowedArgs: [-m, random]
    - execname: apt
    - path: /usr/bin/nc
      action: Block
    - path: /usr/lib/nc/ncat
    - path: /sbin/apk
      action: Audit
    matchDirectories:
    - dir: /usr/local/bin/
      recursive: true
    - dir: /usr/lib/nc/
      action: Block
    matchPatterns:
    - pattern: /opt/*/bin/run
    - pattern: /opt/**/run
    - pattern: /*/nginx -s stop*
  file:
    matchDirectories:
    - dir: /
      recursive: true
  action: Allow
";

#[test]
fn what_is_allowed_by_name_is_taken_over() {
    check_import(
        KubeArmor,
        POLICY,
        &["shop/Deployment/checkout/api"],
        "shop/Deployment/checkout/api enforce
  /bin/sleep, parents: [/bin/bash]
  /opt/*/bin/run
  /usr/sbin/nginx
left out KubeArmorPolicy only-checkout: process.matchPaths[2] (/bin/bash): ownerOnly narrows it, and has no equal here
left out KubeArmorPolicy only-checkout: process.matchPaths[3] (/usr/bin/python3.6): allowedArgs narrows it, and has no equal here
left out KubeArmorPolicy only-checkout: process.matchPaths[4] (apt): execname narrows it, and has no equal here
left out KubeArmorPolicy only-checkout: process.matchPaths[6] (/usr/lib/nc/ncat): a Block rule names it too
left out KubeArmorPolicy only-checkout: process.matchDirectories[0] (/usr/local/bin/): programs of the image are allowed by name, not by folder
left out KubeArmorPolicy only-checkout: process.matchPatterns[1] (/opt/**/run): the path \"/opt/**/run\" has **; * stands for one path segment or a part of it
left out KubeArmorPolicy only-checkout: process.matchPatterns[2] (/*/nginx -s stop*): it has more than * in it, which has no equal here
not carried over: Block and Audit rules, which are no allowlist: what they name deviates here, unless a rule allows it (/sbin/apk, /usr/bin/nc, /usr/lib/nc/); interpreters: where a listed path is a script, its entry needs its interpreter; layers, which the format does not know: every entry is for a file of the image
",
    );
}

#[test]
fn a_selector_is_no_workload() {
    assert_eq!(
        import_error(KubeArmor, POLICY, &[]),
        "which workload is meant is not said in the file: say --workload only-checkout=shop/KIND/NAME/CONTAINER"
    );
    assert_eq!(
        import_error(KubeArmor, POLICY, &["shop/Deployment/checkout"]),
        "only-checkout names no container; say NAMESPACE/KIND/NAME/CONTAINER for it"
    );
}

#[test]
fn a_policy_that_only_blocks_is_no_allowlist() {
    check_import(
        KubeArmor,
        "
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: {name: x}
spec:
  process:
    matchPaths:
    - path: /usr/bin/nc
",
        &["docker/shop/web"],
        "left out KubeArmorPolicy x: it has no rule that allows a program, so it is no allowlist
",
    );
}

#[test]
fn a_document_becomes_a_policy_of_what_is_allowed() {
    check_export(
        KubeArmor,
        &["api"],
        "apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: shop.deployment.checkout.api
  namespace: shop
spec:
  action: Allow
  file:
    matchDirectories:
    - dir: /
      recursive: true
  process:
    matchPaths:
    - path: /docker-entrypoint.sh
    - path: /usr/bin/dash
    - path: /plugins/resize
    - path: /usr/bin/busybox
    - path: /usr/bin/checkout
    - fromSource:
      - path: /usr/sbin/nginx
      path: /usr/bin/dash
    - path: /usr/sbin/nginx
    matchPatterns:
    - pattern: /opt/app/releases/*/bin/run
  selector:
    matchLabels:
      kubearmor.io/container.name: \"[api]\"
",
        "allows more than the source: applet (/usr/bin/busybox as nc); args (/usr/bin/dash); layers: what is written to a listed path after the start may run too (all of the 7 entries); scripts: their interpreters are allowed on their own (/usr/bin/dash); sha256 (/usr/bin/checkout); users (/usr/bin/dash). not carried over: patterns where it is not AppArmor that enforces (/opt/app/releases/*/bin/run); removed (/usr/bin/curl); the controller Deployment checkout: the policy is for every pod of the namespace with such a container, until you add the pods' labels
",
    );
}
