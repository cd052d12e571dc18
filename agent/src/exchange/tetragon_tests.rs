use super::super::Format::Tetragon;
use super::super::testing::{check_export, check_import, import_error, there_and_back};

const LAYERS: &str = "interpreters: where a listed path is a script, its entry needs its interpreter; layers, which the format does not know: every entry is for a file of the image";

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicyNamespaced\n\
         metadata:\n  name: only\n  namespace: shop\nspec:\n{spec}"
    )
}

#[test]
fn what_is_not_reported_is_allowed() {
    check_import(
        Tetragon,
        &policy(
            r#"
  podSelector:
    matchLabels:
      app: checkout
  kprobes:
  - call: "security_bprm_creds_for_exec"
    syscall: false
    args:
    - index: 0
      type: "linux_binprm"
    selectors:
    - matchArgs:
      - index: 0
        operator: "NotEqual"
        values:
        - "/usr/sbin/nginx"
        - "/usr/bin/nc"
        - "/opt/*/x"
      - index: 0
        operator: "NotPrefix"
        values:
        - "/usr/lib/"
      matchActions:
      - action: Override
        argError: -1
    - matchArgs:
      - index: 0
        operator: "Postfix"
        values:
        - "/nc"
      matchActions:
      - action: Sigkill
  - call: "fd_install"
    syscall: false
"#,
        ),
        &["shop/Deployment/checkout/api"],
        &format!(
            "shop/Deployment/checkout/api enforce
  /usr/sbin/nginx
left out TracingPolicyNamespaced only: kprobes[0]: NotPrefix /usr/lib/: programs of the image are allowed by their exact path
left out TracingPolicyNamespaced only: /opt/*/x: its * stands for itself there, and for any name here
not carried over: action Override: here it is reported (TracingPolicyNamespaced only: kprobes[0]); hooks that are no list of programs (kprobes[1]); {LAYERS}; selectors of what must not run, which are no allowlist: it deviates here (/nc)
"
        ),
    );
}

#[test]
fn of_several_lists_what_all_allow_is_allowed() {
    let exec = |values: &str| {
        format!(
            "  - subsystem: sched\n    event: sched_process_exec\n    selectors:\n    \
             - matchBinaries:\n      - operator: NotIn\n        values: {values}\n"
        )
    };
    check_import(
        Tetragon,
        &policy(&format!(
            "  tracepoints:\n{}{}",
            exec("[/a, /b]"),
            exec("[/b, /c]")
        )),
        &["shop/Deployment/checkout/api"],
        &format!("shop/Deployment/checkout/api enforce\n  /b\nnot carried over: {LAYERS}\n"),
    );
}

#[test]
fn the_caller_is_not_the_program() {
    check_import(
        Tetragon,
        &policy(
            "  lsmhooks:\n  - hook: bprm_check_security\n    args: [{index: 0, type: linux_binprm}]\n    \
             selectors:\n    - matchBinaries: [{operator: NotIn, values: [/usr/bin/bash]}]\n",
        ),
        &["shop/Deployment/checkout/api"],
        "left out TracingPolicyNamespaced only: lsmhooks[0]: matchBinaries is here about the program that calls, not about the one that is to run
left out TracingPolicyNamespaced only: it has no rule that allows a program, so it is no allowlist
",
    );
}

const LIST: &str = "  kprobes:
  - call: security_bprm_check
    args: [{index: 0, type: linux_binprm}]
    selectors:
    - matchArgs: [{index: 0, operator: NotEqual, values: [/a]}]
";

#[test]
fn a_policy_names_no_controller() {
    assert_eq!(
        import_error(Tetragon, &policy(LIST), &[]),
        "which workload is meant is not said in the file: say --workload only=shop/KIND/NAME/CONTAINER"
    );
}

#[test]
fn a_document_becomes_a_policy_that_reports_the_rest() {
    check_export(
        Tetragon,
        &["api"],
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicyNamespaced
metadata:
  name: shop.deployment.checkout.api
  namespace: shop
spec:
  containerSelector:
    matchExpressions:
    - key: name
      operator: In
      values:
      - api
  kprobes:
  - args:
    - index: 0
      type: linux_binprm
    call: security_bprm_check
    selectors:
    - matchActions:
      - action: Post
      matchArgs:
      - index: 0
        operator: NotEqual
        values:
        - /docker-entrypoint.sh
        - /plugins/resize
        - /usr/bin/busybox
        - /usr/bin/checkout
        - /usr/bin/dash
        - /usr/sbin/nginx
    syscall: false
",
        "left out /opt/app/releases/*/bin/run: its path has a *, and the format has exact paths only
allows more than the source: applet (/usr/bin/busybox as nc); args (/usr/bin/dash); layers: what is written to a listed path after the start may run too (all of the 7 entries); parents (/usr/bin/dash); scripts: their interpreters are allowed on their own (/usr/bin/dash); sha256 (/usr/bin/checkout); users (/usr/bin/dash). not carried over: removed (/usr/bin/curl); the controller Deployment checkout: the policy is for every pod of the namespace with such a container, until you add a podSelector
",
    );
    assert_eq!(
        there_and_back(Tetragon, &["shop/Deployment/checkout/api"]),
        "shop/Deployment/checkout/api enforce
  /docker-entrypoint.sh
  /plugins/resize
  /usr/bin/busybox
  /usr/bin/checkout
  /usr/bin/dash
  /usr/sbin/nginx
"
    );
}
