//! What the formats' tests share.

use super::{Assignment, Format, Imported, Losses, assign, entry, export, import};
use crate::allowlist::{Document, fields, parse};

/// A document with every kind of entry, of a container.
fn document(container: &str) -> Document {
    let text = r"
apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata: {name: x}
spec:
  workload: {namespace: shop, kind: Deployment, name: checkout, container: CONTAINER}
  processes:
    - path: /docker-entrypoint.sh
      interpreter: /usr/bin/dash
    - path: /opt/app/releases/*/bin/run
    - path: /plugins/resize
      layer: volume
    - path: /usr/bin/busybox
      applet: nc
    - path: /usr/bin/checkout
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    - path: /usr/bin/dash
      args: [-c, '*', curl -fs localhost:*/health]
      parents: [/usr/sbin/nginx]
      users: [1000]
    - path: /usr/sbin/nginx
  removed:
    - path: /usr/bin/curl
"
    .replace("CONTAINER", container);
    parse("x.yaml", text.as_bytes()).expect("a document")
}

/// Exports a document for each container: the text, and what is said of the
/// first.
pub(super) fn check_export(format: Format, containers: &[&str], text: &str, losses: &str) {
    let documents: Vec<Document> = containers.iter().map(|name| document(name)).collect();

    let exported = export(format, &documents).expect("exported");
    let again = export(format, &documents).expect("exported");

    assert_eq!(exported.text, text);
    assert_eq!(said(&exported.losses[0]), losses);
    assert_eq!(exported.text, again.text);
}

/// Imports a file: each document with its entries, then what is said.
pub(super) fn check_import(format: Format, text: &str, workloads: &[&str], expected: &str) {
    let imported = import(format, "x.yaml", text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    let losses = said(&imported.losses);
    let documents = assigned(imported, workloads).unwrap_or_else(|error| panic!("{error}"));

    let documents: String = documents.iter().map(listed).collect();
    assert_eq!(documents + &losses, expected);
}

/// What an import ends with.
pub(super) fn import_error(format: Format, text: &str, workloads: &[&str]) -> String {
    match import(format, "x.yaml", text.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(imported) => assigned(imported, workloads).expect_err("refused"),
    }
}

/// What is left of a document on the way there and back.
pub(super) fn there_and_back(format: Format, workloads: &[&str]) -> String {
    let exported = export(format, &[document("api")]).expect("exported");
    let back = import(format, "x.yaml", exported.text.as_bytes()).expect("our own export");
    let documents = assigned(back, workloads).expect("a workload");
    documents.iter().map(listed).collect()
}

fn assigned(imported: Imported, workloads: &[&str]) -> Result<Vec<Document>, String> {
    let says: Vec<Assignment> = workloads
        .iter()
        .map(|text| text.parse().expect("a workload"))
        .collect();
    assign(imported.parts, &says).map_err(|error| error.to_string())
}

fn listed(document: &Document) -> String {
    let mut text = format!("{} {}\n", document.spec.workload, document.spec.mode);
    for process in &document.spec.processes {
        text += &format!("  {}", entry::title(process));
        for field in fields::conditions(process) {
            text += &format!(", {}: {}", field.name, field.value);
        }
        text += "\n";
    }
    text
}

fn said(losses: &Losses) -> String {
    let left_out = losses.left_out().iter();
    let mut text: String = left_out
        .map(|one| format!("left out {}: {}\n", one.what, one.why))
        .collect();
    text.extend(losses.summary().map(|summary| summary + "\n"));
    text
}
