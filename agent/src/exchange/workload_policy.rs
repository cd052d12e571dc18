//! `WorkloadPolicy` and `WorkloadPolicyProposal` of SUSE's runtime enforcer.
//!
//! The schema:
//! <https://github.com/kubewarden/runtime-enforcer/blob/main/api/v1alpha1/workloadpolicy_types.go>,
//! `workloadpolicyproposal_types.go` beside it. A pod names its policy by the
//! label `security.rancher.io/policy`; a proposal has the controller that it
//! was learned from as its owner. The program that decides is at
//! `security_bprm_creds_for_exec`, which is called once for each exec, with the
//! file that was named: of a script with the script, and never with its
//! interpreter.

use super::entry::{self, Controller, Says};
use super::manifest::{ManifestError, Metadata, null_is_empty, resources};
use super::{About, Body, ExportError, Losses, Part};
use crate::allowlist::{Document, Mode, Process};
use crate::model::WorkloadId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const API: &str = "security.rancher.io/v1alpha1";
const POLICY: &str = "WorkloadPolicy";
const PROPOSAL: &str = "WorkloadPolicyProposal";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    /// `monitor` or `protect`; a proposal has none.
    mode: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    rules_by_container: BTreeMap<String, Option<Rules>>,
}

#[derive(Serialize, Deserialize, Default)]
struct Rules {
    #[serde(default, deserialize_with = "null_is_empty")]
    executables: Executables,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize, Default)]
struct Executables {
    /// Exact paths.
    #[serde(default, deserialize_with = "null_is_empty")]
    allowed: Vec<String>,
    /// `allowedPrefixes` in versions that had it, for one.
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// One policy for each controller: a pod names only one.
pub(super) fn export(
    documents: &[Document],
    losses: &mut [Losses],
) -> Result<Vec<Value>, ExportError> {
    let mut policies: BTreeMap<(&str, &str, &str), BTreeMap<String, Option<Rules>>> =
        BTreeMap::new();
    for (document, losses) in documents.iter().zip(losses) {
        let controller = Controller::of(document)?;
        let named = entry::entries(document, Says::default(), losses);
        let paths = entry::paths(&named, false, losses);
        let key = (controller.namespace, controller.kind, controller.name);
        let containers = policies.entry(key).or_default();
        let rules = containers.entry(controller.container.to_owned());
        let rules = rules.or_default().get_or_insert_default();
        rules.executables.allowed.extend(paths);
    }
    let policies = policies.into_iter();
    Ok(policies
        .map(|((namespace, kind, name), rules_by_container)| {
            let spec = Spec {
                mode: Some("monitor".to_owned()),
                rules_by_container,
            };
            json!({
                "apiVersion": API,
                "kind": POLICY,
                "metadata": {
                    "name": format!("{}-{name}", kind.to_ascii_lowercase()),
                    "namespace": namespace,
                },
                "spec": json!(spec),
            })
        })
        .collect())
}

/// One part for each container of a policy.
pub(super) fn import(
    documents: Vec<Value>,
    losses: &mut Losses,
) -> Result<Vec<Part>, ManifestError> {
    let mut parts = Vec::new();
    for resource in resources(documents, API, &[POLICY, PROPOSAL], losses)? {
        let spec: Spec = resource.spec()?;
        if spec.mode.as_deref() == Some("protect") {
            losses.not_carried("mode protect: it blocks there, and is reported here");
        }
        for (container, rules) in spec.rules_by_container {
            let name = format!("{}/{container}", resource.metadata.name);
            let rules = rules.unwrap_or_default();
            for field in rules.other.keys().chain(rules.executables.other.keys()) {
                losses.leave_out(
                    format!("{name}: {field}"),
                    "entries here are exact paths, and no other field is known",
                );
            }
            parts.push(Part {
                about: about(&resource.metadata, &container),
                body: Body::Entries {
                    mode: Mode::Enforce,
                    processes: processes(&name, &rules.executables.allowed, losses),
                },
                name,
            });
        }
    }
    Ok(parts)
}

fn processes(name: &str, allowed: &[String], losses: &mut Losses) -> BTreeSet<Process> {
    let mut processes = BTreeSet::new();
    for path in allowed {
        match entry::program(path) {
            Ok(process) => {
                processes.insert(process);
            }
            Err(why) => losses.leave_out(format!("{name}: {path}"), why),
        }
    }
    processes
}

/// A proposal says whose it is; a policy is named by pods.
fn about(metadata: &Metadata, container: &str) -> About {
    let container = container.to_owned();
    match (&metadata.namespace, &metadata.owner_references[..]) {
        (Some(namespace), [owner]) => About::Workload(WorkloadId::Kubernetes {
            namespace: namespace.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            container,
        }),
        (namespace, _) => About::Container {
            namespace: namespace.clone(),
            container,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format::WorkloadPolicy;
    use super::super::testing::{check_export, check_import, import_error};

    #[test]
    fn a_proposal_says_whose_it_is() {
        check_import(
            WorkloadPolicy,
            r"
apiVersion: security.rancher.io/v1alpha1
kind: WorkloadPolicyProposal
metadata:
  name: deploy-checkout
  namespace: shop
  ownerReferences:
  - apiVersion: apps/v1
    kind: Deployment
    name: checkout
    uid: 12345678-1234-1234-1234-1234567890ab
spec:
  rulesByContainer:
    api:
      executables:
        allowed:
        - /usr/sbin/nginx
        - /usr/bin/[
        allowedPrefixes:
        - /usr/lib/
    sidecar: null
",
            &[],
            "shop/Deployment/checkout/api enforce
  /usr/bin/[
  /usr/sbin/nginx
shop/Deployment/checkout/sidecar enforce
left out deploy-checkout/api: allowedPrefixes: entries here are exact paths, and no other field is known
not carried over: interpreters: where a listed path is a script, its entry needs its interpreter; layers, which the format does not know: every entry is for a file of the image
",
        );
    }

    const POLICY: &str = r"
apiVersion: security.rancher.io/v1alpha1
kind: WorkloadPolicy
metadata: {name: checkout, namespace: shop}
spec:
  mode: protect
  rulesByContainer:
    api:
      executables:
        allowed: [/usr/sbin/nginx, /opt/*/run, relative, /a//b]
status:
  phase: Ready
";

    #[test]
    fn a_policy_needs_a_persons_word() {
        assert_eq!(
            import_error(WorkloadPolicy, POLICY, &[]),
            "which workload is meant is not said in the file: say --workload checkout/api=shop/KIND/NAME"
        );
        check_import(
            WorkloadPolicy,
            POLICY,
            &["shop/Deployment/checkout"],
            "shop/Deployment/checkout/api enforce
  /usr/sbin/nginx
left out checkout/api: /opt/*/run: its * stands for itself there, and for any name here
left out checkout/api: relative: the path \"relative\" is relative; write it from the root, beginning with /
left out checkout/api: /a//b: the path \"/a//b\" is not normalised; write it as the kernel resolves it: without ., .., // and without / at its end
not carried over: interpreters: where a listed path is a script, its entry needs its interpreter; layers, which the format does not know: every entry is for a file of the image; mode protect: it blocks there, and is reported here
",
        );
    }

    #[test]
    fn the_containers_of_a_controller_are_one_policy() {
        check_export(
            WorkloadPolicy,
            &["api", "sidecar"],
            "apiVersion: security.rancher.io/v1alpha1
kind: WorkloadPolicy
metadata:
  name: deployment-checkout
  namespace: shop
spec:
  mode: monitor
  rulesByContainer:
    api:
      executables:
        allowed:
        - /docker-entrypoint.sh
        - /plugins/resize
        - /usr/bin/busybox
        - /usr/bin/checkout
        - /usr/bin/dash
        - /usr/sbin/nginx
    sidecar:
      executables:
        allowed:
        - /docker-entrypoint.sh
        - /plugins/resize
        - /usr/bin/busybox
        - /usr/bin/checkout
        - /usr/bin/dash
        - /usr/sbin/nginx
",
            "left out /opt/app/releases/*/bin/run: its path has a *, and the format has exact paths only
allows more than the source: applet (/usr/bin/busybox as nc); args (/usr/bin/dash); layers: what is written to a listed path after the start may run too (all of the 7 entries); parents (/usr/bin/dash); sha256 (/usr/bin/checkout); users (/usr/bin/dash). not carried over: removed (/usr/bin/curl)
",
        );
    }
}
