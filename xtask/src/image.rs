//! `cargo xtask image`: the agent as a container image.
//!
//! It is one static program, so the image is one layer, and an image is a few
//! JSON documents that name their parts by hash: they are written here, without an
//! engine, from nothing but the program's bytes. The result is a tar file of the
//! OCI image layout, which containerd, podman, skopeo and umoci read.

mod layout;

use crate::archive::Archive;
use crate::{build, command};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Builds the program and its image, and says what to do with it.
pub fn run() -> Result<()> {
    let program = build::release_without_libraries()?;
    let file = write(&program)?;
    println!(
        "{file}\n\
         into containerd:  ctr --namespace k8s.io images import {file}\n\
         into a registry:  skopeo copy oci-archive:{file} docker://REGISTRY/execwarden:{version}",
        file = file.display(),
        version = env!("CARGO_PKG_VERSION"),
    );
    Ok(())
}

fn write(program: &Path) -> Result<PathBuf> {
    let image = layout::image(&root(program)?)?;
    let folder = testbed::target_folder()?.join("image");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name = format!(
        "execwarden-{}-{}.tar",
        env!("CARGO_PKG_VERSION"),
        layout::architecture()
    );
    let file = folder.join(name);
    fs::write(&file, image.tar()?).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Where the DaemonSet mounts something: a runtime would have to make these.
const MOUNTED: [&str; 9] = [
    "allowlists",
    "dev",
    "etc/execwarden",
    "host/run",
    "host/sys/fs/cgroup",
    "proc",
    "run/execwarden",
    "sys",
    "var/lib/execwarden",
];

/// What is in a container of the image.
fn root(program: &Path) -> Result<Archive> {
    let mut root = Archive::default();
    root.copy(program, "execwarden", 0o755)?;
    for folder in MOUNTED {
        root.folder(folder);
    }
    for (file, name) in LICENSES {
        root.copy(
            &command::workspace().join(file),
            &format!("licenses/{name}"),
            0o644,
        )?;
    }
    Ok(root)
}

/// The texts that have to go with the program.
pub const LICENSES: [(&str, &str); 3] = [
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("agent-ebpf/LICENSE-GPL2", "LICENSE-GPL2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_daemonset_mounts_has_its_place() {
        let file = testbed::manifests::folder().join("kustomize/base/daemonset.yaml");
        let text = fs::read_to_string(file).expect("the DaemonSet");
        let objects = testbed::manifests::objects(&text).expect("an object");
        let container = &objects[0]["spec"]["template"]["spec"]["containers"][0];

        for mount in container["volumeMounts"].as_array().expect("mounts") {
            let path = mount["mountPath"].as_str().expect("a path");
            let is_there = MOUNTED.contains(&path.trim_start_matches('/'));
            assert!(is_there || path.starts_with("/sys/"), "{path}");
        }
    }

    #[test]
    fn the_dockerfile_makes_the_same() {
        let file = command::workspace().join("deploy/Dockerfile");
        let text = fs::read_to_string(file).expect("the Dockerfile");
        let words: Vec<_> = text.split_whitespace().collect();

        for folder in MOUNTED {
            assert!(words.contains(&folder), "{folder}");
        }
        for (file, _) in LICENSES {
            assert!(words.contains(&file), "{file}");
        }
        let tag = format!("execwarden:{}", env!("CARGO_PKG_VERSION"));
        assert!(words.contains(&tag.as_str()), "{tag}");
    }
}
