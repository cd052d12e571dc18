//! The documents of an OCI image with one layer (OCI image specification 1.1).

use crate::archive::{Archive, gzip};
use crate::digest::sha256;
use anyhow::{Result, bail};
use serde_json::{Value, json};

/// [`crate::archive::TIME`]: nothing of an image tells when it was made, or two of
/// the same would differ.
const CREATED: &str = "2000-01-01T00:00:00Z";
/// The name by which containerd knows it after an import, and kubelet asks.
const NAME: &str = concat!("docker.io/library/execwarden:", env!("CARGO_PKG_VERSION"));

/// The layout of an image with this root, as files.
pub fn image(root: &Archive) -> Result<Archive> {
    let layer = root.tar()?;
    let mut layout = Layout::default();
    let compressed = layout.add("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&layer)?);
    let config = layout.add_json(
        "application/vnd.oci.image.config.v1+json",
        &config(&sha256(&layer))?,
    );
    let manifest = layout.add_json(
        MANIFEST,
        &json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [compressed],
            "annotations": labels(),
        }),
    );
    Ok(layout.ended(manifest))
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn config(layer: &str) -> Result<Value> {
    if architecture() == UNKNOWN {
        bail!("there is no image for {}", std::env::consts::ARCH);
    }
    Ok(json!({
        "created": CREATED,
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": "0:0",
            "Entrypoint": ["/execwarden"],
            "Cmd": ["run"],
            "WorkingDir": "/",
            "Labels": labels(),
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created": CREATED, "created_by": "cargo xtask image" }],
    }))
}

const UNKNOWN: &str = "unknown";

/// This machine's, as images have it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        _ => UNKNOWN,
    }
}

fn labels() -> Value {
    json!({
        "org.opencontainers.image.title": "execwarden",
        "org.opencontainers.image.description":
            "Learns which processes every container on a node runs, and reports everything else",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    })
}

/// Parts, each under its hash.
#[derive(Default)]
struct Layout {
    files: Archive,
}

impl Layout {
    /// Adds a part and gives what others name it by.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = sha256(&bytes);
        let descriptor = json!({
            "mediaType": media_type,
            "digest": format!("sha256:{digest}"),
            "size": bytes.len(),
        });
        self.files
            .file(&format!("blobs/sha256/{digest}"), 0o644, bytes);
        descriptor
    }

    fn add_json(&mut self, media_type: &str, document: &Value) -> Value {
        self.add(media_type, document.to_string().into_bytes())
    }

    fn ended(mut self, mut manifest: Value) -> Archive {
        manifest["platform"] = json!({ "architecture": architecture(), "os": "linux" });
        manifest["annotations"] = json!({
            "io.containerd.image.name": NAME,
            "org.opencontainers.image.ref.name": env!("CARGO_PKG_VERSION"),
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [manifest],
        });
        let mut add = |name, document: Value| {
            let bytes = document.to_string().into_bytes();
            self.files.file(name, 0o644, bytes);
        };
        add("index.json", index);
        add("oci-layout", json!({ "imageLayoutVersion": "1.0.0" }));
        self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read as _;

    fn root() -> Archive {
        let mut root = Archive::default();
        root.file("execwarden", 0o755, b"a program".to_vec());
        root.folder("var/lib/execwarden");
        root
    }

    fn files(archive: &Archive) -> BTreeMap<String, Vec<u8>> {
        let bytes = archive.tar().expect("an archive");
        let mut read = tar::Archive::new(bytes.as_slice());
        let entries = read.entries().expect("entries");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let path = entry.path().expect("a path").display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("read");
                (path, bytes)
            })
            .collect()
    }

    #[test]
    fn the_same_root_is_the_same_image() {
        let tar = || {
            image(&root())
                .and_then(|image| image.tar())
                .expect("an image")
        };

        assert_eq!(tar(), tar());
    }

    /// From the index down, each part is there with the hash and the size that the
    /// one above it names.
    #[test]
    fn every_part_is_what_the_one_above_it_names() {
        let files = files(&image(&root()).expect("an image"));
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let part = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().expect("a digest");
            let digest = digest.strip_prefix("sha256:").expect("SHA-256");
            let bytes = &files[&format!("blobs/sha256/{digest}")];
            assert_eq!(sha256(bytes), digest);
            assert_eq!(descriptor["size"], bytes.len());
            bytes.clone()
        };

        let index = json(&files["index.json"]);
        let manifest = json(&part(&index["manifests"][0]));
        let config = json(&part(&manifest["config"]));
        let layer = part(&manifest["layers"][0]);

        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(layer.as_slice())
            .read_to_end(&mut unpacked)
            .expect("gzip");
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            format!("sha256:{}", sha256(&unpacked))
        );
        assert_eq!(unpacked, root().tar().expect("an archive"));
    }
}
