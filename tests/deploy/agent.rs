//! What in the manifests the agent reads, read by the agent's own code.

use crate::{CHART, OVERLAYS, WHOLE_CHART, container, files};
use clap::Parser as _;
use execwarden::allowlist::{Folder, parse};
use execwarden::cli::args::{Arguments, Command};
use execwarden::config::{Config, Environment, Settings, file};
use serde_json::Value;
use std::path::Path;

/// The renderings, each with its name.
fn all() -> impl Iterator<Item = (&'static str, &'static [Value])> {
    let overlays = OVERLAYS
        .iter()
        .map(|(name, objects)| (name.as_str(), objects.as_slice()));
    overlays.chain([
        ("the chart", CHART.as_slice()),
        ("the chart with everything", WHOLE_CHART.as_slice()),
    ])
}

/// What the agent would make of flags and file.
pub fn configuration(objects: &[Value]) -> Config {
    let files = files(objects, "execwarden-config");
    let [(name, text)] = files.as_slice() else {
        panic!("not one file: {files:?}");
    };
    let settings = file::parse(Path::new(name), text).expect("a valid file");
    let environment = Environment {
        node_name: Some("node-1".to_owned()),
        hostname: "pod".to_owned(),
    };
    Config::resolve(flags(objects), settings, &environment).expect("a valid configuration")
}

fn flags(objects: &[Value]) -> Settings {
    let args = container(objects)["args"].as_array().expect("arguments");
    let args = args.iter().map(|arg| arg.as_str().expect("text"));
    let command = std::iter::once("execwarden").chain(args);
    match Arguments::try_parse_from(command) {
        Ok(Arguments {
            command: Command::Run(arguments),
        }) => arguments.settings,
        Ok(other) => panic!("this does not run the agent: {other:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// The agent's own allowlist, in the form in which it writes documents.
pub fn own_allowlist(objects: &[Value]) -> String {
    let files = files(objects, "execwarden-allowlists");
    let (name, text) = files
        .iter()
        .find(|(name, _)| name == "execwarden.yaml")
        .expect("the agent's own");
    let document = parse(name, text.as_bytes()).expect("a valid document");
    execwarden::allowlist::render(&document)
}

#[test]
fn every_flag_and_the_file_are_understood() {
    for (name, objects) in all() {
        let config = configuration(objects);

        assert_eq!(config.host_root, Path::new("/host"), "{name}");
        assert!(config.metrics.is_some(), "{name}");
    }
}

#[test]
fn every_allowlist_is_understood() {
    for (name, objects) in all() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(objects, "execwarden-allowlists");
        for (name, text) in &files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }

        let mut read = Folder::new(folder.path());
        let reload = read.reload();

        assert!(reload.errors.is_empty(), "{name}: {:?}", reload.errors);
        assert_eq!(read.iter().count(), files.len(), "{name}");
    }
}

/// Each path that the file names is one that the pod has.
#[test]
fn what_the_file_names_is_mounted() {
    for (name, objects) in all() {
        let config = configuration(objects);
        let mounted = |path: &Path| {
            let mounts = container(objects)["volumeMounts"]
                .as_array()
                .expect("mounts");
            mounts
                .iter()
                .any(|mount| path.starts_with(mount["mountPath"].as_str().expect("a path")))
        };

        assert!(mounted(&config.allowlists), "{name}");
        assert!(mounted(&config.state), "{name}");
        assert!(mounted(&config.control), "{name}");
        assert!(mounted(&config.host_root.join("run/containerd")), "{name}");
        for url in config
            .syslog
            .iter()
            .filter_map(|url| url.strip_prefix("unix:"))
        {
            assert!(mounted(Path::new(url)), "{name}: {url}");
        }
    }
}

/// The kubelet asks where the agent listens.
#[test]
fn probes_ask_where_the_agent_listens() {
    for (name, objects) in all() {
        let config = configuration(objects);
        let container = container(objects);
        let ports = container["ports"].as_array().expect("ports");
        let [port] = ports.as_slice() else {
            panic!("{name}: {ports:?}");
        };

        assert_eq!(
            port["containerPort"].as_u64(),
            config.metrics.map(|address| address.port().into()),
            "{name}"
        );
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], port["name"], "{name}");
        }
    }
}
